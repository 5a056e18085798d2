"""The same Open Inference requests to mp-serve and to MLServer, whose replies must have the same form.

    MP_BIN=DIR MLSERVER=VENV/bin/mlserver python Scripts/serving/conformance.py MODEL.mpc

MLServer runs in a virtual environment of its own (pip install mlserver), on a runtime with the same inputs and outputs,
which it is told as mp-serve's metadata has them. Each request goes to both as JSON over HTTP, and by tritonclient over
HTTP and gRPC; as binary tensors over HTTP, which MLServer does not speak, to mp-serve alone, whose reply must have the
form of the others. All must answer, with 200. Compared: the keys of replies, and of each output name, datatype, shape
and number of elements; the keys, inputs and outputs of metadata. A last dimension of 1 counts as none: MLServer's codecs
add one.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing

import numpy as np
import requests
import tritonclient.grpc
import tritonclient.http
from conftest import Server, free_port
from tritonclient.utils import InferenceServerException

HERE = pathlib.Path(__file__).resolve().parent


class Peer(typing.NamedTuple):
    """A server to ask."""

    url: str
    grpc: str
    speaks_binary: bool


def start_mlserver(folder, name, metadata):
    shutil.copy(HERE / "mlserver/runtime.py", folder / "runtime.py")
    ports = {"http_port": free_port(), "grpc_port": free_port(), "metrics_port": free_port()}
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, **ports}))
    classes = next(entry["shape"][1] for entry in metadata["outputs"] if entry["name"] == "logits")
    parameters = {"version": "1", "extra": {"classes": classes}}
    model = {"name": name, "implementation": "runtime.Texts", "parameters": parameters,
             **{key: metadata[key] for key in ("versions", "platform", "inputs", "outputs")}}
    (folder / "model-settings.json").write_text(json.dumps(model))
    process = subprocess.Popen(
        [os.environ["MLSERVER"], "start", "."], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peer = Peer(f"http://127.0.0.1:{ports['http_port']}", f"127.0.0.1:{ports['grpc_port']}", False)
    for _ in range(600):
        try:
            if requests.get(f"{peer.url}/v2/models/{name}/ready", timeout=5).status_code == 200:
                return process, peer
        except requests.ConnectionError:
            pass
        assert process.poll() is None, "mlserver ended"
        time.sleep(0.1)
    raise AssertionError("mlserver is not ready")


def output_form(name, datatype, shape, size):
    shape = [int(n) for n in shape]
    return name, datatype, shape[:1] + [n for n in shape[1:] if n != 1], size


def flat(data):
    return [x for element in data for x in (flat(element) if isinstance(element, list) else [element])]


def json_form(url, name, body):
    """What a reply to a body looks like; of an error its status."""
    reply = requests.post(f"{url}/v2/models/{name}/infer", json=body, timeout=60)
    try:
        found = reply.json()
        keys = sorted({"model_name", "model_version", "id", "outputs"} & set(found))
        outputs = [output_form(o["name"], o["datatype"], o["shape"], len(flat(o["data"]))) for o in found["outputs"]]
    except (ValueError, KeyError, TypeError):
        return reply.status_code, None
    return reply.status_code, keys, found["model_name"], found.get("id"), sorted(outputs)


def tensors(module, body, **binary):
    """A body's inputs and outputs as tritonclient has them."""
    inputs = []
    for entry in body["inputs"]:
        given = module.InferInput(entry["name"], entry["shape"], "BYTES")
        texts = np.array([text.encode() for text in entry["data"]], dtype=object)
        given.set_data_from_numpy(texts.reshape(entry["shape"]), **binary)
        inputs.append(given)
    if "outputs" not in body:
        return {"inputs": inputs}
    return {"inputs": inputs, "outputs": [module.InferRequestedOutput(o["name"], **binary) for o in body["outputs"]]}


def http_form(peer, name, body, is_binary):
    """What tritonclient makes of a reply over HTTP."""
    client = tritonclient.http.InferenceServerClient(peer.url.removeprefix("http://"))
    found = client.infer(name, request_id=body["id"], **tensors(tritonclient.http, body, binary_data=is_binary))
    reply = found.get_response()
    return reply["model_name"], reply.get("id"), sorted(
        output_form(o["name"], o["datatype"], o["shape"], found.as_numpy(o["name"]).size) for o in reply["outputs"])


def grpc_form(peer, name, body):
    """What tritonclient makes of a reply over gRPC."""
    client = tritonclient.grpc.InferenceServerClient(peer.grpc)
    found = client.infer(name, request_id=body["id"], **tensors(tritonclient.grpc, body))
    reply = found.get_response()
    return reply.model_name, reply.id, sorted(
        output_form(o.name, o.datatype, o.shape, found.as_numpy(o.name).size) for o in reply.outputs)


