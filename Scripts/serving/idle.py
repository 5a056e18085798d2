"""A server beside connections that say nothing, or nearly nothing: latency, resident size and what becomes of them.

    MP_BIN=DIR python Scripts/serving/idle.py MODEL.mpc TEXTS.tsv [--idle 5000] [--slow 200]

Idle connections are opened and never used; slow ones send a head and then a byte of the body a second (slow-loris).
Texts are asked one after the other, before and beside them. Prints JSON, and fails on an error, where the median
grows by more than a tenth, or where the connections are still open after the idle timeout.
"""

import argparse
import json
import random
import resource
import socket
import statistics
import sys
import threading
import time

import requests
from conftest import Server
from soak import resident

TIMEOUT = 20


def ask(server, texts):
    """Milliseconds of each text, and how many were not answered."""
    session, times, errors = requests.Session(), [], 0
    for text in texts:
        start = time.perf_counter()
        reply = session.post(server.url + "/predict", json={"inputs": text, "truncate": True}, timeout=30)
        times.append(1000 * (time.perf_counter() - start))
        errors += reply.status_code != 200
    times.sort()
    return {"p50_ms": statistics.median(times), "p99_ms": times[int(0.99 * len(times))], "errors": errors}


def is_closed(connection):
    """Whether the server has closed it."""
    connection.setblocking(False)
    try:
        while True:
            if not connection.recv(4096):
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def trickle(connections, stop):
    for connection in connections:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    while not stop.wait(1):
        for connection in connections:
            try:
                connection.send(b"X")
            except OSError:
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data", help="lines label<TAB>text")
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--texts", type=int, default=1000)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with open(options.data, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t")[-1] for line in file]
    texts = random.Random(1).choices(lines, k=options.texts)
    server = Server(options.model, "--log-level", "error", "--idle-timeout", str(TIMEOUT))
    ask(server, texts[:200])
    report = {"before": ask(server, texts), "resident_mb": {"before": resident(server.process)}}
    start, host = time.time(), ("127.0.0.1", server.port)
    idle = [socket.create_connection(host) for _ in range(options.idle)]
    slow = [socket.create_connection(host) for _ in range(options.slow)]
    stop = threading.Event()
    thread = threading.Thread(target=trickle, args=[slow, stop])
    thread.start()
    report["beside"] = ask(server, texts)
    report["open_beside"] = sum(not is_closed(connection) for connection in idle)
    report["resident_mb"]["beside"] = resident(server.process)
    time.sleep(max(0, start + 2 * TIMEOUT - time.time()))
    stop.set()
    thread.join()
    left = {"idle": sum(not is_closed(c) for c in idle), "slow": sum(not is_closed(c) for c in slow)}
    report["open_after_timeout"] = left
    report["after"] = ask(server, texts)
    code, _ = server.stop()
    grown = report["beside"]["p50_ms"] / report["before"]["p50_ms"]
    print(json.dumps({**report, "p50_grows": grown, "exit_code": code}, indent=2))
    errors = sum(report[part]["errors"] for part in ("before", "beside", "after"))
    sys.exit(errors > 0 or grown > 1.1 or left["idle"] > 0 or code != 0)


if __name__ == "__main__":
    main()
