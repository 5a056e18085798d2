"""How many texts a second a server answers with 99 of 100 within 100 ms: mp-serve against ONNX Runtime behind FastAPI
and against infinity-emb, on the same texts. Scripts/serving/peers makes the environments and runs this.

The dense model is a BERT-base of random weights, the same in each server, in int8; the other row is a trained Magic
Pyramid, with its accuracy on the texts that are asked. Servers run one after the other, each alone. The client is a
process beside them and takes its part of the processors.

Fails where a bar or --least-accuracy is missed, where a peer says something else of a text than the same model here,
and where a peer does not run.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

from load import LIMIT_MS, Load, highest_rate, request

HERE = pathlib.Path(__file__).resolve().parent
BARS = {"dense": 1.5, "pyramid": 5.0}
# Scores of the same model, by other roundings.
MOST_DIFFERENCE = 0.05


def note(text):
    print(text, file=sys.stderr, flush=True)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "?"


def run(command, **arguments):
    made = subprocess.run([str(part) for part in command], capture_output=True, text=True, **arguments)
    if made.returncode != 0:
        raise RuntimeError(f"{command[0]}: {(made.stderr or made.stdout).strip()[-400:]}")


def make_dense(options):
    """The checkpoint and what each server wants of it; all are kept in the work folder."""
    models = options.work / "models" / "bert-base"
    made = [models / form for form in ("checkpoint", "onnxruntime-int8")]
    if not all(folder.is_dir() for folder in made):
        note("makes the dense model (some minutes)")
        run([options.work / "models-env/bin/python", HERE.parent / "benchmark/models.py", options.work, "bert-base",
             "checkpoint", "onnxruntime-int8"])
    # Speed depends on how many pieces a text is cut into, so the vocabulary is a real one.
    shutil.copy(options.pyramid / "vocab.txt", made[0] / "vocab.txt")
    infinity = options.work / "models" / "bert-base-infinity"
    if not infinity.is_dir():
        partial = infinity.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(made[0], partial)
        shutil.copy(made[1] / "model.onnx", partial / "model_quantized.onnx")
        (partial / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}))
        partial.rename(infinity)
    return made[0], made[1] / "model.onnx", infinity


def compiled(options, checkpoint, name, *policies):
    target = options.work / f"{name}.mpc"
    run([options.bin / "mp-compile", checkpoint, "-o", target, "--precision", "int8", "--quiet", *policies])
    return target


class Server:
    """A server of the comparison: how it starts and what it is asked."""

    def __init__(self, name, kind, command, path, body, env=None, folder=HERE):
        self.name, self.kind, self.command, self.path, self.body = name, kind, command, path, body
        self.env, self.folder, self.process = env or {}, folder, None

    def start(self, port, log):
        if not self.command:
            raise RuntimeError(f"{self.name} is not installed")
        with socket.socket() as probe:
            # A port that was left a moment ago is free; one where somebody listens is not.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                sys.exit(f"peers: port {port} is taken ({error.strerror}); give another --port")
        command = [str(part).replace("{port}", str(port)) for part in self.command]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, **self.env}, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True)
        for _ in range(1200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
                    if reply.status == 200:
                        return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} does not start")

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            os.killpg(self.process.pid, 15)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()


def servers(options):
    checkpoint, onnx, infinity = make_dense(options)
    dense = compiled(options, checkpoint, "dense")
    policies = [("--exit", options.exit), ("--prune", options.prune)]
    pyramid = compiled(
        options, options.pyramid, "pyramid", *(part for policy in policies if policy[1] != "none" for part in policy))

    def ours(name, kind, model):
        return Server(
            name, kind,
            [options.bin / "mp-serve", model, "--port", "{port}", "--grpc-port", "0", "--log-level", "error",
             *options.serve], "/predict", lambda text: {"inputs": text, "truncate": True})

    def theirs(workers, threads):
        return Server(
            f"ONNX Runtime int8, FastAPI, {workers} x {threads} threads", "peer",
            [options.work / "onnx-env/bin/uvicorn", "peer_onnxruntime:app", "--port", "{port}", "--workers", workers,
             "--log-level", "error"], "/predict", lambda text: {"inputs": text, "truncate": True},
            {"MODEL": str(onnx), "VOCABULARY": str(checkpoint / "vocab.txt"), "THREADS": str(threads),
             "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": str(threads)})

    cores = len(os.sched_getaffinity(0))
    yield ours("mp-serve, dense, int8", "dense", dense)
    yield ours("mp-serve, Magic Pyramid, int8", "pyramid", pyramid)
    yield theirs(1, cores)
    yield theirs(cores, 1)
    is_installed = (options.work / "infinity-env/complete").exists()
    # It finds the quantised graph in the folder that it runs in alone, and its warm-up sends texts that no BERT has
    # positions for.
    for engine in options.infinity:
        yield Server(
            f"infinity-emb, {engine}", "peer",
            [options.work / "infinity-env/bin/infinity_emb", "v2", "--model-id", ".", "--served-model-name", "dense",
             "--engine", engine, "--device", "cpu", "--port", "{port}", "--url-prefix", "", "--log-level", "error",
             "--no-bettertransformer", "--no-model-warmup"] if is_installed else [],
            "/classify", lambda text: {"model": "dense", "input": [text]},
            {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "HF_HUB_OFFLINE": "1",
             "TOKENIZERS_PARALLELISM": "false"}, infinity)


def scores(server, reply):
    """Of each label its score, of one answered text."""
    found = json.loads(reply)
    if "data" in found:
        found = found["data"][0]
    return {entry["label"]: entry["score"] for entry in found}


async def answers(server, load, count, together):
    """What the server says to the first texts, some of them asked together."""
    said = []
    for start in range(0, count, together):
        for status, body in await asyncio.gather(*map(load.ask, load.requests[start:min(start + together, count)])):
            if status != 200:
                raise RuntimeError(f"{server.name}: status {status}: {body[:200]!r}")
            said.append(scores(server, body))
    return said


def measure(server, number, texts, options):
    """(rate, p50, p99), and what the server says to the first texts; a pyramid's answers are scored, to all of them."""
    with open(options.work / f"server-{number}.log", "wb") as log:
        port = options.port + number
        try:
            server.start(port, log)
            load = Load(port, [request(server.path, server.body(text)) for text in texts], options.limit_ms)

            async def all_of_it():
                # One by one what is compared: a peer's rounding depends on what shares a batch.
                many = (len(texts), 8) if server.kind == "pyramid" else (min(20, len(texts)), 1)
                said = await answers(server, load, *many)
                return await highest_rate(load, options.steps, options.answers, options.longest, note), said

            return asyncio.run(all_of_it())
        finally:
            server.stop()


