"""Malformed requests: schemathesis against the server's own description, bytes that are no HTTP, and frames of HTTP/2
that lie. The process stays, and answers.
"""

import os
import random
import socket
import subprocess
import sys
import time

import frames
import requests
import tritonclient.grpc as triton
from test_protocols import TEXTS, tensor


def test_requests_by_the_description(server, tmp_path):
    ran = subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", server.url + "/openapi.json", "--url", server.url,
         "--checks",
         "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
         # Which, once it knows the model's name, ends what the others ask.
         "--exclude-path-regex", "/unload$", "--max-examples", "40", "--seed", "1", "--no-color"],
        capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert server.predict("a").status_code == 200


def test_bytes_that_are_no_http(server):
    chance = random.Random(7)
    good = b'POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\n{"inputs":"a"}'
    for port in (server.port, server.grpc_port):
        for _ in range(200):
            data = bytearray(good if chance.random() < 0.7 else b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(60))
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                try:
                    connection.sendall(data[: chance.randrange(1, len(data) + 1)])
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(0.05)
                    connection.recv(4096)
                except OSError:
                    pass
    assert server.process.poll() is None and server.predict("a").status_code == 200
    assert requests.get(server.url + "/v2/health/live", timeout=30).status_code == 200


def received(connection, until=None, seconds=10.0):
    """What the server sends until it has said so, closes, or is silent."""
    found = b""
    connection.settimeout(seconds)
    try:
        while until is None or until not in found:
            part = connection.recv(65536)
            found += part
            if not part or (until is None and len(found) > 1 << 20):
                break
    except OSError:
        pass
    return found


def mutated(chance, data):
    """The bytes with some of them changed, cut or doubled."""
    data = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(data))
        data[place] = chance.choice([chance.randrange(256), data[place] ^ 1 << chance.randrange(8), 0, 255])
    place = chance.randrange(len(data))
    others = [data[: place + 1], data + data[place:], data[:place] + data[place + 1:]]
    return bytes(chance.choice([data, data, data, *others]))


