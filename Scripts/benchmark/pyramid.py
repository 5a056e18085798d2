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
                if not has_entry(checkpoint):
                    save_time(session, name, checkpoint, data, precision, threads, profiled)
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


def has_entry(checkpoint):
    """Whether texts may leave before the first layer: they cost next to nothing, and would hide what the others do."""
    with open(os.path.join(checkpoint, "model.safetensors"), "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return "exits.entry.table" in header


def save_time(session, name, checkpoint, data, precision, threads, profiled):
    """The share of the saved operations that becomes saved time, tokenisation excluded."""
    policies = ["--exit", EXIT, "--prune", PRUNE] + (["--profile", profiled] if profiled else [])
    paths = []
    for kind, options in (("dense", []), ("policies", policies)):
        paths.append(session.path("models", f"saved-{name}-{kind}.mpc"))
        command = [session.tool("mp-compile"), checkpoint, "-o", paths[-1], "--skip-check", "--quiet"] + options
        # What lies there from another run must not be measured.
        if run(session, f"saved time, {precision}, {name}", command + ["--precision", precision]) is None:
            return
    measured = run(session, f"saved time, {precision}, {name}", session.niced([
        session.tool("mp-bench"), "saved", *paths, "--data", data, "--limit", str(session.options.limit), "--batches",
        f"1,{BATCH}", "--repetitions", str(session.options.repetitions), "--threads", str(threads), "--format", "json"]))
    for row in json.loads(measured or '{"saved": []}')["saved"]:
        session.add("saved", {
            "model": name, "threads": threads, "precision": precision, "samples": row["texts"], "batch": row["batch"],
            "operations": row["operations"], "time": row["time"]})


def run(session, what, command):
    """What a command prints; None, and a note in the report, where it fails."""
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode == 0:
        return made.stdout
    lines = made.stderr.strip().splitlines()
    session.miss(what, lines[0][:200] if lines else "it failed")
    return None


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
