"""What clients may hold of a server, and how long: connections, calls, and bytes of requests that are on their way."""

import contextlib
import json
import pathlib
import select
import socket
import time

import frames
import pytest
import requests
import tritonclient.grpc as triton
from conftest import Server
from test_protocols import tensor


def test_what_is_on_its_way_is_bounded_together(model):
    # 67 times this is the most that has room, of 64 times 1,000 bytes.
    part = b"x" * 955
    with Server(model, "--max-body", "1000") as server, contextlib.ExitStack() as held:
        def opened(port):
            return held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))

        def wait(taken):
            end = time.time() + 20
            while True:
                try:
                    calls.infer("dbpedia14", [tensor(["a"], triton)])
                    found = True
                except triton.InferenceServerException as error:
                    assert "RESOURCE_EXHAUSTED" in str(error), error
                    found = False
                if found == taken:
                    return
                assert time.time() < end, "messages have no bound" if found else "messages that are gone are counted"
                time.sleep(0.02)

        bodies = [opened(server.port) for _ in range(68)]
        for connection in bodies:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + part)
        refused, _, _ = select.select(bodies, [], [], 20)
        assert [connection.recv(12) for connection in refused] == [b"HTTP/1.1 429"]
        # Messages have room of their own.
        calls = triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
        wait(True)
        for large in ["a" * 1000, "word " * 1_000_000]:
            with pytest.raises(triton.InferenceServerException, match="OUT_OF_RANGE.*1000 bytes"):
                calls.infer("dbpedia14", [tensor([large], triton)])
        streams = [opened(server.grpc_port) for _ in range(3)]
        for connection in streams:
            messages = [
                frames.headers(stream) + frames.data(stream, part[5:], length=999, flags=0) for stream in range(1, 61, 2)]
            connection.sendall(frames.PREFACE + frames.settings() + b"".join(messages))
            # One after the other: what is refused is counted until it is closed, and two at once would be.
            frames.wait_until_read(connection)
        wait(False)
        for connection in streams:
            connection.close()
        wait(True)
        counted = requests.get(server.url + "/metrics", timeout=30).text
        for code in ["outOfRange", "resourceExhausted"]:
            assert f'grpc_server_refused_total{{code="{code}"}} ' in counted
        # The end waits for requests that are under way.
        for connection in bodies:
            connection.close()
        assert server.stop()[0] == 0


def test_bodies_are_counted_until_they_are_answered(model):
    body = json.dumps({"inputs": "some words of a text " * 45}).encode()
    request = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    # 64,000 bytes have room, and 250 times as many tokens: what is refused is refused for its bytes.
    options = ["--max-body", "1000", "--threads", "1", "--exit", "entropy(threshold=0)", "--queue-tokens", "999999"]
    with Server(model, *options) as server, contextlib.ExitStack() as held:
        clients = [held.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60)) for _ in range(150)]
        for client in clients:
            client.sendall(request)
        replies = [client.recv(65536) for client in clients]
        refused = [reply for reply in replies if reply.startswith(b"HTTP/1.1 429 ")]
        assert 0 < len(refused) < 90 and all(b"too many bytes" in reply for reply in refused), len(refused)
        assert len(refused) + sum(reply.startswith(b"HTTP/1.1 200 ") for reply in replies) == 150
        # They are gone once they are answered.
        for client in clients:
            client.close()
        assert [server.predict("a").status_code for _ in range(70)] == [200] * 70
        assert server.stop()[0] == 0


def test_replies_that_nobody_takes_end_the_connection(model):
    body = json.dumps({"inputs": [["a"]] * 300}).encode()
    request = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with Server(model, "--idle-timeout", "2") as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", server.port))
        # Replies of 3.6 MB, more than the system holds of what was sent; by then the last requests are read, too.
        connection.sendall(request * 20)

        def open_connections():
            lines = pathlib.Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]
            local = f":{server.port:04X}"
            # 01 is established, 0A listens.
            return sum(line.split()[1].endswith(local) and line.split()[3] == "01" for line in lines)

        assert open_connections() == 1
        end = time.time() + 40
        while open_connections():
            assert time.time() < end, "it is held as long as the client likes"
            time.sleep(0.2)
        # A client that takes them bit by bit gets all of them.
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as reader:
            reader.sendall(request * 40)
            found = b""
            while found.count(b"HTTP/1.1 200 OK") < 40 or not found.endswith(b"]]"):
                part = reader.recv(1 << 16)
                assert part, "a connection whose replies are taken is closed"
                found += part
                time.sleep(0.02)
        assert server.stop()[0] == 0


def test_connections_over_the_limit_wait(model):
    with Server(model, "--max-connections", "3") as server:
        def answers(port):
            try:
                if port == server.port:
                    return requests.get(server.url + "/v2/health/live", timeout=0.5).status_code == 200
                with contextlib.closing(triton.InferenceServerClient(f"127.0.0.1:{port}")) as client:
                    return client.is_server_live(client_timeout=0.5)
            except (requests.RequestException, triton.InferenceServerException):
                return False

        for port in [server.port, server.grpc_port]:
            held = []
            for _ in range(3):
                held.append(socket.create_connection(("127.0.0.1", port), timeout=10))
                # Two that come at once are taken at once, even if there is room for one.
                time.sleep(0.1)
            assert not answers(port)
            held.pop().close()
            end = time.time() + 20
            while not answers(port):
                assert time.time() < end, "it is never taken"
            for connection in held:
                connection.close()
        assert server.stop()[0] == 0


def test_connections_and_calls_that_nobody_minds_are_ended(model):
    reset = frames.frame(frames.RESET, 0, 1, (8).to_bytes(4, "big"))
    with Server(model, "--idle-timeout", "1") as server, contextlib.ExitStack() as held:
        def opened(data=b""):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", server.grpc_port), timeout=10))
            connection.sendall(data)
            return connection

        silent, busy = opened(), opened(frames.PREFACE + frames.settings())
        # There is no window for its reply.
        unread, found = opened(frames.PREFACE + frames.settings((4, 0)) + frames.call(1, frames.message())), b""
        while reset not in found:
            part = unread.recv(65536)
            assert part, "the connection is closed before its call"
            found += part
        # One says nothing, the other much, but asks nothing and does not answer the goodbye.
        while silent.recv(65536):
            pass
        end = time.time() + 15
        with contextlib.suppress(OSError):
            while time.time() < end:
                busy.sendall(frames.frame(frames.WINDOW, 0, 0, (1).to_bytes(4, "big")))
                time.sleep(0.05)
        assert time.time() < end, "it is never closed"
        assert triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}").is_server_live()
        assert server.stop()[0] == 0
