"""How a server starts, is reloaded, is overloaded and ends."""

import concurrent.futures
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests
import tritonclient.grpc as triton
from conftest import BIN, Server
from test_protocols import tensor

SECRET_TEXT = "Wittgenstein's unforgettable teapot"


def test_texts_and_tokens_are_not_logged(model):
    server = Server(model, "--log-level", "trace", env={"MP_SERVE_TOKEN": "s3cr3t-token"})
    good, bad = {"Authorization": "Bearer s3cr3t-token"}, {"Authorization": "Bearer s3cr3t-tokem"}
    body = {"inputs": SECRET_TEXT}
    assert requests.post(server.url + "/predict", json=body, headers=good, timeout=30).status_code == 200
    assert requests.post(server.url + "/predict", json=body, headers=bad, timeout=30).status_code == 401
    assert requests.post(server.url + "/predict", json=body, timeout=30).status_code == 401
    assert requests.post(server.url + "/predict", data=SECRET_TEXT, headers=good, timeout=30).status_code == 422
    assert requests.get(server.url + "/metrics", timeout=30).status_code == 401
    counted = requests.get(server.url + "/metrics", headers=good, timeout=30).text
    assert 'http_server_requests_total{route="/predict",method="POST",status="401"} 2\n' in counted
    assert requests.get(server.url + "/health", timeout=30).status_code == 200
    calls = triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
    calls.infer("dbpedia14", [tensor([SECRET_TEXT], triton)], headers={"authorization": good["Authorization"]})
    code, log = server.stop()
    assert code == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert any(line["message"] == "request" and line["status"] == 200 for line in lines)
    assert any(line["message"] == "call" and line["method"] == "ModelInfer" and line["code"] == "ok" for line in lines)
    assert "teapot" not in log and "s3cr3t" not in log


def test_faults_of_the_server_are_logged(model, tmp_path):
    path = tmp_path / "dbpedia14.mpc"
    shutil.copy(model, path)
    with Server(path) as server:
        calls = triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
        assert server.predict("a").status_code == 200
        # What nobody should do: the file is written over in place.
        with open(path, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"x")
        os.utime(path, (1, 1))
        assert server.predict(SECRET_TEXT).status_code == 424
        body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [SECRET_TEXT]}]}
        assert requests.post(server.url + "/v2/models/dbpedia14/infer", json=body, timeout=30).status_code == 500
        with pytest.raises(triton.InferenceServerException, match="INTERNAL"):
            calls.infer("dbpedia14", [tensor([SECRET_TEXT], triton)])
        assert requests.get(server.url + "/v2/health/ready", timeout=30).status_code == 503
        code, log = server.stop()
    assert code == 0 and "teapot" not in log
    faults = [line for line in map(json.loads, log.splitlines()) if line["level"] == "error"]
    assert [(line["message"], line.get("path", line.get("method"))) for line in faults] == [
        ("request", "/predict"), ("request", "/v2/models/dbpedia14/infer"), ("call", "ModelInfer")], faults
    assert [line.get("status", line.get("code")) for line in faults] == [424, 500, "internalError"]


def test_the_limit_of_open_files_is_raised(model):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    server = Server(model, preexec_fn=few)
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    assert server.predict("a").status_code == 200
    for connection in connections:
        connection.close()
    assert server.stop()[0] == 0


def test_answers_that_nobody_waits_for_are_not_computed(model):
    server = Server(model, "--threads", "1", "--exit", "entropy(threshold=0)", "--queue-tokens", "1000")
    body = json.dumps({"inputs": [["some words of a text " * 100]] * 500, "truncate": True}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    # A connection that answered before, and stays.
    session = requests.Session()

    def metrics():
        return session.get(server.url + "/metrics", timeout=30).text

    assert session.post(server.url + "/predict", json={"inputs": "a"}, timeout=30).status_code == 200
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body)
        while 'mp_queue_requests{model="dbpedia14",version="1"} 1' not in metrics():
            time.sleep(0.02)
    end = time.time() + 20
    while 'protocol="predict",outcome="lost"} 1' not in metrics():
        assert time.time() < end, "it is still computed"
        time.sleep(0.1)
    assert 'mp_texts_total{model="dbpedia14",version="1"} 1\n' in metrics()
    assert server.stop()[0] == 0