def lying_lengths(chance, stream, message):
    length = chance.choice([0, 1, len(message) - 1, len(message) + 1, 1 << 23, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
    return frames.call(stream, message, length=length, compressed=chance.choice([0, 0, 1, 7]))


def settings(chance, *_):
    values = [0, 1, 16383, 16384, (1 << 24) - 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
    made = frames.settings(*((chance.randrange(10), chance.choice(values)) for _ in range(chance.randrange(1, 50))))
    return chance.choice([made, made[:-1], frames.frame(frames.SETTINGS, 1, 0, made[9:15]), mutated(chance, made)])


def windows(chance, stream, message):
    def update(of, by):
        return frames.frame(frames.WINDOW, 0, of, by.to_bytes(4, "big"))

    return chance.choice([
        update(0, 0), frames.headers(stream) + update(stream, 0), update(0, (1 << 31) - 1) * 2,
        frames.headers(stream) + update(stream, (1 << 31) - 1) * 2, update(stream, 1),
        # An answer that there is no window for.
        frames.settings((4, 0)) + frames.call(stream, message)])


def resets(chance, stream, message):
    def reset(of):
        return frames.frame(frames.RESET, 0, of, chance.randrange(14).to_bytes(4, "big"))

    # Opened and given up at once, again and again.
    rapid = b"".join(
        frames.call(stream + 2 * i, message) + reset(stream + 2 * i) for i in range(chance.choice([1, 10, 200])))
    late = frames.headers(stream) + reset(stream) + frames.data(stream, message)
    return chance.choice([rapid, rapid, late, reset(stream)])


def continuations(chance, stream, _):
    """A block of headers that does not end, or that others come into."""
    part = frames.block([(b"x%d" % chance.randrange(1000), b"y" * chance.choice([0, 10, 1000]))])
    many = frames.frame(frames.CONTINUATION, 0, stream, part) * chance.choice([1, 10, 1000])
    end = frames.frame(frames.CONTINUATION, frames.END_HEADERS, stream)
    last = chance.choice([b"", end, frames.data(stream, b""), frames.headers(stream)])
    return frames.headers(stream, flags=0) + many + last


def blocks(chance, stream, message):
    """Headers that HPACK, HTTP/2 or gRPC refuses."""
    wrong = [
        frames.number(1 << 40, 7, 0x80), frames.number(chance.randrange(300), 7, 0x80), b"\x80",
        frames.number(1 << 31, 5, 0x20), b"\x3f" + b"\xff" * 20, b"\0" + frames.number(1 << 30, 7) + b"a",
        # A Huffman code that ends within a character.
        b"\0\x81\x00\x81\xff", frames.block([(b"Upper", b"x"), (b"", b"x"), (b"a\0b", b"\r\n")]),
        frames.block(frames.FIELDS), frames.block([(b"content-length", b"-1")]),
        frames.block([(b"grpc-timeout", chance.choice([b"0n", b"1n", b"-1S", b"9" * 30 + b"H", b"x"]))]),
        frames.block([(b"grpc-encoding", chance.choice([b"gzip", b"deflate", b"\xff"]))]),
    ]
    fields = list(frames.FIELDS)
    chance.shuffle(fields)
    good = frames.block(fields[chance.randrange(2):])
    payload = chance.choice([good + chance.choice(wrong), chance.choice(wrong) + good, mutated(chance, good)])
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, payload) + frames.data(stream, message)


def calls(chance, stream, message):
    """Calls whose message is none of the protocol's, or which go wrong in the frames."""
    call = frames.call(stream, message)
    return chance.choice([
        frames.call(stream, mutated(chance, message)), frames.call(stream, mutated(chance, message)),
        mutated(chance, call), frames.call(stream, message, flags=0), call + frames.data(stream, message), frames.headers(stream) * 2,
        frames.data(stream, message), frames.headers(stream) + frames.frame(frames.DATA, 9, stream, b"\xff" + message)])


def any_frame(chance, stream, _):
    payload = chance.randbytes(chance.randrange(40))
    length = chance.choice([None, None, None, 0, len(payload) + 1, 16385, (1 << 24) - 1])
    stream = chance.choice([0, stream, stream + 1, (1 << 31) - 1, (1 << 32) - 1])
    return frames.frame(chance.randrange(12), chance.randrange(256), stream, payload, length)


def test_frames_that_lie(server):
    chance, message = random.Random(11), frames.message()
    host = ("127.0.0.1", server.grpc_port)

    def opened():
        connection = socket.create_connection(host, timeout=5)
        connection.sendall(frames.PREFACE + frames.settings())
        return connection

    # What is changed below is a call that is answered.
    with opened() as connection:
        connection.sendall(frames.call(1, message))
        assert b"probabilities" in received(connection, until=b"probabilities")
    kinds = [lying_lengths, settings, windows, resets, continuations, blocks, calls, calls, any_frame]
    for turn in range(300):
        with opened() as connection:
            try:
                for part in range(chance.randrange(1, 6)):
                    connection.sendall(chance.choice(kinds)(chance, 1 + 2 * part, message))
            except OSError:
                pass
            received(connection, seconds=0.03)
        if turn % 50 == 0:
            assert server.process.poll() is None and server.predict("a").status_code == 200, turn
            assert triton.InferenceServerClient("%s:%d" % host).is_server_ready(), turn
    reply = triton.InferenceServerClient("%s:%d" % host).infer("dbpedia14", [tensor(TEXTS, triton)])
    assert reply.as_numpy("label")[0].decode() == "NaturalPlace"
    assert server.process.poll() is None and server.predict("a").status_code == 200
    # Nothing of it waits on.
    end = time.time() + 30
    while ('mp_queue_requests{model="dbpedia14",version="1"} 0\n'
           not in requests.get(server.url + "/metrics", timeout=30).text):
        assert time.time() < end, "requests of closed connections wait"
        time.sleep(0.1)
