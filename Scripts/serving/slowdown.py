"""A slowdown attack on a server with exits, and what it costs: texts edited word by word so that no head is sure of
them.

    MP_BIN=DIR python Scripts/serving/slowdown.py MODEL.mpc TEXTS.tsv [--texts 200] [--rounds 100] [--answers 600000]

Greedy, as an attacker with answers only would do it: at each round every text tries some substitutions of words by
words of other texts, half of them words that helped before, and keeps the one after which it leaves latest (of equals,
the one with the lowest score); without progress it changes more words at once. A text that leaves after the last layer
has passed every exit and counts; one that does not within so many rounds is given up, and another is drawn, until
enough texts count. Fails where that takes more answers: at 1,000 a second the default is ten minutes at most.

Prints JSON: the share of the tried texts that passed, latency and throughput of those with exits and without, and
latency of ordinary texts beside them, as they come and on terms on which no policy acts. The servers take turns in some
rounds, whose median counts: of each text's latency, of which p99 is taken then, and of the other numbers. Each fails above
(throughput: below) its bar of that without policies. The p99 of all latencies, which the machine's disturbances make, is
printed, too.
"""

import argparse
import concurrent.futures
import json
import random
import statistics
import sys
import threading
import time

import requests
from conftest import Server

# Texts of a request of the attack; mp-serve takes 1,024.
TOGETHER = 512
# What the exits' number may be of the dense one's.
BARS = {"p99_ms": 1.05, "texts_per_s": 0.95, "ordinary_p50_ms_beside": 1.1}


def infer(session, server, texts, **parameters):
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}],
            "outputs": [{"name": "exit_layer"}, {"name": "score"}], "parameters": parameters}
    reply = session.post(server.url + "/v2/models/" + server.model + "/infer", json=body, timeout=600)
    reply.raise_for_status()
    outputs = {output["name"]: output["data"] for output in reply.json()["outputs"]}
    return list(zip(outputs["exit_layer"], [-score for score in outputs["score"]]))


