"""A server beside connections that say nothing, or nearly nothing: latency, resident size and what becomes of them.

    MP_BIN=DIR python Scripts/serving/idle.py MODEL.mpc TEXTS.tsv [--idle 5000] [--slow 200]

Idle connections are opened and never used; slow ones send a head and then a byte of the body a second (slow-loris).
Texts are asked one after the other, before and beside them. Prints JSON, and fails on an error, where the median
grows by more than a tenth, where idle connections are closed before the idle timeout, or where some of either kind are
still open after it.
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


def still_open(connections):
    return sum(not is_closed(connection) for connection in connections)


def trickle(connections, stop):
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    for connection in connections:
        try:
            connection.sendall(head)
        except OSError as error:
            print(f"a slow connection takes no head: {error}", file=sys.stderr)
    while not stop.wait(1):
        for connection in connections:
            try:
                connection.send(b"X")
            except OSError:
                pass


def measure(server, texts, options):
    """The report, and what is wrong with the connections."""
    ask(server, texts[:200])
    report = {"before": ask(server, texts), "resident_mb": {"before": resident(server.process)}}
    start, host, problems = time.time(), ("127.0.0.1", server.port), []
    idle = [socket.create_connection(host, timeout=30) for _ in range(options.idle)]
    slow = [socket.create_connection(host, timeout=30) for _ in range(options.slow)]
    stop = threading.Event()
    # It must not outlive an error here.
    thread = threading.Thread(target=trickle, args=[slow, stop], daemon=True)
    thread.start()
    try:
        report["beside"] = ask(server, texts)
        report["open_beside"] = still_open(idle)
        if time.time() - start >= TIMEOUT:
            print(f"idle: open_beside is not judged, since the texts took the {TIMEOUT} s of the idle timeout: give less "
                  "--texts", file=sys.stderr)
        elif report["open_beside"] < len(idle):
            problems.append(f"{len(idle) - report['open_beside']} idle connections were closed before the idle timeout")
        report["resident_mb"]["beside"] = resident(server.process)
        time.sleep(max(0, start + 2 * TIMEOUT - time.time()))
        report["open_after_timeout"] = {"idle": still_open(idle), "slow": still_open(slow)}
    finally:
        stop.set()
        thread.join(10)
    for kind, count in report["open_after_timeout"].items():
        if count > 0:
            problems.append(f"{count} {kind} connections are open after twice the idle timeout")
    report["after"] = ask(server, texts)
    return report, problems


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
    with Server(options.model, "--log-level", "error", "--idle-timeout", str(TIMEOUT)) as server:
        report, problems = measure(server, texts, options)
        code, log = server.stop()
    # The machine's own drift from the first to the last counts for the larger one.
    grown = report["beside"]["p50_ms"] / max(report["before"]["p50_ms"], report["after"]["p50_ms"])
    print(json.dumps({**report, "p50_grows": grown, "exit_code": code}, indent=2))
    errors = sum(report[part]["errors"] for part in ("before", "beside", "after"))
    if errors > 0:
        problems.append(f"{errors} texts were not answered")
    if report["after"]["p50_ms"] > 3 * report["before"]["p50_ms"]:
        problems.append("the median stays three times what it was before")
    if grown > 1.1:
        problems.append(f"the median grows by {100 * (grown - 1):.0f}%")
    if code != 0:
        problems.append(f"the server ended with {code}: {log}")
    for problem in problems:
        print(f"idle: {problem}", file=sys.stderr)
    sys.exit(len(problems) > 0)


if __name__ == "__main__":
    main()
