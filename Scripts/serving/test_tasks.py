"""A model of several tasks over HTTP and gRPC: clients of others ask for all or for some, and no reply mixes them up."""

import time

import numpy as np
import pytest
import requests
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from conftest import Server
from test_protocols import TEXTS, tensor

OUTPUTS = ["label", "score", "probabilities", "logits", "exit_layer"]
NAMES = [f"{task}.{name}" for task in ("topic", "few") for name in OUTPUTS] + ["exit_layer", "truncated", "limited_by"]


@pytest.fixture(scope="module")
def server(several):
    running = Server(several, "--exit-range", "entropy(threshold=0)..entropy(threshold=0.5)")
    yield running
    assert running.stop()[0] == 0


@pytest.fixture(params=[triton, triton_grpc])
def module(request):
    return request.param


@pytest.fixture
def client(server, module):
    return module.InferenceServerClient(server.address if module is triton else f"127.0.0.1:{server.grpc_port}")


def test_metadata_lists_the_outputs_of_each_task(client, module):
    metadata = client.get_model_metadata("several", **({"as_json": True} if module is triton_grpc else {}))
    assert [output["name"] for output in metadata["outputs"]] == NAMES
    assert [int(size) for size in metadata["outputs"][8]["shape"]] == [-1, 5]


def test_all_tasks_are_answered_each_by_its_head(client, module):
    given = [tensor(TEXTS, module)]
    found = client.infer("several", given)
    layers = np.stack([found.as_numpy("topic.exit_layer"), found.as_numpy("few.exit_layer")])
    assert (found.as_numpy("exit_layer") == layers.max(axis=0)).all()
    for task, classes in [("topic", 14), ("few", 5)]:
        assert found.as_numpy(task + ".probabilities").shape == (3, classes)
        assert np.allclose(found.as_numpy(task + ".probabilities").max(axis=1), found.as_numpy(task + ".score"))
        assert all(label.decode().startswith("few ") == (task == "few") for label in found.as_numpy(task + ".label"))
    assert found.as_numpy("topic.label")[0].decode() == "NaturalPlace"
    # Where both come to the end, the few classes have the logits that they have among all.
    whole = client.infer("several", given, parameters={"exit": "entropy(threshold=0)"})
    assert (whole.as_numpy("exit_layer") == 6).all()
    assert np.allclose(whole.as_numpy("topic.logits")[:, :5], whole.as_numpy("few.logits"), atol=1e-4)


def test_some_tasks_are_asked(client, module):
    given = [tensor(TEXTS, module)]
    both, one = client.infer("several", given), client.infer("several", given, parameters={"tasks": "few"})
    assert one.as_numpy("topic.label") is None
    for name in ["few.label", "few.exit_layer"]:
        assert np.array_equal(one.as_numpy(name), both.as_numpy(name))
    assert np.array_equal(one.as_numpy("exit_layer"), both.as_numpy("few.exit_layer"))
    few = client.infer("several", given, outputs=[module.InferRequestedOutput("topic.score")])
    assert few.as_numpy("topic.score").shape == (3,) and few.as_numpy("exit_layer") is None
    for arguments, words in [
        ({"parameters": {"tasks": "few,none"}}, "no task"), ({"parameters": {"tasks": ""}}, "topic, few"),
        ({"outputs": [module.InferRequestedOutput("label")]}, "no output"),
        ({"outputs": [module.InferRequestedOutput("topic.label")], "parameters": {"tasks": "few"}}, "few.label"),
    ]:
        with pytest.raises(module.InferenceServerException, match=words) as refused:
            client.infer("several", given, **arguments)
        assert any(status in str(refused.value) for status in ["[400]", "INVALID_ARGUMENT"])


def test_a_depth_and_a_page_are_for_all_tasks(client, module, server):
    given = [tensor(TEXTS, module)]
    found = client.infer("several", given, parameters={"exit": "entropy(threshold=0)", "max_layers": 2})
    for name in ["topic.exit_layer", "few.exit_layer", "exit_layer"]:
        assert (found.as_numpy(name) == 2).all()
    shown = requests.post(server.url + "/pyramid", json={"text": TEXTS[0]}, timeout=60).json()
    assert list(shown["tasks"]) == ["topic", "few"] and len(shown["labels_of_scores"]["few"]) == 5
    assert shown["exit_layer"] == max(task["exit_layer"] for task in shown["tasks"].values())


def test_text_embeddings_inference_is_given_one_task(server):
    for fields in [{}, {"tasks": "topic,few"}]:
        refused = server.predict(TEXTS[0], **fields)
        assert refused.status_code == 422 and "topic, few" in refused.json()["error"]
    assert server.predict(TEXTS[0], tasks="none").status_code == 422
    single = server.predict(TEXTS[0], tasks="few").json()
    assert len(single) == 5 and all(entry["label"].startswith("few ") for entry in single)
    assert server.predict([[TEXTS[0]], [TEXTS[1]]], tasks="topic").json()[1][0]["label"] == "Album"
    ranked = requests.post(server.url + "/rerank", json={"query": "a", "texts": ["b"]}, timeout=30)
    assert ranked.status_code == 424
    info = requests.get(server.url + "/info", timeout=30).json()
    assert list(info["model_type"]["classifier"]["tasks"]) == ["topic", "few"]


def test_shadow_traffic_compares_all_tasks_and_adaptive_exits_are_refused(several):
    with Server(several, "--shadow", "1", "--exit", "never-exit") as server:
        client = triton.InferenceServerClient(server.address)
        client.infer("several", [tensor(TEXTS)])
        client.infer("several", [tensor(TEXTS)], parameters={"tasks": "few"})
        metrics, end = "", time.time() + 30
        while "mp_shadow_texts_total{" not in metrics or float(value(metrics, "mp_shadow_texts_total")) < 6:
            assert time.time() < end, "texts that were drawn are not answered twice"
            metrics = requests.get(server.url + "/metrics", timeout=30).text
        assert float(value(metrics, "mp_shadow_agreement")) == 1
        assert server.stop()[0] == 0
    ended = Server(several, "--adaptive", "--exit", "entropy(threshold=0.05)", wait=False)
    ended.process.wait(60)
    code, log = ended.stop()
    assert code == 1 and "several tasks (topic, few)" in log


def value(metrics, name):
    return next(line for line in metrics.splitlines() if line.startswith(name + "{")).rsplit(" ", 1)[1]
