"""Magic Pyramid against the dense model, which mp-compare measures: are saved operations saved time?"""
import json
import os
import subprocess

from session import note

EXIT, PRUNE = "entropy(threshold=0.1)", "received-attention"
POLICY = f"magic-pyramid: exit={EXIT} prune={PRUNE}"
BATCH = 32
PROFILED = 100  # texts


def measure(session):
    for checkpoint, data in session.options.compare:
        name = os.path.basename(os.path.normpath(checkpoint))
        profiled = profile(session, name, checkpoint, data)
        for threads in session.options.threads:
            for precision in session.precisions_of("mp-compare"):
                note(f"magic pyramid: {name}, {precision}, {threads} threads")
                compare(session, name, checkpoint, data, precision, threads, profiled)
                session.save()


def profile(session, name, checkpoint, data):
    """What place-policies is told: how the first texts fare with every decision in place."""
    model, texts = session.path("models", f"profiled-{name}.mpc"), session.path("logs", f"profiled-{name}.tsv")
    result = session.path("logs", f"profile-{name}.json")
    with open(data, encoding="utf-8", newline="\n") as rows, open(texts, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(row for _, row in zip(range(PROFILED), rows))
    commands = [
        [session.tool("mp-compile"), checkpoint, "-o", model, "--exit", EXIT, "--prune", PRUNE, "--quiet"],
        [session.tool("mp-run"), model, "--input", texts, "--input-format", "tsv", "--write-profile", result, "--quiet"]]
    for command in commands:
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
            session.miss(f"a profile of {name}", f"{os.path.basename(command[0])} failed")
            return None
    return result


def compare(session, name, checkpoint, data, precision, threads, profiled):
    report = session.path("logs", f"compare-{name}-{precision}-{threads}.json")
    command = [
        session.tool("mp-compare"), checkpoint, "--data", data, "--policy", POLICY, "--batch", str(BATCH),
        "--repetitions", str(session.options.repetitions), "--limit", str(session.options.limit), "--threads",
        str(threads), "--output", report, "--no-null-models", "--quiet"]
    if profiled:
        command += ["--profile", profiled]
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
