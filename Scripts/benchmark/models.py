"""Random-weight classifiers of well-known shapes, in the form that each runtime takes.

Speed depends on shapes, not on what the weights say, so nothing has to be downloaded. Each form is a folder of its own,
made under another name and renamed when it is whole: what is there is complete and is kept, what is missing is made.

    python models.py WORK MODEL FORM...      forms: see MAKERS; prints one JSON line a form
"""
import functools
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


def traced(checkpoint, attention):
    """A module from ids and masks to logits, the names of these, and values to trace it with."""
    import torch
    from transformers import AutoModelForSequenceClassification

    network = AutoModelForSequenceClassification.from_pretrained(checkpoint, attn_implementation=attention).float().eval()
    names = inputs(network)

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, *values):
            return self.network(**dict(zip(names, values))).logits

    ids = torch.randint(1000, min(30000, network.config.vocab_size), (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    values = dict(input_ids=ids, attention_mask=mask, token_type_ids=torch.zeros_like(ids))
    return Logits().eval(), names, tuple(values[name] for name in names)


def make_onnx(work, model, target):
    """The export that the other forms start from, with dynamic batch and length."""
    import torch

    logits, names, values = traced(require(work, model, "checkpoint"), "eager")
    axes = {name: {0: "batch", 1: "tokens"} for name in names} | {"logits": {0: "batch"}}
    with torch.no_grad():
        torch.onnx.export(
            logits, values, os.path.join(target, "model.onnx"), dynamo=False,
            opset_version=17, input_names=names, output_names=["logits"], dynamic_axes=axes, do_constant_folding=True)


def make_onnxruntime_f32(work, model, target):
    """The graph after ONNX Runtime's own transformer fusions."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    with open(os.path.join(require(work, model, "checkpoint"), "config.json")) as file:
        config = json.load(file)
    optimized = optimizer.optimize_model(
        os.path.join(require(work, model, "onnx"), "model.onnx"), model_type="bert",
        num_heads=config["num_attention_heads"], hidden_size=config["hidden_size"], opt_level=0, optimization_options=FusionOptions("bert"))
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


def make_executorch(work, model, target, quantizes):
    """ExecuTorch's program for XNNPACK, with dynamic batch and length; in int8 the linear layers have a scale for each output
    channel and round their inputs as they come, as torchao does it for XNNPACK."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
        XnnpackDynamicallyQuantizedPartitioner, XnnpackPartitioner)
    from executorch.exir import to_edge_transform_and_lower

    logits, _, values = traced(require(work, model, "checkpoint"), "sdpa")
    sizes = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("tokens", min=2, max=512)}
    shapes = ((sizes,) * len(values),)  # of *values
    if quantizes:
        from torchao.quantization import Int8DynamicActivationIntxWeightConfig, quantize_
        from torchao.quantization.granularity import PerAxis

        quantize_(logits, Int8DynamicActivationIntxWeightConfig(
            weight_dtype=torch.int8, weight_granularity=PerAxis(0)))
    with torch.no_grad():
        program = torch.export.export(logits, values, dynamic_shapes=shapes)
    partitioners = [XnnpackDynamicallyQuantizedPartitioner()] * quantizes + [XnnpackPartitioner()]
    lowered = to_edge_transform_and_lower(program, partitioner=partitioners).to_executorch()
    with open(os.path.join(target, "model.pte"), "wb") as file:
        file.write(lowered.buffer)


def make_ctranslate2(work, model, target):
    """The encoder, which CTranslate2 rounds when it loads it, and the classifier, which it has no layer for."""
    import numpy
    from ctranslate2.converters import TransformersConverter
    from safetensors.numpy import load_file

    source = os.path.join(target, "source")
    shutil.copytree(require(work, model, "checkpoint"), source)
    path = os.path.join(source, "config.json")
    with open(path) as file:
        config = json.load(file)
    # Its converter asks for what transformers 5 does not write any more.
    config.setdefault("position_embedding_type", "absolute")
    with open(path, "w") as file:
        json.dump(config, file)
    if not os.path.exists(os.path.join(source, "tokenizer.json")):
        from transformers import BertTokenizerFast

        BertTokenizerFast(os.path.join(source, "vocab.txt")).save_pretrained(source)
    TransformersConverter(source).convert(os.path.join(target, "encoder"))
    tensors = load_file(os.path.join(source, "model.safetensors"))
    numpy.savez(
        os.path.join(target, "classifier.npz"), weight=tensors["classifier.weight"].astype("f4"),
        bias=tensors["classifier.bias"].astype("f4"))
    shutil.rmtree(source)


# form -> how it is made
MAKERS = {
    "checkpoint": make_checkpoint,
    "onnx": make_onnx,
    "onnxruntime-f32": make_onnxruntime_f32,
    "onnxruntime-int8": make_onnxruntime_int8,
    "openvino-f32": make_openvino_f32,
    "openvino-int8": make_openvino_int8,
    "executorch-f32": functools.partial(make_executorch, quantizes=False),
    "executorch-int8": functools.partial(make_executorch, quantizes=True),
    "ctranslate2": make_ctranslate2,
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
    for package in (
            "torch", "transformers", "onnx", "onnxruntime", "openvino", "nncf", "tract", "executorch", "torchao",
            "ctranslate2", "tokenizers", "numpy"):
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
