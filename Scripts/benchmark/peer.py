"""One peer in one process, driven by JSON lines like `mp-bench worker` (see there for the protocol).

    python peer.py ENGINE PRECISION MODEL_FOLDER --threads N [--checkpoint FOLDER] [--answer TEXT]

--checkpoint has the tokenizer, for whole texts. With --answer, it classifies one text as a user's script would, prints the class, and ends: that is timed from outside.
"""
import argparse
import functools
import importlib.metadata
import json
import os
import sys
import time


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine")
    parser.add_argument("precision")
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--answer")
    parser.add_argument("--checkpoint")
    return parser.parse_args()


def arrays(lengths):
    """Padded ids, mask and types of texts of these lengths; ids are spread over the vocabulary, as in texts."""
    import numpy

    row, column = numpy.meshgrid(numpy.arange(len(lengths)), numpy.arange(max(lengths)), indexing="ij")
    mask = (column < numpy.array(lengths)[:, None]).astype(numpy.int64)
    ids = (1000 + (row * 7919 + column * 104729) % 28000).astype(numpy.int64) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}


def load_onnxruntime(folder, precision, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"])
    wide = {value.name: "64" in value.type for value in session.get_inputs()}

    def run(arrays):
        inputs = {name: arrays[name] if wide[name] else arrays[name].astype("int32") for name in wide}
        return session.run(None, inputs)[0]

    return run, onnxruntime.__version__


def load_openvino(folder, precision, threads):
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision.endswith("bf16") else "f32",
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    if precision.endswith("bf16") and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise RuntimeError("OpenVINO has no bf16 on this CPU")
    model = core.compile_model(os.path.join(folder, "model.xml"), "CPU", settings)
    names = [value.get_any_name() for value in model.inputs]
    request = model.create_infer_request()
    return (
        lambda arrays: request.infer({name: arrays[name] for name in names}, share_inputs=True)[0],
        openvino.__version__)


def load_pytorch(folder, precision, threads):
    import torch
    from transformers import AutoModelForSequenceClassification

    import models

    torch.set_num_threads(threads)
    network = AutoModelForSequenceClassification.from_pretrained(folder).float().eval()
    names = models.inputs(network)

    def run(arrays):
        with torch.inference_mode():
            return network(**{name: torch.from_numpy(arrays[name]) for name in names}).logits.numpy()

    return run, torch.__version__


def load_tract(folder, precision, threads):
    """One thread, whatever is asked for, and one text after the other: with a symbolic number of texts it does not
    understand the graph."""
    import numpy
    import tract

    network = tract.onnx().load(os.path.join(folder, "model.onnx"))
    names = [network.input_name(place) for place in range(network.input_count())]
    for place in range(len(names)):
        network.set_input_fact(place, "1,T,i64")
    network = network.into_model().into_runnable()

    def run(values):
        rows = range(len(values["input_ids"]))
        return numpy.concatenate([
            network.run([values[name][row:row + 1] for name in names])[0].to_numpy() for row in rows])

    return run, f"{tract.version()}, 1 thread"


def load_executorch(folder, precision, threads):
    import torch
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
    from executorch.runtime import Runtime

    _unsafe_reset_threadpool(threads)
    method = Runtime.get().load_program(os.path.join(folder, "model.pte")).load_method("forward")
    names = ["input_ids", "attention_mask", "token_type_ids"][:method.metadata.num_inputs()]

    def run(values):
        return method.execute(tuple(torch.from_numpy(values[name]) for name in names))[0].numpy()

    return run, importlib.metadata.version("executorch")


def load_ctranslate2(folder, precision, threads):
    import ctranslate2
    import numpy

    types = {"f32": "float32", "bf16": "bfloat16", "int8": "int8_float32"}
    encoder = ctranslate2.Encoder(
        os.path.join(folder, "encoder"), device="cpu", compute_type=types[precision], inter_threads=1,
        intra_threads=threads)
    head = numpy.load(os.path.join(folder, "classifier.npz"))

    def run(values):
        ids, lengths = values["input_ids"], values["attention_mask"].sum(axis=1)
        output = encoder.forward_batch([row[:length].tolist() for row, length in zip(ids, lengths)]).pooler_output
        if output.dtype != ctranslate2.DataType.float32:
            output = output.to(ctranslate2.DataType.float32)
        return numpy.array(output) @ head["weight"].T + head["bias"]

    return run, ctranslate2.__version__


def load_tokenizers(folder, precision, threads):
    return None, importlib.metadata.version("tokenizers")


LOADERS = {
    "onnxruntime": load_onnxruntime, "openvino": load_openvino, "pytorch": load_pytorch, "tract": load_tract,
    "executorch": load_executorch, "ctranslate2": load_ctranslate2, "tokenizers": load_tokenizers}


def make_tokenizer(checkpoint):
    """Hugging Face's, as the checkpoint's files say, cutting texts to what the model takes."""
    from tokenizers import BertWordPieceTokenizer, Tokenizer

    def settings(name):
        path = os.path.join(checkpoint, name)
        if not os.path.exists(path):
            return {}
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    config = settings("tokenizer_config.json")
    if os.path.exists(os.path.join(checkpoint, "tokenizer.json")):
        tokenizer = Tokenizer.from_file(os.path.join(checkpoint, "tokenizer.json"))
    else:
        tokenizer = BertWordPieceTokenizer(
            os.path.join(checkpoint, "vocab.txt"), lowercase=config.get("do_lower_case", True))
    tokenizer.no_padding()
    tokenizer.enable_truncation(
        int(min(config.get("model_max_length", 1e9), settings("config.json").get("max_position_embeddings", 512))))
    return tokenizer


class Texts:
    """What a user's script does between a text and its label. The tokenizer is made when it is first needed: where only
    ids are timed, a checkpoint needs none that this script can read."""

    def __init__(self, checkpoint, run):
        self.run = run
        self.checkpoint = checkpoint
        with open(os.path.join(checkpoint, "config.json"), encoding="utf-8") as file:
            self.labels = json.load(file).get("id2label", {})

    @functools.cached_property
    def tokenizer(self):
        return make_tokenizer(self.checkpoint)

    def label(self, text):
        import numpy

        encoding = self.tokenizer.encode(text)
        values = dict(input_ids=encoding.ids, attention_mask=encoding.attention_mask, token_type_ids=encoding.type_ids)
        logits = self.run({name: numpy.array([value], dtype=numpy.int64) for name, value in values.items()})
        number = int(logits[0].argmax())
        return self.labels.get(str(number), f"LABEL_{number}")

    def serve(self, request):
        """The answer to a request with texts."""
        if request["op"] == "texts":
            times, labels = [], []
            for text in request["texts"]:
                before = time.perf_counter()
                labels.append(self.label(text))
                times.append(time.perf_counter() - before)
            return {"t": times, "labels": labels}
        before = time.perf_counter()
        if request.get("together"):
            encodings = self.tokenizer.encode_batch(request["texts"])
        else:
            encodings = [self.tokenizer.encode(text) for text in request["texts"]]
        seconds = time.perf_counter() - before
        return {"t": seconds, "ids": [encoding.ids for encoding in encodings]}


def serve(request, run):
    """The answer to one request about lengths."""
    if request["op"] == "warm":
        for samples, tokens in request["shapes"]:
            run(arrays([tokens] * samples))
        return {}
    if request["op"] == "time":
        batch = arrays([request["s"]] * request["b"])
        run(batch)
        times = []
        start = time.perf_counter()
        while len(times) < request["max_iters"] and (
                len(times) < request["min_iters"] or time.perf_counter() - start < request["min_time"]):
            before = time.perf_counter()
            run(batch)
            times.append(time.perf_counter() - before)
        return {"t": times}
    if request["op"] == "batches":
        batches = [arrays(lengths) for lengths in request["batches"]]
        start = time.perf_counter()
        for batch in batches:
            run(batch)
        return {"t": time.perf_counter() - start}
    raise ValueError(f"there is no operation {request['op']!r}")


def main():
    options = parse()
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Libraries may print to standard output; the answers keep a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(value):
        answers.write((value if isinstance(value, str) else json.dumps(value)) + "\n")
        answers.flush()

    run, version = LOADERS[options.engine](options.folder, options.precision, options.threads)
    texts = Texts(options.checkpoint, run) if options.checkpoint else None
    if options.answer:
        say(texts.label(options.answer))
        return
    say({"ready": True, "info": version})
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "quit":
            return
        try:
            say(texts.serve(request) if "texts" in request else serve(request, run))
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]})


if __name__ == "__main__":
    main()
