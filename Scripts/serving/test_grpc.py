"""The Open Inference Protocol over gRPC, by tritonclient."""

import queue
import signal
import socket
import threading
import time

import frames
import grpc
import numpy as np
import pytest
import requests
import tritonclient.grpc as triton
import tritonclient.http as triton_http
from conftest import Server
from test_protocols import TEXTS, tensor


@pytest.fixture
def client(server):
    return triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")


def test_health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("dbpedia14")
    with pytest.raises(triton.InferenceServerException, match="NOT_FOUND"):
        client.get_model_metadata("other")
    metadata = client.get_model_metadata("dbpedia14")
    assert list(metadata.versions) == ["1"] and metadata.inputs[0].datatype == "BYTES"
    server = client.get_server_metadata()
    assert server.name == "magic-pyramid" and list(server.extensions) == ["binary_tensor_data"]
    # What is not offered says so.
    for ask in [client.get_model_repository_index, lambda: client.get_model_config("dbpedia14"),
                client.get_inference_statistics]:
        with pytest.raises(triton.InferenceServerException, match="UNIMPLEMENTED"):
            ask()


def test_answers_are_those_of_http(client, server):
    names = ["label", "score", "probabilities", "exit_layer", "truncated"]
    found = client.infer(
        "dbpedia14", [tensor(TEXTS, triton)], outputs=[triton.InferRequestedOutput(n) for n in names], request_id="9")
    http = triton_http.InferenceServerClient(server.address).infer("dbpedia14", [tensor(TEXTS, triton_http)])
    assert found.get_response().id == "9"
    for name in names:
        first, second = found.as_numpy(name), http.as_numpy(name)
        assert first.shape == second.shape and first.dtype == second.dtype
        assert np.array_equal(first, second) if first.dtype == object else np.allclose(first, second, atol=1e-6)


def test_request_parameters_and_errors(client):
    inputs = [tensor(TEXTS, triton)]
    reply = client.infer("dbpedia14", inputs, parameters={"max_layers": 2, "exit": "entropy(threshold=0)"})
    assert (reply.as_numpy("exit_layer") == 2).all()
    for parameters in [{"exit": "entropy(threshold=0.9)"}, {"colour": 1}]:
        with pytest.raises(triton.InferenceServerException, match="INVALID_ARGUMENT"):
            client.infer("dbpedia14", inputs, parameters=parameters)
    with pytest.raises(triton.InferenceServerException, match="NOT_FOUND"):
        client.infer("dbpedia14", inputs, model_version="7")
    assert client.infer("dbpedia14", inputs, parameters={"content_type": "str"}).as_numpy("label").shape == (3,)
    unknown, twice = triton.InferRequestedOutput("label", class_count=2), triton.InferRequestedOutput("label")
    for outputs in [[unknown], [twice, twice]]:
        with pytest.raises(triton.InferenceServerException, match="INVALID_ARGUMENT"):
            client.infer("dbpedia14", inputs, outputs=outputs)


def test_a_stuck_call_keeps_nothing_else_open(model):
    server = Server(model, "--drain-timeout", "20")
    codes = []

    def ask():
        session = requests.Session()
        try:
            while True:
                codes.append(session.post(server.url + "/predict", json={"inputs": "a b"}, timeout=30).status_code)
        except requests.ConnectionError:
            pass

    asking = threading.Thread(target=ask)
    asking.start()
    # A call whose request never comes: SIGTERM waits for it as long as it may.
    release = threading.Event()
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stuck = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer", request_serializer=bytes).future(
            (b"" for _ in [0] if release.wait(60)), wait_for_ready=True)
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        asking.join(10)
        assert not asking.is_alive() and len(codes) > 2 and set(codes) == {200}, set(codes)
        with pytest.raises(requests.ConnectionError):
            requests.get(server.url + "/v2/health/ready", timeout=5)
        assert server.process.poll() is None
        release.set()
        stuck.cancel()
    code, log = server.stop()
    assert code == 0, log


