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

import checkpoints


def folder(work, model, form):
    return os.path.join(work, "models", model, form)


def make_checkpoint(work, model, target):
    """A Hugging Face folder."""
    checkpoints.make(model, target)


def inputs(network):
    """Names of what a network of transformers is given."""
    types = getattr(network.config, "type_vocab_size", 0)
    return ["input_ids", "attention_mask"] + ["token_type_ids"] * (types > 1)


def make_onnx(work, model, target):
    """The export that the other forms start from, with dynamic batch and length."""
    import torch
    from transformers import AutoModelForSequenceClassification

    network = AutoModelForSequenceClassification.from_pretrained(
        require(work, model, "checkpoint"), attn_implementation="eager").eval()
    names = inputs(network)

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, *values):
            return self.network(**dict(zip(names, values))).logits

    ids = torch.randint(1000, 30000, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    values = dict(input_ids=ids, attention_mask=mask, token_type_ids=torch.zeros_like(ids))
    axes = {name: {0: "batch", 1: "tokens"} for name in names} | {"logits": {0: "batch"}}
    with torch.no_grad():
        torch.onnx.export(
            Logits().eval(), tuple(values[name] for name in names), os.path.join(target, "model.onnx"), dynamo=False,
            opset_version=17, input_names=names, output_names=["logits"], dynamic_axes=axes, do_constant_folding=True)


def make_onnxruntime_f32(work, model, target):
    """The graph after ONNX Runtime's own transformer fusions."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    _, _, hidden, _, heads = checkpoints.SHAPES[model]
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
    network = openvino.Core().read_model(os.path.join(require(work, model, "openvino-f32"), "model.xml"))
    names = [value.get_any_name() for value in network.inputs]

    def text(_):
        shape = (1, int(random.integers(16, 128)))
        values = dict(
            input_ids=random.integers(1000, 30000, shape), attention_mask=numpy.ones(shape, numpy.int64),
            token_type_ids=numpy.zeros(shape, numpy.int64))
        return {name: values[name] for name in names}

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