def difference(said, other):
    """The largest difference of two servers' scores of a label: the model is the same, the rounding is not."""
    return max(abs(a[label] - b[label]) for a, b in zip(said, other) for label in a)


def sample(options):
    """Texts of the table and the names of their labels, which the table has by name or by number."""
    names = json.loads((options.pyramid / "config.json").read_text())["id2label"]
    known = {**names, **{name: name for name in names.values()}}
    with open(options.data, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    lines = random.Random(1).sample(lines, min(options.texts, len(lines)))
    for parts in lines:
        if len(parts) < 2 or parts[0] not in known:
            sys.exit(f"peers: {options.data}: {parts[0][:40]!r} is no label of {options.pyramid} (label<TAB>text)")
    return [parts[-1] for parts in lines], [known[parts[0]] for parts in lines]


def accuracy(said, labels):
    """The share of texts whose label has the highest score."""
    return sum(max(entry, key=entry.get) == label for entry, label in zip(said, labels, strict=True)) / len(labels)


def report(rows, missing, labels, options):
    print(f"{processor()}, {len(os.sched_getaffinity(0))} processors; p99 under {options.limit_ms:g} ms, Poisson arrivals\n")
    print("| server | texts/s | p50 ms | p99 ms | accuracy % |\n|---|---|---|---|---|")
    peers = [(server.name, result[0]) for server, result, _ in rows if server.kind == "peer"]
    failed = not any(rate for _, rate in peers) or bool(missing) and not options.allow_missing
    for server, (rate, p50, p99), said in rows:
        right = accuracy(said, labels) if server.kind == "pyramid" else None
        row = f"| {server.name} | {rate:.1f} | {p50:.1f} | {p99:.1f} |"
        if right is None:
            print(f"{row} |")
            continue
        is_low = options.least_accuracy is not None and right < options.least_accuracy
        failed |= is_low
        print(f"{row} {100 * right:.2f}{f', under {100 * options.least_accuracy:g}' if is_low else ''} |")
    for name in missing:
        print(f"| {name} | does not run here | | | |")
    own = next((said for server, _, said in rows if server.kind == "dense"), None)
    for server, _, said in rows:
        if server.kind == "peer" and own:
            most = difference(own, said)
            failed |= not most <= MOST_DIFFERENCE
            verdict = "" if most <= MOST_DIFFERENCE else f", more than {MOST_DIFFERENCE:g}: not the same model"
            print(f"\nlargest difference of a score to {server.name}: {most:.3f}{verdict}", end="")
    print("\n")
    for server, (rate, _, _), _ in rows:
        for name, other in peers if server.kind in BARS else []:
            ratio = rate / other if other else float("inf")
            met = ratio >= BARS[server.kind]
            failed |= not met
            print(f"{server.name} / {name}: {ratio:.2f} (bar {BARS[server.kind]:g}{'' if met else ', missed'})")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pyramid", type=pathlib.Path, help="checkpoint of a Magic Pyramid, with vocab.txt")
    parser.add_argument("data", help="lines label<TAB>text")
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where mp-serve and mp-compile are")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="environments and models, kept between runs")
    parser.add_argument("--exit", default="entropy(threshold=0.3)", help="none for no exits")
    parser.add_argument("--prune", default="received-attention", help="none for no pruning")
    parser.add_argument(
        "--least-accuracy", type=float, metavar="SHARE", help="of the pyramid's answers, 0 to 1; else only printed")
    parser.add_argument("--allow-missing", action="store_true", help="peers that do not run here are no failure")
    parser.add_argument("--serve", nargs="*", default=[], metavar="OPTION", help="options of mp-serve")
    parser.add_argument("--infinity", nargs="*", default=["optimum"], help="its engines: optimum runs the int8 graph")
    parser.add_argument("--only", help="servers whose name holds this")
    parser.add_argument("--steps", type=int, default=6, help="trials of the bisection")
    parser.add_argument("--answers", type=int, default=500, help="answers of a trial, where --longest is enough")
    parser.add_argument(
        "--limit-ms", type=float, default=LIMIT_MS,
        help="bound of p99; where one text alone takes about as long, every server's rate is about none")
    parser.add_argument("--longest", type=float, default=40, help="seconds of a trial, at most")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--port", type=int, default=18700)
    options = parser.parse_args()
    if options.least_accuracy is not None and not 0 <= options.least_accuracy <= 1:
        parser.error("--least-accuracy must be 0 to 1")
    options.work, options.bin = options.work.resolve(), options.bin.resolve()
    options.pyramid = options.pyramid.resolve()
    texts, labels = sample(options)
    rows, missing = [], []
    for number, server in enumerate(servers(options)):
        if options.only and options.only not in server.name:
            continue
        note(server.name)
        try:
            rows.append((server, *measure(server, number, texts, options)))
        except (RuntimeError, OSError) as error:
            note(f"  {error}")
            if server.kind != "peer":
                raise
            missing.append(server.name)
    sys.exit(report(rows, missing, labels, options))


if __name__ == "__main__":
    main()
