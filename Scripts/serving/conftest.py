"""A server for the tests: mp-serve and mp-compile are found in MP_BIN, models are compiled once."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import numpy as np
import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["MP_BIN"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running mp-serve."""

    def __init__(self, model, *options, env=None, scheme="http", wait=True, **arguments):
        self.port, self.grpc_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"{scheme}://{self.address}"
        self.log = []
        command = [str(BIN / "mp-serve"), str(model), "--port", str(self.port), "--log-format", "json"]
        help_text = subprocess.run([command[0], "--help"], capture_output=True, text=True, check=True).stdout
        if "--grpc-port" in help_text:
            command += ["--grpc-port", str(self.grpc_port)]
        self.process = subprocess.Popen(
            command + list(options), stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})},
            **arguments)
        if wait:
            self.wait()

    def wait(self):
        for _ in range(600):
            try:
                if requests.get(self.url + "/v2/health/ready", timeout=5, verify=False).status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.05)
        raise AssertionError("the server is not ready")

    def stop(self, sig=signal.SIGTERM):
        """Ends the server; its exit code and what it logged."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """What went wrong beside a server leaves none behind; one that was stopped is gone already."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def metrics_with(self, part, problem, seconds=30):
        """The metrics once they hold this part; what is wrong where they never do."""
        end = time.time() + seconds
        while part not in (metrics := requests.get(self.url + "/metrics", timeout=30).text):
            assert time.time() < end, problem
            time.sleep(0.02)
        return metrics

    def predict(self, inputs, **fields):
        return requests.post(self.url + "/predict", json={"inputs": inputs, **fields}, timeout=30)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The default checkpoint with exits that many texts take."""
    path = tmp_path_factory.mktemp("models") / "dbpedia14.mpc"
    subprocess.run(
        [BIN / "mp-compile", ROOT / "Graphs/dbpedia14", "-o", path, "--exit", "entropy(threshold=0.1)",
         "--prune", "received-attention", "--quiet"], check=True)
    return path


@pytest.fixture(scope="session")
def server(model):
    running = Server(model, "--exit-range", "entropy(threshold=0)..entropy(threshold=0.5)")
    yield running
    code, _ = running.stop()
    assert code == 0


@pytest.fixture(scope="session")
def ranker(tmp_path_factory):
    """A small cross-encoder of random weights: one logit for a pair of texts."""
    folder = tmp_path_factory.mktemp("ranker")
    checkpoint, path = folder / "checkpoint", folder / "ranker.mpc"
    write_ranker(checkpoint)
    subprocess.run([BIN / "mp-compile", checkpoint, "-o", path, "--precision", "f32", "--quiet"], check=True)
    return path


def write_ranker(folder, layers=2, hidden=32, inner=64, heads=2):
    """A BERT checkpoint as Hugging Face writes it, with the vocabulary of the default one."""
    folder.mkdir()
    vocabulary = (ROOT / "Graphs/dbpedia14/vocab.txt").read_bytes()
    (folder / "vocab.txt").write_bytes(vocabulary)
    words, positions = len(vocabulary.splitlines()), 128
    config = {
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": hidden,
        "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": inner, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "max_position_embeddings": positions, "type_vocab_size": 2, "vocab_size": words,
        "pad_token_id": 0, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"bert.embeddings.word_embeddings": [words, hidden],
              "bert.embeddings.position_embeddings": [positions, hidden],
              "bert.embeddings.token_type_embeddings": [2, hidden], "bert.pooler.dense": [hidden, hidden],
              "classifier": [1, hidden]}
    norms = ["bert.embeddings.LayerNorm"]
    for layer in range(layers):
        place = f"bert.encoder.layer.{layer}."
        for part in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]:
            shapes[place + part] = [hidden, hidden]
        shapes[place + "intermediate.dense"], shapes[place + "output.dense"] = [inner, hidden], [hidden, inner]
        norms += [place + "attention.output.LayerNorm", place + "output.LayerNorm"]
    chance, tensors = np.random.default_rng(5), {}
    for name, shape in shapes.items():
        tensors[name + ".weight"] = chance.normal(0, 1 if "embeddings" in name else 0.3, shape)
        if "embeddings" not in name:
            tensors[name + ".bias"] = np.zeros(shape[0])
    for name in norms:
        tensors[name + ".weight"], tensors[name + ".bias"] = np.ones(hidden), np.zeros(hidden)
    write_tensors(folder / "model.safetensors", {name: values.astype("<f4") for name, values in tensors.items()})


TYPES = {"F32": "<f4", "F16": "<f2"}


def write_tensors(path, tensors):
    head, pieces, end = {}, [], 0
    for name, values in tensors.items():
        pieces.append(values.tobytes())
        dtype = next(dtype for dtype, numpy_type in TYPES.items() if values.dtype == np.dtype(numpy_type))
        head[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [end, end + len(pieces[-1])]}
        end += len(pieces[-1])
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(pieces))


def read_tensors(path):
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    head, tensors = json.loads(data[8:start]), {}
    for name, entry in head.items():
        if name != "__metadata__":
            first, last = (start + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[first:last], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


@pytest.fixture(scope="session")
def several(tmp_path_factory):
    """Two tasks on the default checkpoint's trunk: `topic`, its own, and `few`, the first five classes of it alone."""
    own, folder = ROOT / "Graphs/dbpedia14", tmp_path_factory.mktemp("several")
    few, path = folder / "few", folder / "several.mpc"
    few.mkdir()
    for name in ["vocab.txt", "tokenizer_config.json"]:
        shutil.copy(own / name, few / name)
    config = json.loads((own / "config.json").read_text())
    config["id2label"] = {str(index): "few " + config["id2label"][str(index)] for index in range(5)}
    config["label2id"] = {label: int(index) for index, label in config["id2label"].items()}
    (few / "config.json").write_text(json.dumps(config))
    tensors = read_tensors(own / "model.safetensors")
    for name, values in tensors.items():
        if "classifier." in name or name == "exits.entry.bias":
            tensors[name] = values[:5]
        elif name == "exits.entry.table":
            tensors[name] = np.ascontiguousarray(values[:, :5])
    write_tensors(few / "model.safetensors", tensors)
    subprocess.run(
        [BIN / "mp-compile", own, "-o", path, "--task", f"topic={own}", "--task", f"few={few}", "--precision", "f32",
         "--exit", "entropy(threshold=0.1)", "--quiet"], check=True)
    return path