def bodies(name, takes_pairs):
    """Bodies of requests by what they show."""
    wanted = [{"name": output} for output in ["label", "score", "probabilities", "logits", "exit_layer"]]

    def tensor(*texts, column=False, name="text"):
        shape = [len(texts)] + [1] * column
        parameters = {"content_type": "str"}
        return {"name": name, "datatype": "BYTES", "parameters": parameters, "shape": shape, "data": list(texts)}

    cases = {
        "one text": {"id": "a", "inputs": [tensor("x")], "outputs": wanted},
        "three texts": {"id": "b", "inputs": [tensor("x", "y é", "z")], "outputs": wanted},
        "a column": {"id": "c", "inputs": [tensor("x", "y", column=True)], "outputs": wanted},
        "one output": {"id": "d", "inputs": [tensor("x")], "outputs": wanted[:1]},
        "the model's name in the body, as KServe's client has it":
            {"id": "e", "model_name": name, "inputs": [tensor("x")], "outputs": wanted},
        "no outputs asked for, so all": {"id": "g", "inputs": [tensor("x", "y")]},
    }
    if takes_pairs:
        pair = [tensor("x", "y"), tensor("z", "é", name="text_pair")]
        cases["two pairs"] = {"id": "f", "inputs": pair, "outputs": wanted}
    else:
        print("left out: pairs, which this model does not take")
    return cases


class Comparison:
    """What was the same and what was not."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def compare(self, title, found, is_good=lambda form: form is not None):
        """Notes whether all found are the same, and what they are to be: two errors are alike, too."""
        same = all(form == found[0] for form in found) and bool(is_good(found[0]))
        self.passed, self.failed = self.passed + same, self.failed + (not same)
        print(f"{'same' if same else 'DIFFERENT'}: {title}" + "".join(f"\n  {form}" for form in found if not same))


def attempt(form, *arguments):
    try:
        return form(*arguments)
    except InferenceServerException as error:
        return f"error: {error}"


def compare_inference(comparison, peers, name, cases):
    def is_reply(form):
        return isinstance(form, tuple) and form[-1]

    for title, body in cases.items():
        comparison.compare(
            f"JSON, {title}", [json_form(peer.url, name, body) for peer in peers],
            lambda form: form[0] == 200 and form[-1])
        found = [attempt(http_form, peer, name, body, False) for peer in peers]
        found += [attempt(http_form, peer, name, body, True) for peer in peers if peer.speaks_binary]
        comparison.compare(f"tritonclient over HTTP, {title}", found, is_reply)
        comparison.compare(
            f"tritonclient over gRPC, {title}", [attempt(grpc_form, peer, name, body) for peer in peers], is_reply)


def tensor_forms(entries):
    return [(entry["name"], entry["datatype"], [int(n) for n in entry["shape"]]) for entry in entries]


def compare_metadata(comparison, peers, name):
    """Fields of metadata over HTTP and gRPC. MLServer says `parameters` too, which the protocol leaves free."""
    replies = [requests.get(f"{peer.url}/v2/models/{name}", timeout=60).json() for peer in peers]
    clients = [tritonclient.grpc.InferenceServerClient(peer.grpc) for peer in peers]
    replies += [client.get_model_metadata(name, as_json=True) for client in clients]
    comparison.compare(
        "metadata of the model", [
            (sorted(set(reply) - {"parameters"}), reply["name"], reply["platform"], list(reply["versions"]),
             tensor_forms(reply["inputs"]), tensor_forms(reply["outputs"])) for reply in replies])
    replies = [requests.get(f"{peer.url}/v2", timeout=60).json() for peer in peers]
    comparison.compare(
        "metadata of the server", [
            sorted((key, type(value).__name__) for key, value in reply.items()) for reply in replies])
    comparison.compare(
        "health over gRPC",
        [(client.is_server_live(), client.is_server_ready(), client.is_model_ready(name)) for client in clients],
        lambda form: form == (True, True, True))


def main():
    model, comparison = pathlib.Path(sys.argv[1]), Comparison()
    name = model.stem
    paths = ["/v2/health/live", "/v2/health/ready", f"/v2/models/{name}/ready", f"/v2/models/{name}", "/v2"]
    with tempfile.TemporaryDirectory() as folder, Server(model) as server:
        ours = Peer(server.url, f"127.0.0.1:{server.grpc_port}", True)
        metadata = requests.get(f"{ours.url}/v2/models/{name}", timeout=60).json()
        cases = bodies(name, takes_pairs="text_pair" in [entry["name"] for entry in metadata["inputs"]])
        process, theirs = start_mlserver(pathlib.Path(folder), name, metadata)
        try:
            compare_inference(comparison, (ours, theirs), name, cases)
            for path in paths:
                comparison.compare(
                    path, [requests.get(peer.url + path, timeout=60).status_code for peer in (ours, theirs)],
                    lambda status: status == 200)
            compare_metadata(comparison, (ours, theirs), name)
        finally:
            process.terminate()
            process.wait()
        code, log = server.stop()
        if code != 0:
            print(f"mp-serve ended with {code}: {log}")
    print(f"{comparison.passed} passed, {comparison.failed} failed")
    sys.exit(comparison.failed > 0 or code != 0)


if __name__ == "__main__":
    main()