class Victim:
    """A text under attack."""

    def __init__(self, text, value):
        self.text, self.value, self.rounds, self.stalled = text, value, 0, 0

    def edited(self, words, helpful, chance):
        """The text with words in place of some of its own, and those words."""
        parts = self.text.split()
        places = chance.sample(range(len(parts)), min(len(parts), 1 + self.stalled // 4))
        new = [chance.choice(helpful if helpful and chance.random() < 0.5 else words) for _ in places]
        for place, word in zip(places, new):
            parts[place] = word
        return " ".join(parts), new

    def take(self, candidates, values, helpful):
        """Keeps the best candidate where it is better."""
        best = max(range(len(values)), key=values.__getitem__)
        self.rounds += 1
        self.stalled += 1
        if values[best] > self.value:
            (self.text, new), self.value, self.stalled = candidates[best], values[best], 0
            helpful += new


def attack(server, lines, words, options, chance):
    """Texts that pass every exit after the edits, how many were tried for them, and with how many answers."""
    session, originals, helpful = requests.Session(), list(reversed(lines)), []
    active, passed, given_up, answers = [], [], 0, 0
    while len(passed) < options.texts and answers < options.answers:
        fresh = [originals.pop() for _ in range(min(len(originals), TOGETHER // options.tries - len(active)))]
        if fresh:
            active += [Victim(text, value) for text, value in zip(fresh, infer(session, server, fresh))]
        if not active:
            break
        candidates = [
            [victim.edited(words, helpful, chance) for _ in range(options.tries)] for victim in active]
        values = infer(session, server, [text for some in candidates for text, _ in some])
        answers += len(fresh) + len(values)
        for number, victim in enumerate(active):
            if victim.value[0] < server.layers:
                first = number * options.tries
                victim.take(candidates[number], values[first:first + options.tries], helpful)
        passed += [victim.text for victim in active if victim.value[0] == server.layers]
        given_up += sum(victim.rounds >= options.rounds and victim.value[0] < server.layers for victim in active)
        active = [victim for victim in active if victim.value[0] < server.layers and victim.rounds < options.rounds]
    return passed[:options.texts], len(passed) + given_up, answers


def latencies(server, texts):
    session, times = requests.Session(), []
    for text in texts:
        start = time.perf_counter()
        infer(session, server, [text])
        times.append(1000 * (time.perf_counter() - start))
    return times


def throughput(server, texts, clients=8):
    sessions = threading.local()

    def one(text):
        if not hasattr(sessions, "session"):
            sessions.session = requests.Session()
        infer(sessions.session, server, [text])

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, texts))
    return len(texts) / (time.perf_counter() - start)


def beside(server, ordinary, load, **parameters):
    """Median latency of ordinary texts while another client sends `load`, on terms of its own."""
    stop = threading.Event()

    def run():
        session = requests.Session()
        while not stop.is_set():
            for text in load:
                infer(session, server, [text], **parameters)
                if stop.is_set():
                    return

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(run)
        try:
            median = statistics.median(latencies(server, ordinary))
        finally:
            stop.set()
        # A load that failed was none.
        other.result()
    return median


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(part * len(times)))]


def measure(exits, dense, attacked, ordinary, never, rounds):
    """Of each number the exits' and the dense one, and both p99 of all latencies; `never` are terms on which no policy
    acts."""
    found = {name: ([], []) for name in BARS if name != "p99_ms"}
    # The second largest of two hundred, which a round has, is mostly of what else the machine did.
    times = [], []
    for number in range(rounds):
        order = [(0, exits), (1, dense)] if number % 2 == 0 else [(1, dense), (0, exits)]
        for place, server in order:
            times[place].append(latencies(server, attacked))
        for place, server in order:
            found["texts_per_s"][place].append(throughput(server, attacked))
        for place, _ in order:
            terms = never if place else {}
            found["ordinary_p50_ms_beside"][place].append(beside(exits, ordinary, attacked, **terms))
    of_texts = tuple(percentile([statistics.median(some) for some in zip(*rounds)], 0.99) for rounds in times)
    of_all = tuple(percentile(sum(rounds, []), 0.99) for rounds in times)
    return {"p99_ms": of_texts, **{name: tuple(map(statistics.median, pair)) for name, pair in found.items()}}, of_all


def verdicts(numbers):
    """The numbers with their ratios, and whether all bars are met."""
    report, met = {}, True
    for name, (exits, dense) in numbers.items():
        ratio, bar = exits / dense, BARS[name]
        is_met = ratio >= bar if bar < 1 else ratio <= bar
        report[name] = {"exits": exits, "dense": dense, "ratio": ratio, "bar": bar, "met": is_met}
        met &= is_met
    return report, met


def start(model, *options):
    server = Server(model, "--log-level", "error", *options)
    server.model = requests.post(server.url + "/v2/repository/index", timeout=30).json()[0]["name"]
    reply = requests.post(server.url + "/pyramid/controls", json={}, timeout=30)
    reply.raise_for_status()
    server.kinds = [policy["kind"] for policy in reply.json()["policies"]]
    server.layers = reply.json()["layers"]
    return server


def start_with_exits(model, never):
    """The server, and the terms on which no policy acts. A model that prunes would do so on a policy that never exits,
    so that one asks for the control, too, which takes a server that allows it and a model that has pruning."""
    server = start(model, "--exit-range", never)
    if "prune" not in server.kinds:
        return server, {"exit": never}
    server.stop()
    return start(model, "--exit-range", never, "--prune-range", "keep-all"), {"exit": never, "prune": "keep-all"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data", help="lines label<TAB>text")
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=100, help="of a text, before it is given up")
    parser.add_argument("--tries", type=int, default=16, help="of a round")
    parser.add_argument("--answers", type=int, default=600_000, help="of the whole attack, at most")
    parser.add_argument("--repetitions", type=int, default=5, help="rounds of measurement")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--dense", help="the model compiled without policies; by default the same, with policies that never act")
    parser.add_argument("--never", default="entropy(threshold=0)", help="the model's policy with which no text leaves")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with open(options.data, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t")[-1] for line in file]
    lines = [line for line in lines if len(line.split()) > 5]
    if not 0 < options.tries <= TOGETHER or not 0 < options.texts <= len(lines):
        parser.error(f"--tries is 1 to {TOGETHER}, --texts 1 to {len(lines)}, the lines of more than five words")
    chance.shuffle(lines)
    ordinary = lines[:options.texts]
    words = sorted({word for line in lines for word in line.split()})
    exits, never = start_with_exits(options.model, options.never)
    without = {"exit": ["--exit", "never-exit"], "prune": ["--prune", "keep-all"]}
    policies = [] if options.dense else [word for kind in exits.kinds for word in without[kind]]
    with exits, start(options.dense or options.model, *policies) as dense:
        attacked, tried, answers = attack(exits, lines, words, options, chance)
        found = f"{len(attacked)} of {tried} texts pass every exit after {answers} answers"
        print(found, file=sys.stderr)
        layers = [layer for layer, _ in infer(requests.Session(), exits, attacked)] if attacked else []
        if len(attacked) < options.texts or any(layer != exits.layers for layer in layers):
            sys.exit(f"slowdown: {options.texts} were to; {found}, and at last {layers.count(exits.layers)}")
        before = [layer for layer, _ in infer(requests.Session(), exits, ordinary)]
        for server in (exits, dense):
            latencies(server, attacked[:20])
        left = [layer for layer, _ in infer(requests.Session(), exits, attacked, **never) if layer != exits.layers]
        if left:
            sys.exit(f"{len(left)} texts leave early on {never}: give the model's policy that never exits as --never")
        numbers, of_all = measure(exits, dense, attacked, ordinary, never, options.repetitions)
        report, met = verdicts(numbers)
        print(json.dumps({
            "texts": len(attacked), "tried": tried, "share_passed": len(attacked) / tried, "answers": answers,
            "mean_exit_layer": statistics.mean(before), "mean_exit_layer_attacked": statistics.mean(layers),
            "p99_ms_of_all": of_all, **report}, indent=2))
        codes = [server.stop()[0] for server in (exits, dense)]
    sys.exit(not met or any(codes))


if __name__ == "__main__":
    main()
