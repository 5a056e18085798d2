"""Versions of a model, by their addresses: each answers for itself, and the address without one is the latest."""

import shutil
import subprocess

import pytest
import requests
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from conftest import BIN, ROOT, Server
from test_protocols import TEXTS, tensor


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """Version 9 has exits, version 10 none, so that the depth tells who answered; nine is after ten in the alphabet."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "m" / "10").mkdir(parents=True)
    shutil.copy(model, folder / "m" / "9.mpc")
    subprocess.run(
        [BIN / "mp-compile", ROOT / "Graphs/dbpedia14", "-o", folder / "m/10/any.mpc", "--exit", "never-exit",
         "--quiet"], check=True)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    running = Server(folder)
    yield running
    assert running.stop()[0] == 0


def address(server, version=None, tail=""):
    return server.url + "/v2/models/m" + (f"/versions/{version}" if version else "") + tail


def infer(url):
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(TEXTS)], "data": TEXTS}]}
    reply = requests.post(url, json=body, timeout=30)
    assert reply.status_code == 200, reply.text
    found = reply.json()
    layers = next(output["data"] for output in found["outputs"] if output["name"] == "exit_layer")
    return found["model_version"], layers


def test_each_version_answers_at_its_address(server):
    version, layers = infer(address(server, 9, "/infer"))
    assert version == "9" and min(layers) < 6
    assert infer(address(server, 10, "/infer")) == ("10", [6, 6, 6])
    assert infer(address(server, tail="/infer")) == ("10", [6, 6, 6])


def test_metadata_and_readiness_are_of_the_version(server):
    for version in ["9", "10"]:
        found = requests.get(address(server, version), timeout=30).json()
        assert found["name"] == "m" and found["versions"] == ["9", "10"]
        assert requests.get(address(server, version, "/ready"), timeout=30).status_code == 200
    assert requests.get(address(server), timeout=30).json()["versions"] == ["9", "10"]


@pytest.mark.parametrize("version", ["8", "09x", "-1", "latest", "%20", "9999999999999999999999"])
def test_other_versions_are_not_found(server, version):
    for tail in ["", "/ready"]:
        reply = requests.get(address(server, version, tail), timeout=30)
        assert reply.status_code == 404 and "has no version" in reply.json()["error"]
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}
    assert requests.post(address(server, version, "/infer"), json=body, timeout=30).status_code == 404


def test_clients_of_others_ask_for_versions(server):
    client = triton.InferenceServerClient(server.address)
    assert client.is_model_ready("m", "9") and client.is_model_ready("m", "10") and not client.is_model_ready("m", "8")
    assert client.infer("m", [tensor(TEXTS)], model_version="9").get_response()["model_version"] == "9"
    assert client.infer("m", [tensor(TEXTS)]).get_response()["model_version"] == "10"
    calls = triton_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
    for version, depth in [("9", None), ("10", 6), ("", 6)]:
        reply = calls.infer("m", [tensor(TEXTS, triton_grpc)], model_version=version)
        assert reply.get_response().model_version == (version or "10")
        layers = reply.as_numpy("exit_layer")
        assert (layers == depth).all() if depth else layers.min() < 6
    assert calls.is_model_ready("m", "9") and list(calls.get_model_metadata("m", "9").versions) == ["9", "10"]
    with pytest.raises(triton_grpc.InferenceServerException, match="NOT_FOUND"):
        calls.is_model_ready("m", "8")


def test_a_version_that_is_added_is_the_latest_after_loading(server, folder, model):
    shutil.copy(model, folder / ".new")
    (folder / ".new").rename(folder / "m" / "11.mpc")
    assert infer(address(server, tail="/infer"))[0] == "10"
    assert requests.post(server.url + "/v2/repository/models/m/load", timeout=60).status_code == 200
    assert infer(address(server, tail="/infer"))[0] == "11" and infer(address(server, 10, "/infer"))[0] == "10"
    (folder / "m" / "11.mpc").unlink()
    assert requests.post(server.url + "/v2/repository/models/m/load", timeout=60).status_code == 200
    assert infer(address(server, tail="/infer"))[0] == "10"
    assert requests.get(address(server, 11), timeout=30).status_code == 404
