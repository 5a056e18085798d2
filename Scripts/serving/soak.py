"""A server under steady load: errors, latency and resident size, minute by minute.

    MP_BIN=DIR python Scripts/serving/soak.py MODEL.mpc TEXTS.tsv [--minutes 10] [--clients 8] [--rate R]

Clients send single texts, together `rate` a second (80% of what a short trial answers, by default). Prints a JSON line
a minute, and fails on any error, the trial's and the server's own at its end included, on growth of more than 1 MB
after the second minute, or where the median p99 of the later minutes is over that of the earlier ones by more than 10%
(the first counts for none). A request without a reply is an error.
"""

import argparse
import json
import pathlib
import random
import statistics
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
            start, status = time.perf_counter(), None
            body = {"inputs": chance.choice(texts), "truncate": True}
            try:
                status = session.post(server.url + "/predict", json=body, timeout=60).status_code
            except Exception as error:
                print(f"no reply: {error}", file=sys.stderr)
                # Where nobody listens, errors come as fast as they are asked for.
                time.sleep(0.1)
            with lock:
                if status is not None:
                    times.append(1000 * (time.perf_counter() - start))
                errors[0] += status != 200

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
    if options.minutes < 3:
        parser.error("--minutes: what changes after the second minute takes at least 3")
    with open(options.data, encoding="utf-8") as file:
        texts = [line.rstrip("\n").split("\t")[-1] for line in file]
    minutes, errors_of_trial = [], 0
    with Server(options.model, "--log-level", "error") as server:
        if not options.rate:
            times, errors_of_trial = run(server, texts, options.clients, 10, None)
            if not times:
                sys.exit("no text was answered")
            options.rate = 0.8 * len(times) / 10
        for minute in range(options.minutes):
            times, errors = run(server, texts, options.clients, 60, options.rate)
            if not times:
                sys.exit(f"minute {minute + 1}: no text was answered")
            minutes.append({
                "minute": minute + 1, "texts": len(times), "errors": errors, "p50_ms": times[len(times) // 2],
                "p99_ms": times[int(0.99 * len(times))], "resident_mb": resident(server.process)})
            print(json.dumps(minutes[-1]), flush=True)
        code, log = server.stop()
    if code != 0:
        print(log, file=sys.stderr)
    steady = minutes[1:]
    growth = steady[-1]["resident_mb"] - steady[0]["resident_mb"]
    # Of halves, since one disturbance of the machine makes a minute's p99 twice that of its neighbours.
    half = (len(steady) + 1) // 2
    first, last = (statistics.median(minute["p99_ms"] for minute in part) for part in (steady[:half], steady[-half:]))
    drift = last / first - 1
    errors = errors_of_trial + sum(minute["errors"] for minute in minutes)
    print(json.dumps({
        "rate": options.rate, "errors": errors, "growth_mb": growth, "p99_drift": drift, "exit_code": code}))
    sys.exit(errors > 0 or growth > 1 or drift > 0.1 or code != 0)


if __name__ == "__main__":
    main()
