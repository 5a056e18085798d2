"""Measures this project's engine and its peers, and writes what it measured as JSON. Scripts/bench calls it."""
import argparse
import json
import os
import platform
import subprocess
import time

import checkpoints
import latency
import memory
import models
import pyramid
import startup
import texts
import throughput
import tokenizer
from session import ENGINES, Session, note
from turns import CPUS, DISTURBANCE_LIMIT

PARTS = {
    "latency": latency, "throughput": throughput, "startup": startup, "pyramid": pyramid, "texts": texts,
    "tokenizer": tokenizer, "memory": memory}
# What says how a CPU multiplies, as /proc/cpuinfo calls it.
FEATURES = [
    "avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8",
    "amx_bf16", "asimd", "asimddp", "i8mm", "bf16"]
QUICK = dict(
    models=["minilm-l6"], threads=[2], lengths=[16, 64], rounds=2, passes=1, starts=2, repetitions=1, limit=64,
    sequences=64, shapes=200, turn=0.1, attempts=1)


def names(known):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no '{name}', only {', '.join(known)}")
        return chosen
    return parse


def count(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return int(text)


def counts(text):
    return [count(part) for part in text.split(",")]


def pair(text):
    checkpoint, sign, data = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"'{text}' is not CHECKPOINT=DATA.tsv")
    return checkpoint, data


def parse():
    parser = argparse.ArgumentParser(prog="Scripts/bench", description=__doc__.split(", and")[0] + ".")
    parser.add_argument("--quick", action="store_true", help="minutes that show that all works; no numbers to quote")
    parser.add_argument("--parts", type=names(PARTS), default=list(PARTS), help="of " + ",".join(PARTS))
    parser.add_argument("--models", type=names(checkpoints.SHAPES),
        help=f"of {','.join(checkpoints.SHAPES)} ({','.join(checkpoints.BERT_SHAPES)})")
    parser.add_argument("--peers", type=names(ENGINES), default=ENGINES, help="of " + ",".join(ENGINES))
    parser.add_argument("--precisions", type=names(["f32", "bf16", "int8"]), default=["f32", "bf16", "int8"])
    parser.add_argument("--threads", type=counts, help="numbers of threads (2,1)")
    parser.add_argument("--lengths", type=counts, help="tokens of a text (8,16,32,64,128,256,512)")
    parser.add_argument("--rounds", type=count, help="turns of each runtime at each length (7)")
    parser.add_argument("--turn", type=float, help="seconds of a turn, at least (0.25)")
    parser.add_argument("--attempts", type=count, help="times that a turn is taken again while others disturb it (3)")
    parser.add_argument("--passes", type=count, help="passes over the ragged set (3)")
    parser.add_argument("--sequences", type=count, help="sequences in the ragged set (512)")
    parser.add_argument("--shapes", type=count, help="distinct (batch, length) shapes of the part memory (10000)")
    parser.add_argument("--starts", type=count, help="starts of each process (9)")
    parser.add_argument("--repetitions", type=count, help="repetitions of mp-compare (5)")
    parser.add_argument("--limit", type=count, help="texts for the parts pyramid, texts and tokenizer (500)")
    parser.add_argument("--compare", type=pair, action="append", help="CHECKPOINT=DATA.tsv, for the parts pyramid, texts and tokenizer, too")
    parser.add_argument("--nice", type=int, default=0, help="nice value of what is timed; below 0 needs root")
    parser.add_argument("--work", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--results", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--bin", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--command", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    full = dict(
        models=checkpoints.BERT_SHAPES, threads=[2, 1], lengths=[8, 16, 32, 64, 128, 256, 512], rounds=7, passes=3,
        starts=9, repetitions=5, limit=500, sequences=512, shapes=10000, turn=0.25, attempts=3)
    for name, value in (QUICK if options.quick else full).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.lengths = sorted(set(options.lengths))
    if options.lengths[-1] > 512:
        parser.error("the models take up to 512 tokens")
    options.compare = compared(options.compare or [])
    return options


def compared(more):
    """For parts that take texts: the embedded model, those that may lie beside the repository, and those that were named."""
    pairs = [("Graphs/dbpedia14", "Graphs/dbpedia14/sample.tsv")]
    for model, data in (("agnews-minilm-l6", "ag_news"), ("dbpedia14-minilm-l6-v8k", "dbpedia14_part")):
        beside = (f"../shared/models/{model}", f"../shared/data/{data}/test.tsv")
        if all(map(os.path.exists, beside)):
            pairs.append(beside)
    return pairs + [pair for pair in more if pair not in pairs]


def machine():
    with open("/proc/cpuinfo") as file:
        lines = [line.split(":", 1) for line in file if ":" in line]
    found = [value.strip() for key, value in lines if key.startswith("model name")]
    flags = {flag for key, value in lines if key.strip() in ("flags", "Features") for flag in value.split()}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "CPU": f"{found[0] if found else platform.machine()}, {CPUS} CPUs for this process",
        "features": " ".join(name for name in FEATURES if name in flags) or "none of those that matter here",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}"}


def own_version():
    try:
        described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    except OSError:
        return "unknown"
    return described.stdout.strip() or "unknown"


def describe(session, options):
    threads = ", ".join(map(str, options.threads))
    session.results.update({
        "format": "magic-pyramid-benchmark", "version": 1, "command": options.command,
        "date": time.strftime("%Y-%m-%d"), "machine": machine(),
        "versions": {"magic-pyramid": own_version(), **models.versions()},
        "notes": [
            f"threads {threads}; latency: rounds {options.rounds}, turns of {options.turn} s; throughput: passes "
            f"{options.passes}; starts {options.starts}; mp-compare: repetitions {options.repetitions}; in each of these "
            "all runtimes take turns"]})
    peak = subprocess.run(
        [session.tool("mp-bench"), "peak", "--threads", str(max(options.threads)), "--format", "json"],
        capture_output=True, text=True, check=True)
    session.results["peak"] = json.loads(peak.stdout)["peak"]


def main():
    options = parse()
    session = Session(options)
    describe(session, options)
    for part in options.parts:
        PARTS[part].measure(session)
    left_out = [name for name in ENGINES if name not in options.peers]
    if left_out:
        session.results["notes"].append(f"peers left out by --peers: {', '.join(left_out)}")
    session.results["notes"].append(
        f"{session.disturbed} of {session.turns} turns lost more than {DISTURBANCE_LIMIT:.0%} of the CPUs to other "
        f"processes, attempts included: {options.attempts}")
    session.save()
    note("measured")


if __name__ == "__main__":
    main()
