"""A server under steady load: errors, latency and resident size, minute by minute.

    MP_BIN=DIR python Scripts/serving/soak.py MODEL.mpc TEXTS.tsv [--minutes 10] [--clients 8] [--rate R]

Clients send single texts, together `rate` a second (80% of what a short trial answers, by default). Prints a JSON line a minute, and
fails on any error, on growth of more than 1 MB after the second minute, or where p99 drifts by more than 10%.
"""

import argparse
import json
import pathlib
import random
import sys
import threading
import time

import requests
from conftest import Server


def resident(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def run(server, texts, clients, seconds, rate):
    """Latencies in ms and the number of errors of `seconds` of load; without a rate as fast as it goes."""
    times, errors, lock, end = [], [0], threading.Lock(), time.perf_counter() + seconds

    def client(number):
        session, chance, next_time = requests.Session(), random.Random(number), time.perf_counter()
        while time.perf_counter() < end:
            if rate:
                next_time += chance.expovariate(rate / clients)
                time.sleep(max(0, next_time - time.perf_counter()))
            start = time.perf_counter()
            reply = session.post(server.url + "/predict", json={"inputs": chance.choice(texts), "truncate": True}, timeout=60)
            with lock:
                times.append(1000 * (time.perf_counter() - start))
                errors[0] += reply.status_code != 200

    threads = [threading.Thread(target=client, args=[number]) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times), errors[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data", help="lines label<TAB>text")
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    with open(options.data, encoding="utf-8") as file:
        texts = [line.rstrip("\n").split("\t")[-1] for line in file]
    server = Server(options.model, "--log-level", "error")
    if not options.rate:
        options.rate = 0.8 * len(run(server, texts, options.clients, 10, None)[0]) / 10
    minutes = []
    for minute in range(options.minutes):
        times, errors = run(server, texts, options.clients, 60, options.rate)
        minutes.append({
            "minute": minute + 1, "texts": len(times), "errors": errors, "p50_ms": times[len(times) // 2],
            "p99_ms": times[int(0.99 * len(times))], "resident_mb": resident(server.process)})
        print(json.dumps(minutes[-1]), flush=True)
    server.stop()
    steady = minutes[1:]
    growth = steady[-1]["resident_mb"] - steady[0]["resident_mb"]
    drift = steady[-1]["p99_ms"] / steady[0]["p99_ms"] - 1
    print(json.dumps({"rate": options.rate, "growth_mb": growth, "p99_drift": drift}))
    sys.exit(any(m["errors"] for m in minutes) or growth > 1 or drift > 0.1)


if __name__ == "__main__":
    main()