def deep_calls(model, *options):
    """A server whose texts go through all layers on one thread, and a function that begins a call of some seconds."""
    server = Server(
        model, "--threads", "1", "--exit", "entropy(threshold=0)", "--prune", "keep-all", "--batch-tokens", "2048",
        "--queue-tokens", "999999", *options)
    texts = [tensor(["some words of a text " * 60] * 40, triton)]
    client, results = triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}"), queue.Queue()

    def begin():
        return client.async_infer("dbpedia14", texts, lambda result, error: results.put((result, error)))

    def wait_for(count):
        server.metrics_with(
            f'mp_queue_requests{{model="dbpedia14",version="1"}} {count}\n', f"there are never {count} calls under way")

    return server, begin, wait_for, results


def test_termination_answers_calls_that_came_in(model):
    server, begin, wait_for, results = deep_calls(model, "--drain-timeout", "50")
    with server:
        for _ in range(6):
            begin()
        wait_for(6)
        assert results.empty(), "a call was answered before the end: it is too short"
        code, log = server.stop()
        found = [results.get(timeout=30) for _ in range(6)]
    assert code == 0, log
    assert all(error is None and result.as_numpy("label").shape == (40,) for result, error in found), found


def test_calls_that_nobody_waits_for_are_not_computed(model):
    server, begin, wait_for, results = deep_calls(model)
    with server:
        calls = [begin() for _ in range(6)]
        wait_for(6)
        for call in calls:
            call.cancel()
        assert all("CANCELLED" in str(results.get(timeout=30)[1]) for _ in calls)
        metrics = server.metrics_with('protocol="oip_grpc",outcome="lost"} 6\n', "they are still computed")
        assert "mp_texts_total{" not in metrics
        assert server.stop()[0] == 0


def test_a_call_whose_message_does_not_come_is_ended(model):
    reset = frames.frame(frames.RESET, 0, 1, (8).to_bytes(4, "big"))
    with Server(model, "--idle-timeout", "1") as server:
        host = ("127.0.0.1", server.grpc_port)
        release = threading.Event()
        with grpc.insecure_channel("%s:%d" % host) as channel:
            infer = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer", request_serializer=bytes)
            silent = infer.future((b"" for _ in [0] if release.wait(30)), wait_for_ready=True)
            with pytest.raises(grpc.RpcError):
                silent.result(15)
            assert silent.code() == grpc.StatusCode.CANCELLED
            release.set()
        with socket.create_connection(host, timeout=10) as connection:
            connection.sendall(frames.PREFACE + frames.settings() + frames.headers(1) + frames.data(
                1, b"", length=1000, flags=0))
            connection.settimeout(0.1)
            found, end = b"", time.time() + 15
            while reset not in found:
                assert time.time() < end, "a call that drips is still read"
                try:
                    part = connection.recv(65536)
                    assert part, "the connection is closed"
                    found += part
                except TimeoutError:
                    connection.sendall(frames.frame(frames.DATA, 0, 1, b"x"))
            # Others on the connection are answered.
            connection.settimeout(10)
            connection.sendall(frames.call(3, frames.message()))
            while b"probabilities" not in found:
                part = connection.recv(65536)
                assert part, "the connection is closed"
                found += part
        assert server.stop()[0] == 0


def test_the_token_is_asked_for(model):
    server = Server(model, env={"MP_SERVE_TOKEN": "s3cr3t"})
    client = triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
    assert client.is_server_ready()
    with pytest.raises(triton.InferenceServerException, match="UNAUTHENTICATED"):
        client.infer("dbpedia14", [tensor(TEXTS, triton)])
    reply = client.infer("dbpedia14", [tensor(TEXTS, triton)], headers={"authorization": "Bearer s3cr3t"})
    assert reply.as_numpy("label").shape == (3,)
    server.stop()
