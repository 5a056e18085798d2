"""Time from a process's start to its first answer, and its peak memory: ours is mp-run, the peer's a Python script with
ONNX Runtime and a tokenizer. Files are in the page cache; runtimes take turns."""
import os
import subprocess
import time

from session import OURS, note
from turns import Failure, wait_for_quiet

# Words of the made-up vocabulary: 32 tokens with [CLS] and [SEP].
TEXT = " ".join(f"w{number:05d}" for number in range(300, 600, 10))
SECONDS = 120


def measure(session):
    threads = session.options.threads[0]
    for model in session.options.models:
        note(f"start-up: {model}, {threads} threads")
        commands = {}
        for precision in session.our_precisions:
            add(session, commands, model, OURS, precision, lambda: [
                session.tool("mp-run"), session.artefact(model, precision), TEXT, "--quiet", "--threads", str(threads)])
        for engine, precision, form, _ in session.peers({"onnxruntime"}):
            add(session, commands, model, engine, precision, lambda: session.peer_command(
                model, threads, engine, precision, form) + ["--answer", TEXT])
        measure_setting(session, model, threads, commands)
        session.save()


def add(session, commands, model, engine, precision, command):
    try:
        commands[engine, precision] = session.niced(command())
        first_answer(commands[engine, precision])  # fills the page cache
    except (Failure, OSError) as error:
        commands.pop((engine, precision), None)
        session.miss(f"{engine} {precision}, start-up of {model}", str(error))


def measure_setting(session, model, threads, commands):
    runs = {key: [] for key in commands}
    for number in range(session.options.starts):
        for key, command in commands.items():
            wait_for_quiet()
            try:
                runs[key].append(first_answer(command))
            except Failure as error:
                session.miss(f"{key[0]} {key[1]}, start-up of {model}", str(error))
    for (engine, precision), measured in runs.items():
        if len(measured) == session.options.starts:
            session.add("startup", {
                "model": model, "threads": threads, "engine": engine, "precision": precision,
                "seconds": [seconds for seconds, _ in measured], "peak_mib": [mib for _, mib in measured]})


def first_answer(command):
    """Seconds until the first line of output, and the process's peak memory in MiB; raises Failure without a line."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    seconds = time.perf_counter() - start
    complaint = process.stderr.read().strip()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    if not line or process.returncode != 0:
        raise Failure(complaint.splitlines()[-1][:200] if complaint else f"ended with status {process.returncode}")
    return seconds, usage.ru_maxrss / 1024
