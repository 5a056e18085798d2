"""Random-weight classifiers of well-known shapes, in the form that each runtime takes.

Speed depends on shapes, not on what the weights say, so nothing has to be downloaded. Each form is a folder of its own,
made under another name and renamed when it is whole: what is there is complete and is kept, what is missing is made.

    python models.py WORK MODEL FORM...      forms: see MAKERS; prints one JSON line a form
"""
import importlib.metadata
import json
import os
import shutil
import sys
import warnings

# name -> layers, hidden, feed-forward, heads
SHAPES = {
    "minilm-l6": (6, 384, 1536, 12),
    "minilm-l12": (12, 384, 1536, 12),
    "bert-base": (12, 768, 3072, 12),
}
CLASSES = 4
VOCABULARY = 30522
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def folder(work, model, form):
    return os.path.join(work, "models", model, form)


def operations(model, tokens):
    """Operations of one text's matrix products: projections, feed-forward, attention, pooler, classes."""
    layers, hidden, inner, _ = SHAPES[model]
    layer = 2 * tokens * (4 * hidden * hidden + 2 * hidden * inner) + 4 * tokens * tokens * hidden
    return layers * layer + 2 * hidden * hidden + 2 * hidden * CLASSES


def make_checkpoint(work, model, target):
    """A Hugging Face folder."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    layers, hidden, inner, heads = SHAPES[model]
    torch.manual_seed(20240517)
    config = BertConfig(
        vocab_size=VOCABULARY, max_position_embeddings=512, type_vocab_size=2, num_labels=CLASSES, hidden_act="gelu",
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner)
    BertForSequenceClassification(config).eval().save_pretrained(target, safe_serialization=True)
    words = ["[PAD]"] + [f"[unused{i}]" for i in range(99)] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [chr(c) for c in range(33, 127)] + ["##" + chr(c) for c in range(97, 123)]
    words += [f"w{i:05d}" for i in range(VOCABULARY - len(words))]
    with open(os.path.join(target, "vocab.txt"), "w") as file:
        file.write("\n".join(words) + "\n")


def make_onnx(work, model, target):
    """The export that the other forms start from, with dynamic batch and length."""
    import torch
    from transformers import BertForSequenceClassification

    network = BertForSequenceClassification.from_pretrained(
        require(work, model, "checkpoint"), attn_implementation="eager").eval()

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.network(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits

    ids = torch.randint(1000, 30000, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    axes = {name: {0: "batch", 1: "tokens"} for name in INPUTS} | {"logits": {0: "batch"}}
    with torch.no_grad():
        torch.onnx.export(
            Logits().eval(), (ids, mask, torch.zeros_like(ids)), os.path.join(target, "model.onnx"), dynamo=False,
            opset_version=17, input_names=list(INPUTS), output_names=["logits"], dynamic_axes=axes,
            do_constant_folding=True)


def make_onnxruntime_f32(work, model, target):
    """The graph after ONNX Runtime's own transformer fusions."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    _, hidden, _, heads = SHAPES[model]
    optimized = optimizer.optimize_model(
        os.path.join(require(work, model, "onnx"), "model.onnx"), model_type="bert", num_heads=heads,
        hidden_size=hidden, opt_level=0, optimization_options=FusionOptions("bert"))
    optimized.save_model_to_file(os.path.join(target, "model.onnx"))


def make_onnxruntime_int8(work, model, target):
    """Dynamic quantisation of the fused graph, as ONNX Runtime's documentation recommends for transformers."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        os.path.join(require(work, model, "onnxruntime-f32"), "model.onnx"), os.path.join(target, "model.onnx"),
        weight_type=QuantType.QInt8, per_channel=False,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


def make_openvino_f32(work, model, target):
    import openvino

    network = openvino.convert_model(os.path.join(require(work, model, "onnx"), "model.onnx"))
    openvino.save_model(network, os.path.join(target, "model.xml"), compress_to_fp16=False)


def make_openvino_int8(work, model, target):
    """NNCF's post-training quantisation of weights and activations, on 64 made-up texts."""
    import nncf
    import numpy
    import openvino

    random = numpy.random.default_rng(0)

    def text(_):
        shape = (1, int(random.integers(16, 128)))
        return dict(
            input_ids=random.integers(1000, 30000, shape), attention_mask=numpy.ones(shape, numpy.int64),
            token_type_ids=numpy.zeros(shape, numpy.int64))

    network = openvino.Core().read_model(os.path.join(require(work, model, "openvino-f32"), "model.xml"))
    quantized = nncf.quantize(
        network, nncf.Dataset([text(i) for i in range(64)]), model_type=nncf.ModelType.TRANSFORMER, subset_size=64)
    openvino.save_model(quantized, os.path.join(target, "model.xml"), compress_to_fp16=False)


# form -> how it is made
MAKERS = {
    "checkpoint": make_checkpoint,
    "onnx": make_onnx,
    "onnxruntime-f32": make_onnxruntime_f32,
    "onnxruntime-int8": make_onnxruntime_int8,
    "openvino-f32": make_openvino_f32,
    "openvino-int8": make_openvino_int8,
}


def require(work, model, form):
    """The folder of a form, which is made if it isn't there."""
    target = folder(work, model, form)
    if not os.path.isdir(target):
        partial = target + ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        MAKERS[form](work, model, partial)
        os.rename(partial, target)
    return target


def versions():
    """Versions of the packages that take part, as far as they are installed."""
    found = {}
    for package in ("torch", "transformers", "onnx", "onnxruntime", "openvino", "nncf", "tokenizers", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def main():
    work, model, forms = sys.argv[1], sys.argv[2], sys.argv[3:]
    warnings.filterwarnings("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Libraries print progress to standard output, which is for the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for form in forms:
        try:
            answer = {"form": form, "path": require(work, model, form)}
        except Exception as error:
            answer = {"form": form, "error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