def test_a_trace_is_written_at_the_end(model, tmp_path):
    with Server(model, "--trace", str(tmp_path / "trace.json")) as server:
        for count in [1, 2, 3]:
            assert server.predict([["a b c"]] * count).status_code == 200
        code, log = server.stop()
    assert code == 0, log
    events = json.loads((tmp_path / "trace.json").read_text())
    assert {event["cat"] for event in events if event["ph"] == "X"} >= {"wave", "layer", "step"}
    # Before these, the model was made warm.
    begun = [event for event in events if event["ph"] == "b"][-3:]
    assert [event["args"]["samples"] for event in begun] == [1, 2, 3]
    for event in begun:
        own = [other for other in events if other.get("cat") == "request" and other["id"] == event["id"]]
        assert [other["ph"] for other in own if other["ph"] != "n"] == ["b", "e"]
        assert sum(other["name"].startswith("exit ") for other in own) == event["args"]["samples"]


def test_a_broken_model_ends_the_start(tmp_path):
    (tmp_path / "broken.mpc").write_text("no model")
    ended = subprocess.run(
        [BIN / "mp-serve", tmp_path, "--port", "0"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and "broken.mpc" in ended.stderr


def test_models_are_replaced_without_losing_a_request(model, tmp_path):
    shutil.copy(model, tmp_path / "a.mpc")
    server = Server(tmp_path)
    codes, stop = [], threading.Event()
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a b c"]}]}

    def load():
        session = requests.Session()
        while not stop.is_set():
            codes.append(session.post(server.url + "/v2/models/a/infer", json=body, timeout=30).status_code)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        shutil.copy(model, tmp_path / ".new")
        os.rename(tmp_path / ".new", tmp_path / "a.mpc")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert requests.post(server.url + "/v2/repository/models/a/load", timeout=60).status_code == 200
    shutil.copy(model, tmp_path / "b.mpc")
    (tmp_path / "c.mpc").write_text("no model")
    assert requests.post(server.url + "/v2/repository/models/b/load", timeout=60).status_code == 200
    assert requests.post(server.url + "/v2/repository/models/c/load", timeout=60).status_code == 400
    index = requests.post(server.url + "/v2/repository/index", timeout=60).json()
    assert [entry["name"] for entry in index] == ["a", "b"]
    assert requests.post(server.url + "/v2/repository/models/b/unload", timeout=60).status_code == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert len(codes) > 20 and set(codes) == {200}, set(codes)
    code, _ = server.stop()
    assert code == 0


def test_termination_under_load_answers_what_came_in(model):
    # Requests that take seconds: what is lost of them was in for sure. Each has a connection of its own.
    body = json.dumps({"inputs": [["some words of a text " * 60]] * 24, "truncate": True}).encode()
    head = (b"POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body))
    answered, started = [], threading.Event()

    def reply(connection):
        found = http.client.HTTPResponse(connection)
        found.begin()
        return found.status, len(json.loads(found.read()))

    def flood():
        session = requests.Session()
        while True:
            try:
                found = session.post(server.url + "/predict", json={"inputs": "a b c " * 20}, timeout=60)
            except requests.ConnectionError:
                # Refused, or closed before the request was sent; of one that was sent it would look the same.
                return
            answered.append((found.status_code, len(found.json())))
            started.set()

    options = ["--threads", "1", "--exit", "entropy(threshold=0)", "--batch-tokens", "2048", "--queue-tokens", "999999",
               "--drain-timeout", "50"]
    # The server ends before the pool waits for its threads, whatever fails.
    with concurrent.futures.ThreadPoolExecutor(12) as pool, Server(model, *options) as server:
        connections = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(8)]
        for connection in connections:
            connection.sendall(head + body)
        server.metrics_with(
            'mp_queue_requests{model="dbpedia14",version="1"} 8\n', "the requests were never in together")
        replies = [pool.submit(reply, connection) for connection in connections]
        floods = [pool.submit(flood) for _ in range(4)]
        assert started.wait(30)
        assert not any(found.done() for found in replies), "a request was answered before the end: it is too short"
        code, log = server.stop()
        assert [found.result() for found in replies] == [(200, 24)] * 8
    for found in floods:
        found.result()
    assert code == 0, log
    assert set(answered) == {(200, 14)}, set(answered)


@pytest.mark.parametrize(("seconds", "count"), [(1, 800), (60, 80)])
def test_termination_waits_as_long_as_it_may(model, seconds, count):
    options = ["--threads", "1", "--exit", "entropy(threshold=0)", "--prune", "keep-all", "--queue-tokens", "999999"]
    # The first takes many seconds on any processor.
    body = {"inputs": [["some words of a text " * 100]] * count, "truncate": True}
    with (Server(model, *options, "--drain-timeout", str(seconds)) as server,
          concurrent.futures.ThreadPoolExecutor(1) as pool):
        asked = pool.submit(requests.post, server.url + "/predict", json=body, timeout=120)
        server.metrics_with('mp_queue_requests{model="dbpedia14",version="1"} 1\n', "the request is never in")
        start = time.time()
        code, log = server.stop()
        if seconds == 60:
            assert asked.result().status_code == 200
        else:
            # What is not answered by then is cut, which operators are told.
            with pytest.raises(requests.ConnectionError):
                asked.result()
            assert time.time() - start < 10
    warnings = [line for line in map(json.loads, log.splitlines()) if line["level"] == "warning"]
    assert code == 0 and [(line["message"], line["requests"]) for line in warnings] == (
        [("--drain-timeout cut requests", "1")] if seconds == 1 else []), log


def test_termination_with_a_delay_fails_no_request(model):
    replies, failures, turned = [], [], threading.Event()

    def flood():
        # A connection that stays, and is opened anew where a reply says so; what is lost on the way is an error.
        session = requests.Session()
        while not turned.is_set():
            try:
                reply = session.post(server.url + "/predict", json={"inputs": "a b c"}, timeout=30)
            except requests.RequestException as error:
                failures.append(error)
                return
            replies.append((reply.status_code, reply.headers.get("Connection")))

    with Server(model, "--drain-delay", "2") as server:
        clients = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
        for client in clients:
            client.start()
        calls = triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
        assert calls.is_server_ready()
        end = time.time() + 30
        while len(replies) < 20:
            assert not failures and time.time() < end, failures
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        while requests.get(server.url + "/v2/health/ready", timeout=5).status_code == 200:
            time.sleep(0.01)
        # What a balancer does that asks for readiness: it sends no more, after a while.
        assert not calls.is_server_ready() and requests.get(server.url + "/v2/health/live", timeout=5).status_code == 200
        since = len(replies)
        while len(replies) < since + 20:
            assert not failures and time.time() < end, failures
            time.sleep(0.01)
        turned.set()
        for client in clients:
            client.join(30)
        code, log = server.stop()
    assert code == 0, log
    assert not failures and {status for status, _ in replies} == {200}
    assert {connection for _, connection in replies[since + 4:]} == {"close"}


def test_overload_is_refused_at_once_and_what_is_accepted_is_answered(model):
    # Without exits, since answers come faster than this client asks with them.
    server = Server(model, "--queue-tokens", "2000", "--threads", "1", "--exit", "never-exit", "--prune", "keep-all")

    def post(_):
        reply = requests.post(server.url + "/predict", json={"inputs": "some words of a text " * 20}, timeout=60)
        return reply.status_code, reply.headers.get("Retry-After")

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        replies = list(pool.map(post, range(400)))
    assert {code for code, _ in replies} == {200, 429}
    assert all(int(after) >= 1 for code, after in replies if code == 429)
    assert server.predict("a").status_code == 200
    server.stop()


def test_a_client_of_huge_requests_keeps_nobody_waiting(model):
    server = Server(
        model, "--threads", "1", "--exit", "entropy(threshold=0)", "--batch-tokens", "1024", "--queue-tokens", "10000")
    # Six times the queue: it gets in where nothing else is, and small ones beside it.
    huge, ended = {"inputs": [["some words of a text " * 100]] * 120, "truncate": True}, []

    def ask():
        start = time.time()
        reply = requests.post(server.url + "/predict", json=huge, timeout=300)
        ended.append((reply.status_code, len(reply.json()), time.time() - start))

    thread = threading.Thread(target=ask)
    thread.start()
    session, times = requests.Session(), []
    while 'mp_queue_requests{model="dbpedia14",version="1"} 1' not in session.get(server.url + "/metrics", timeout=30).text:
        time.sleep(0.02)
    assert session.post(server.url + "/predict", json=huge, timeout=60).status_code == 429
    while thread.is_alive():
        start = time.time()
        reply = session.post(server.url + "/predict", json={"inputs": "a b c"}, timeout=60)
        times.append(time.time() - start)
        assert reply.status_code == 200, reply.text
    thread.join()
    assert ended[0][:2] == (200, 120) and len(times) > 15, (ended, times)
    assert sorted(times)[len(times) // 2] < ended[0][2] / 10, (ended, times)
    assert server.stop()[0] == 0


def test_idle_and_slow_connections_leave_others_alone(model):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 6000:
        pytest.skip(f"this system allows {hard} open files, and the test takes 6000")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server(model, "--idle-timeout", "10")
    host = ("127.0.0.1", server.port)
    idle = [socket.create_connection(host) for _ in range(5000)]
    slow = [socket.create_connection(host) for _ in range(100)]
    for connection in slow:
        connection.send(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n")
    times = []
    for _ in range(50):
        start = time.time()
        assert server.predict("a b c").status_code == 200
        times.append(time.time() - start)
        for connection in slow:
            try:
                connection.send(b"X")
            except OSError:
                pass
    assert sorted(times)[45] < 1
    for connection in idle + slow:
        connection.close()
    server.stop()


def test_bodies_that_nobody_reads_end_the_connection(model):
    def ended(head):
        """The reply to a request whose body drips in."""
        reply, end = b"", time.time() + 15
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(head.encode() + b"\r\n\r\n")
            connection.settimeout(0.2)
            while time.time() < end:
                try:
                    connection.send(b"X")
                    part = connection.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    return reply
                if not part:
                    return reply
                reply += part
        raise AssertionError(f"it is still read: {reply}")

    with Server(model) as server:
        length = "Host: a\r\nContent-Length: 1000"
        for head, status in [("POST /nothing", 404), ("POST /v2/models/none/infer", 404), ("GET /health", 200)]:
            reply = ended(f"{head} HTTP/1.1\r\n{length}")
            assert reply.startswith(b"HTTP/1.1 %d " % status) and b"connection: close" in reply.lower(), reply
        assert b" 400 " in ended(f"POST /v2/models/dbpedia14/infer HTTP/1.1\r\n{length}\r\nContent-Encoding: gzip")
        # What was read leaves the connection open.
        session = requests.Session()
        for path, code in [("/predict", 200), ("/v2/repository/index", 200), ("/v2/models/dbpedia14/infer", 400)]:
            reply = session.post(server.url + path, json={"inputs": "a"}, timeout=30)
            assert reply.status_code == code and reply.headers.get("Connection") != "close", path
        assert session.post(server.url + "/nothing", json={}, timeout=30).headers["Connection"] == "close"
        assert server.stop()[0] == 0
