"""Malformed requests: schemathesis against the server's own description, and bytes that are no HTTP. The process stays."""

import os
import random
import socket
import subprocess
import sys

import requests


def test_requests_by_the_description(server, tmp_path):
    ran = subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", server.url + "/openapi.json", "--url", server.url,
         "--checks", "not_a_server_error,content_type_conformance,response_schema_conformance",
         "--exclude-path-regex", "repository/models|/health", "--max-examples", "40", "--seed", "1", "--no-color"],
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
