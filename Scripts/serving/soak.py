"""A server under steady load, minute by minute, and under three times what it can do.

    MP_BIN=DIR python Scripts/serving/soak.py MODEL.mpc TEXTS.tsv [--minutes 10] [--clients 8] [--rate R]

The capacity is what so many clients (connections) get that ask again as soon as they are answered (load.py, which
takes part of the processors itself). It is taken anew before each minute, since on a machine that others share it may
fall by a third for some minutes, in which 80% of what it was would be more than there is. Single texts then come by a
Poisson process over as many connections, `rate` a second (80% of the capacity, by default); the wait for a connection
counts as latency. Prints a JSON line a minute, and fails on any error, on growth of more than 1 MB after the second
minute, and where the median p99 of the later minutes is over that of the earlier ones by more than 10% (the first
counts for none), unless that is the machine's: then a second server is started, both take turns of some seconds under
the same load, and the median of the turns' ratios, the old one's p99 over the new one's, has to be over 1.1 as well; it
is printed between the ends of its 95% interval.

The overload comes after it: three times the capacity for a minute, over as many connections as it takes, in requests of
several texts, so that this client is not overloaded itself. Fails on any status but 200 and 429, on a request without a
reply, where less than half of the capacity is answered with 200 (this client, which sends three times as much as
before, has its part of the processors), where nothing is refused, and where the server grows by more than 8 MB after
the first third. Both fail where this client does not keep up, and on the server's own exit code.
"""

import argparse
import asyncio
import collections
import json
import pathlib
import statistics
import sys
import time

from conftest import Server
from load import Load, percentile, request

OVERLOAD, LEAST_ACCEPTED, MOST_OVERLOAD_MB = 3, 0.5, 8
MOST_DRIFT, TURNS, TURN_SECONDS = 0.1, 24, 5


