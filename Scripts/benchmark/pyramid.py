"""Magic Pyramid against the dense model, which mp-compare measures: are saved operations saved time?"""
import json
import os
import subprocess

from session import note

POLICY = "magic-pyramid: exit=entropy(threshold=0.1) prune=received-attention"
BATCH = 32


def measure(session):
    for checkpoint, data in session.options.compare:
        for threads in session.options.threads:
            for precision in session.precisions_of("mp-compare"):
                name = os.path.basename(os.path.normpath(checkpoint))
                note(f"magic pyramid: {name}, {precision}, {threads} threads")
                compare(session, name, checkpoint, data, precision, threads)
                session.save()


def compare(session, name, checkpoint, data, precision, threads):
    report = session.path("logs", f"compare-{name}-{precision}-{threads}.json")
    command = [
        session.tool("mp-compare"), checkpoint, "--data", data, "--policy", POLICY, "--batch", str(BATCH),
        "--repetitions", str(session.options.repetitions), "--limit", str(session.options.limit), "--threads",
        str(threads), "--output", report, "--quiet"]
    if precision != "f32":
        command += ["--precision", precision]
    made = subprocess.run(session.niced(command), capture_output=True, text=True)
    if made.returncode != 0:
        lines = made.stderr.strip().splitlines()
        session.miss(f"mp-compare {precision}, {name}", lines[0][:200] if lines else "it failed")
        return
    with open(report) as file:
        compared = json.load(file)
    policy = compared["policies"][0]
    session.add("pyramid", {
        "model": name, "threads": threads, "precision": precision, "samples": compared["samples"],
        "batch": compared["batch"], "operations": policy["speedup_gflop"],
        "latency": [policy["speedup_latency"]] + policy["speedup_latency_interval"],
        "throughput": [policy["speedup_throughput"]] + policy["speedup_throughput_interval"]})
