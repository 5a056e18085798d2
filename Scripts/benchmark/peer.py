"""One peer in one process, driven by JSON lines like `mp-bench worker` (see there for the protocol).

    python peer.py ENGINE PRECISION MODEL_FOLDER --threads N [--answer TEXT --checkpoint FOLDER]

With --answer, it classifies one text as a user's script would, prints the class, and ends: that is timed from outside.
"""
import argparse
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


def make_arrays():
    """A function from lengths to padded ids, mask and types; ids are spread over the vocabulary, as in texts."""
    import numpy

    known = {}

    def arrays(lengths):
        key = tuple(lengths)
        if key not in known:
            row, column = numpy.meshgrid(numpy.arange(len(lengths)), numpy.arange(max(lengths)), indexing="ij")
            mask = (column < numpy.array(lengths)[:, None]).astype(numpy.int64)
            ids = (1000 + (row * 7919 + column * 104729) % 28000).astype(numpy.int64) * mask
            known[key] = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
        return known[key]

    return arrays


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
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    names = models.inputs(network)

    def run(arrays):
        with torch.inference_mode():
            return network(**{name: torch.from_numpy(arrays[name]) for name in names}).logits.numpy()

    return run, torch.__version__


LOADERS = {"onnxruntime": load_onnxruntime, "openvino": load_openvino, "pytorch": load_pytorch}


def answer_text(options, run):
    """What a user's script does for its first answer."""
    import numpy
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(os.path.join(options.checkpoint, "vocab.txt"), lowercase=True)
    encoding = tokenizer.encode(options.answer)
    values = dict(input_ids=encoding.ids, attention_mask=encoding.attention_mask, token_type_ids=encoding.type_ids)
    logits = run({name: numpy.array([value], dtype=numpy.int64) for name, value in values.items()})
    return f"LABEL_{int(logits[0].argmax())}"


def serve(request, run, arrays):
    """The answer to one request."""
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
    if options.answer:
        say(answer_text(options, run))
        return
    arrays = make_arrays()
    say({"ready": True, "info": version})
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "quit":
            return
        try:
            say(serve(request, run, arrays))
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]})


if __name__ == "__main__":
    main()
