"""Answers on terms: deadlines, layers at most, exits that loosen, and certificates that do not hold."""

import hashlib
import json
import random
import subprocess
import threading
import time

import numpy as np
import pytest
import requests
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from conftest import BIN, ROOT, Server
from test_protocols import TEXTS, tensor
from test_tasks import value

# Answers that take seconds on one thread.
LONG = ["some words of a text " * 60]
NEVER, PRUNE = "entropy(threshold=0)", "received-attention(thresholds=#prune.thresholds, scale=1)"


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """The default checkpoint, compiled with a certificate of its exits that nobody proved."""
    checkpoint, folder = ROOT / "Graphs/dbpedia14", tmp_path_factory.mktemp("certified")
    path, certificate = folder / "certified.mpc", folder / "certificate.json"
    digest = hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()
    certificate.write_text(json.dumps({
        "format": "magic-pyramid-certificate", "version": 1, "checkpoint": "sha256:" + digest, "precision": "int8",
        "data_sha256": "0" * 64, "n": 1000, "exit": "entropy(threshold=0.5)", "prune": PRUNE, "max_drop": 0.001,
        "confidence": 0.95, "against": "dense", "miss_class": None,
        "bounds": [{"exit_layer": None, "n": 1000, "losses": 0, "bound": 0.001}]}))
    subprocess.run(
        [BIN / "mp-compile", checkpoint, "-o", path, "--certificate", certificate, "--precision", "int8", "--quiet"],
        check=True)
    return path


@pytest.fixture(scope="module")
def deep(model):
    """A server whose texts go through all layers, on one thread."""
    server = Server(
        model, "--threads", "1", "--exit", NEVER, "--prune", "keep-all", "--batch-tokens", "8192", "--queue-tokens",
        "999999")
    yield server
    assert server.stop()[0] == 0


@pytest.mark.parametrize("module", [triton, triton_grpc])
def test_a_request_is_given_up_at_its_deadline(deep, module):
    client = module.InferenceServerClient(deep.address if module is triton else f"127.0.0.1:{deep.grpc_port}")
    for terms in [{"parameters": {"deadline_ms": 1}}, {"timeout": 1000}]:
        with pytest.raises(module.InferenceServerException, match=r"\[504\]|DEADLINE_EXCEEDED"):
            client.infer("dbpedia14", [tensor(LONG * 500, module)], **terms)


def test_the_pages_runs_have_a_requests_time_each(model):
    def ask(server):
        return requests.post(server.url + "/pyramid", json={"text": LONG[0]}, timeout=60)

    options = ["--threads", "1", "--exit", NEVER, "--prune", "keep-all"]
    with Server(model, *options) as server:
        one = min(ask(server).json()["ms_dense"] for _ in range(3))
    # Two runs of the answer together take all of that.
    with Server(model, *options, "--deadline-ms", str(int(2 * one))) as server:
        for _ in range(20):
            reply = ask(server)
            # Where the machine was busy, one was cut.
            if reply.status_code == 200 and "limited_by" not in reply.json():
                break
        assert reply.status_code == 200, reply.text
        found = reply.json()
        assert "limited_by" not in found and found["exit_layer"] == 6
        assert [head["layer"] for head in found["heads"]] == list(range(7)) and found["ms_dense"] > 0


def test_at_the_deadline_the_best_head_so_far_answers_and_says_so(deep):
    client = triton.InferenceServerClient(deep.address)
    start = time.time()
    client.infer("dbpedia14", [tensor(LONG * 20)])
    # In the middle of it, however fast this is.
    half = int(500 * (time.time() - start))
    found = client.infer("dbpedia14", [tensor(LONG * 20)], parameters={"deadline_ms": half})
    layers, limits = found.as_numpy("exit_layer"), found.as_numpy("limited_by")
    assert layers.min() < 6
    assert [limit.decode() for limit in limits] == ["deadline" if layer < 6 else "" for layer in layers]
    assert 'limit="deadline"} ' in requests.get(deep.url + "/metrics", timeout=30).text


