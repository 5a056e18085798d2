"""The same Open Inference requests to mp-serve and to MLServer, whose replies must have the same form.

    MP_BIN=DIR MLSERVER=VENV/bin/mlserver python Scripts/serving/conformance.py MODEL.mpc

MLServer runs in a virtual environment of its own (pip install mlserver), on a runtime with the same inputs and outputs.
Both must answer, with 200. Compared: the keys of replies, and of each output name, datatype, shape and number of
elements. A last dimension of 1 counts as none: MLServer's codecs add one.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import requests
from conftest import Server, free_port

HERE = pathlib.Path(__file__).resolve().parent


def start_mlserver(folder, name, classes):
    shutil.copy(HERE / "mlserver/runtime.py", folder / "runtime.py")
    ports = {"http_port": free_port(), "grpc_port": free_port(), "metrics_port": free_port()}
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, **ports}))
    parameters = {"version": "1", "extra": {"classes": classes}}
    model = {"name": name, "implementation": "runtime.Texts", "parameters": parameters}
    (folder / "model-settings.json").write_text(json.dumps(model))
    process = subprocess.Popen(
        [os.environ["MLSERVER"], "start", "."], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{ports['http_port']}"
    for _ in range(600):
        try:
            if requests.get(f"{url}/v2/models/{name}/ready", timeout=5).status_code == 200:
                return process, url
        except requests.ConnectionError:
            pass
        assert process.poll() is None, "mlserver ended"
        time.sleep(0.1)
    raise AssertionError("mlserver is not ready")


def form(reply):
    """What a reply looks like."""
    try:
        body = reply.json()
    except ValueError:
        return reply.status_code, None
    if not isinstance(body, dict) or "outputs" not in body:
        return reply.status_code, None
    keys = {"model_name", "model_version", "outputs"} | ({"id"} & set(body))
    outputs = [(o["name"], o["datatype"], o["shape"][:1] + [n for n in o["shape"][1:] if n != 1], len(flat(o["data"])))
               for o in body["outputs"]]
    return reply.status_code, sorted(keys & set(body)), body.get("id"), sorted(outputs)


def flat(data):
    return [x for element in data for x in (flat(element) if isinstance(element, list) else [element])]


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
    }
    if takes_pairs:
        pair = [tensor("x", "y"), tensor("z", "é", name="text_pair")]
        cases["two pairs"] = {"id": "f", "inputs": pair, "outputs": wanted}
    else:
        print("left out: pairs, which this model does not take")
    return cases


def main():
    model = pathlib.Path(sys.argv[1])
    name = model.stem
    paths = ["/v2/health/live", "/v2/health/ready", f"/v2/models/{name}/ready", f"/v2/models/{name}", "/v2"]
    failed = 0
    with tempfile.TemporaryDirectory() as folder, Server(model) as ours:
        metadata = requests.get(f"{ours.url}/v2/models/{name}", timeout=60).json()
        cases = bodies(name, takes_pairs="text_pair" in [entry["name"] for entry in metadata["inputs"]])
        classes = next(entry["shape"][1] for entry in metadata["outputs"] if entry["name"] == "logits")
        process, theirs = start_mlserver(pathlib.Path(folder), name, classes)
        try:
            for title, body in cases.items():
                path = f"/v2/models/{name}/infer"
                found = [form(requests.post(url + path, json=body, timeout=60)) for url in (ours.url, theirs)]
                # Two errors are alike, too; what is no reply with outputs has no form.
                same = found[0] == found[1] and found[0][0] == 200 and found[0][1] is not None
                failed += not same
                print(f"{'same' if same else 'DIFFERENT'}: {title}" + ("" if same else f"\n  {found[0]}\n  {found[1]}"))
            for path in paths:
                codes = [requests.get(url + path, timeout=60).status_code for url in (ours.url, theirs)]
                same = codes == [200, 200]
                failed += not same
                print(f"{'same' if same else 'DIFFERENT'}: {path} {codes}")
        finally:
            process.terminate()
            process.wait()
        code, log = ours.stop()
        if code != 0:
            print(f"mp-serve ended with {code}: {log}")
    print(f"{len(cases) + len(paths) - failed} passed, {failed} failed")
    sys.exit(failed > 0 or code != 0)


if __name__ == "__main__":
    main()