def resident(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def load(server, texts, together=1):
    """Requests of so many texts each."""
    groups = [texts[first:first + together] for first in range(0, len(texts) - together + 1, together)]
    return Load(server.port, [
        request("/predict", {"inputs": [[text] for text in group] if together > 1 else group[0], "truncate": True})
        for group in groups])


async def steady(server, texts, options):
    """Whether all bars were met in so many minutes of load."""
    clients = load(server, texts)
    await clients.capacity(2, options.clients)
    capacities, minutes, seconds = [], [], 0
    for minute in range(options.minutes):
        capacities.append(await clients.capacity(5, options.clients))
        offered = await clients.offer(options.rate or 0.8 * capacities[-1], 60, minute, options.clients)
        times = [latency if status == 200 else None for status, latency in offered.answers]
        minutes.append({
            "minute": minute + 1, "texts": len(times), "errors": times.count(None), "p50_ms": percentile(times, 0.5),
            "p99_ms": percentile(times, 0.99), "resident_mb": resident(server.process)})
        seconds += offered.seconds
        print(json.dumps(minutes[-1]), flush=True)
    after = minutes[1:]
    growth = after[-1]["resident_mb"] - after[0]["resident_mb"]
    # Of halves, since one disturbance of the machine makes a minute's p99 twice that of its neighbours.
    half = (len(after) + 1) // 2
    first, last = (statistics.median(minute["p99_ms"] for minute in part) for part in (after[:half], after[-half:]))
    errors, drift = sum(minute["errors"] for minute in minutes), last / first - 1
    ratios = await against_a_new_server(clients, texts, options) if drift > MOST_DRIFT else []
    came, capacity = sum(minute["texts"] for minute in minutes) / seconds, statistics.mean(capacities)
    # A client that does not keep up brings less load than it was asked for.
    met = errors == 0 and growth <= 1 and (not ratios or ratios[1] <= 1 + MOST_DRIFT) and (
        seconds <= 1.02 * 60 * options.minutes)
    print(json.dumps({
        "capacities_per_s": capacities, "rate": came, "share_of_capacity": came / capacity, "errors": errors,
        "growth_mb": growth, "p99_drift": drift, "p99_of_a_new_server": ratios, "met": met}), flush=True)
    return met


async def against_a_new_server(clients, texts, options):
    """The p99 over that of a server that was just started: the median of turns, between the ends of its 95% interval."""
    ratios = []
    with Server(options.model, "--log-level", "error") as new:
        others = load(new, texts)
        await others.capacity(5, options.clients)
        for turn in range(TURNS):
            rate = options.rate or 0.8 * await others.capacity(3, options.clients)
            p99s = {}
            for asked in [clients, others] if turn % 2 else [others, clients]:
                offered = await asked.offer(rate, TURN_SECONDS, 100 + turn, options.clients)
                times = [latency if status == 200 else None for status, latency in offered.answers]
                p99s[asked] = percentile(times, 0.99)
            ratios.append(p99s[clients] / p99s[others])
        new.stop()
    ratios.sort()
    # By its rank, which a coin decides for each turn.
    off = round(TURNS**0.5)
    return ratios[TURNS // 2 - off], statistics.median(ratios), ratios[TURNS // 2 + off - 1]


async def overload(server, texts, options):
    """Whether all bars were met under more than the server can do."""
    clients = load(server, texts, options.overload_texts)
    await clients.capacity(2, options.clients)
    capacity = await clients.capacity(10, options.clients)
    planned, sizes, done, start = options.overload_seconds, [], False, time.perf_counter()
    sending = asyncio.create_task(clients.offer(OVERLOAD * capacity, planned, 1000))
    while not done:
        done, _ = await asyncio.wait([sending], timeout=planned / 12)
        sizes.append(resident(server.process))
    took, (seconds, answers) = time.perf_counter() - start, sending.result()
    statuses = collections.Counter(status for status, _ in answers)
    accepted, growth = statuses[200] / took / capacity, max(sizes[4:]) - max(sizes[:4])
    met = (set(statuses) == {200, 429} and accepted >= LEAST_ACCEPTED and growth <= MOST_OVERLOAD_MB
           and seconds <= 1.05 * planned)
    p99s = {kind: percentile([time for status, time in answers if status == code] or [None], 0.99)
            for kind, code in [("accepted", 200), ("refused", 429)]}
    print(json.dumps({
        "overload": len(answers) / seconds / capacity, "capacity_per_s": options.overload_texts * capacity,
        "texts_of_a_request": options.overload_texts, "statuses": statuses, "accepted_of_capacity": accepted,
        "p99_ms": p99s, "resident_mb": sizes, "growth_mb": growth, "met": met}), flush=True)
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", help="lines label<TAB>text")
    parser.add_argument("--minutes", type=int, default=10, help="of steady load; 0 for the overload alone")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rate", type=float, help="texts a second; by default 80%% of the capacity")
    parser.add_argument("--overload-seconds", type=float, default=60, help="0 for no overload")
    parser.add_argument("--overload-texts", type=int, default=16, help="of a request in the overload")
    options = parser.parse_args()
    if 0 < options.minutes < 3 or options.minutes < 0:
        parser.error("--minutes: what changes after the second minute takes at least 3")
    if options.clients < 1 or options.overload_texts < 1 or options.rate is not None and options.rate <= 0:
        parser.error("--clients, --overload-texts and --rate are more than 0")
    with open(options.data, encoding="utf-8") as file:
        texts = [line.rstrip("\n").split("\t")[-1] for line in file]
    if len(texts) < options.overload_texts:
        parser.error(f"{options.data}: a request of the overload takes {options.overload_texts} texts")

    async def phases():
        met = options.minutes == 0 or await steady(server, texts, options)
        return (options.overload_seconds <= 0 or await overload(server, texts, options)) and met

    with Server(options.model, "--log-level", "error") as server:
        try:
            met = asyncio.run(phases())
        except RuntimeError as error:
            sys.exit(f"soak: {error}")
        code, log = server.stop()
    if code != 0:
        print(f"mp-serve ended with {code}: {log}", file=sys.stderr)
    sys.exit(not met or code != 0)


if __name__ == "__main__":
    main()