def test_a_server_may_have_a_deadline(model):
    with Server(model, "--deadline-ms", "1") as server:
        late = server.predict([LONG] * 500, truncate=True)
        assert late.status_code == 504 and late.json()["error_type"] == "Overloaded"
        assert server.stop()[0] == 0


def test_layers_at_most_are_said_where_a_reply_has_no_place_for_it(model):
    with Server(model, "--max-layers", "2", "--exit", NEVER) as server:
        assert server.predict(TEXTS[0]).headers["X-Limited-By"] == "max_layers"
        assert server.stop()[0] == 0
    with Server(model, "--exit", NEVER) as server:
        assert "X-Limited-By" not in server.predict(TEXTS[0]).headers
        assert server.stop()[0] == 0


def test_exits_loosen_as_the_queue_fills_and_answers_say_so(certified):
    options = ["--adaptive", "--exit", NEVER, "--threads", "1", "--queue-tokens", "20000", "--batch-tokens", "1024"]
    with Server(certified, *options) as server:
        def loosened():
            return float(value(requests.get(server.url + "/metrics", timeout=30).text, "mp_exit_loosened"))

        client = triton.InferenceServerClient(server.address)
        strict = client.infer("certified", [tensor(TEXTS)])
        assert strict.get_response()["parameters"]["loosened"] == 0 and (strict.as_numpy("exit_layer") == 6).all()
        assert float(server.predict(TEXTS[0]).headers["X-Loosened"]) == 0 and loosened() == 0
        # Half of the queue, for some seconds.
        huge = threading.Thread(target=lambda: server.predict([LONG] * 80, truncate=True))
        huge.start()
        end = time.time() + 20
        while loosened() == 0:
            assert time.time() < end and huge.is_alive(), "it never loosens"
            time.sleep(0.02)
        loose = client.infer("certified", [tensor(TEXTS)])
        assert 0 < loose.get_response()["parameters"]["loosened"] <= 1
        assert loose.as_numpy("exit_layer").min() < 6
        huge.join()
        assert loosened() == 0
        assert server.stop()[0] == 0


def test_a_certificate_that_does_not_hold_raises_an_alarm(certified):
    chance = random.Random(1)
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    texts = [" ".join(chance.choices(words, k=12)) for _ in range(200)]
    with Server(certified, "--shadow", "1") as server:
        client = triton.InferenceServerClient(server.address)
        metrics, end = "", time.time() + 60
        while 'mp_certificate_alarm{model="certified",version="1"} 1\n' not in metrics:
            assert time.time() < end, metrics
            client.infer("certified", [tensor(texts)])
            metrics = requests.get(server.url + "/metrics", timeout=30).text
        assert float(value(metrics, "mp_shadow_agreement")) < 0.999
        assert float(value(metrics, "mp_shadow_log_evidence")) >= np.log(1 / 0.05)
        # It is said once, and stays, whatever comes after it.
        for _ in range(3):
            client.infer("certified", [tensor(TEXTS)])
        code, log = server.stop()
    lines = [json.loads(line) for line in log.splitlines()]
    assert code == 0 and [line["message"] for line in lines if line["level"] == "error"] == [
        "answers disagree with dense more often than the certificate allows"]


@pytest.mark.parametrize(("options", "is_tested"), [
    ([], True), (["--exit", "entropy(threshold=0.5)"], True), (["--exit", "entropy(threshold=0.4)"], False),
    (["--prune", PRUNE], True), (["--prune", "keep-all"], False), (["--max-layers", "3"], False)])
def test_a_certificate_is_tested_where_its_policies_are_in_force(certified, options, is_tested):
    with Server(certified, "--shadow", "1", *options) as server:
        server.predict(TEXTS[0])
        metrics = server.metrics_with("mp_shadow_texts_total{", "a text that was drawn is not answered twice")
        assert ("mp_certificate_alarm{" in metrics) == is_tested
        code, log = server.stop()
    served = next(line for line in map(json.loads, log.splitlines()) if line["message"] == "serves a model")
    assert code == 0 and served["certificate"] == ("tested" if is_tested else "not tested")
