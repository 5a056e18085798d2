"""What all parts of a benchmark share: options, tools, models made on demand, and the results that grow."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

import models
from turns import Failure, Worker

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = "magic-pyramid"
# engine, precision, form of the model, precision of --precisions that it counts as
PEERS = [
    ("onnxruntime", "f32", "onnxruntime-f32", "f32"),
    ("onnxruntime", "int8", "onnxruntime-int8", "int8"),
    ("openvino", "f32", "openvino-f32", "f32"),
    ("openvino", "bf16", "openvino-f32", "bf16"),
    ("openvino", "int8", "openvino-int8", "int8"),
    ("openvino", "int8+bf16", "openvino-int8", "int8"),
    ("pytorch", "f32", "checkpoint", "f32"),
    ("tract", "f32", "onnx", "f32"),
    ("executorch", "f32", "executorch-f32", "f32"),
    ("executorch", "int8", "executorch-int8", "int8"),
    ("ctranslate2", "f32", "ctranslate2", "f32"),
    ("ctranslate2", "bf16", "ctranslate2", "bf16"),
    ("ctranslate2", "int8", "ctranslate2", "int8"),
    ("llama.cpp", "f32", None, "f32"),
]
ENGINES = list(dict.fromkeys(engine for engine, *_ in PEERS))
# Engines that this script can't start, and why.
WITHOUT_WHEEL = {"llama.cpp": "PyPI has no wheel of llama-cpp-python"}


def note(text):
    print(text, file=sys.stderr, flush=True)


class Session:
    def __init__(self, options):
        self.options = options
        self.results = {}
        self.absent = set()
        self.compiled = set()
        self.turns = self.disturbed = 0
        os.makedirs(self.path("logs"), exist_ok=True)
        self.our_precisions = self.precisions_of("mp-compile")

    def path(self, *parts):
        return os.path.join(self.options.work, *parts)

    def tool(self, name):
        return os.path.join(self.options.bin, name)

    def precisions_of(self, tool):
        """Those wanted that the tool's --precision takes, as its help says; f32 when it has no such option."""
        text = subprocess.run([self.tool(tool), "--help"], capture_output=True, text=True, check=True).stdout
        option = re.search(r"\n  --precision (<.*?)\n {0,8}(?:-|$)", text, re.DOTALL)
        offered = re.search(r"\(values:(.*?)[;)]", option.group(1), re.DOTALL) if option else None
        names = re.findall(r"\w+", offered.group(1)) if offered else ["f32"]
        return [name for name in self.options.precisions if name in names]

    def peers(self, engines=None):
        return [peer for peer in PEERS
                if peer[3] in self.options.precisions and peer[0] in self.options.peers
                and (engines is None or peer[0] in engines)]

    def add(self, part, row):
        self.results.setdefault(part, []).append(row)

    def miss(self, runtime, reason):
        """Reports a runtime as missing, once."""
        if (runtime, reason) in self.absent:
            return
        self.absent.add((runtime, reason))
        note(f"  {runtime} is missing: {reason}")
        self.add("missing", {"runtime": runtime, "reason": reason})

    def save(self):
        """Writes the results so far: a run that is stopped has measured something."""
        partial = self.options.results + ".partial"
        with open(partial, "w") as file:
            json.dump(self.results, file, indent=1)
            file.write("\n")
        os.rename(partial, self.options.results)

    def form(self, model, form):
        """The folder of a model's form, made if need be; raises Failure. Another process makes it, since the libraries
        that it takes would stay in this one's memory, and a crash in one of them should end no more than the making."""
        target = models.folder(self.options.work, model, form)
        if not os.path.isdir(target):
            note(f"  making {model} as {form} ...")
            with open(self.path("logs", f"make-{model}-{form}.log"), "w") as log:
                made = subprocess.run(
                    [sys.executable, os.path.join(HERE, "models.py"), self.options.work, model, form],
                    stdout=subprocess.PIPE, stderr=log, text=True)
            if not made.stdout.strip():
                raise Failure(f"ended with status {made.returncode}")
            answer = json.loads(made.stdout)
            if "error" in answer:
                raise Failure(answer["error"])
        return target

    def take(self, model, checkpoint):
        """A checkpoint that is there already, as the model that the other forms are made of."""
        target = models.folder(self.options.work, model, "checkpoint")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(checkpoint, target)

    def artefact(self, model, precision, policies=()):
        """This project's compiled model. Compiled in every run: the compiler may have changed."""
        kind = f"{precision}-policies" if policies else precision
        target = self.path("models", model, f"{OURS}-{kind}.mpc")
        if target not in self.compiled:
            note(f"  compiling {model} at {kind} ...")
            command = [self.tool("mp-compile"), self.form(model, "checkpoint"), "-o", target, "--skip-check", "--quiet"]
            command += policies
            if precision != "f32":
                command += ["--precision", precision]
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode != 0:
                raise Failure(made.stderr.strip().splitlines()[0] if made.stderr.strip() else "mp-compile failed")
            self.compiled.add(target)
        return target

    def worker(self, model, threads, engine, precision, form=None, policies=()):
        """A running worker; raises Failure."""
        if engine == OURS:
            artefact = self.artefact(model, precision, policies)
            command = [self.tool("mp-bench"), "worker", artefact, "--threads", str(threads)]
        else:
            command = self.peer_command(model, threads, engine, precision, form)
        name = f"{precision} with policies" if policies else precision
        log = self.path("logs", f"{engine}-{name}-{model}.log".replace(" ", "-"))
        return Worker(engine, name, self.niced(command), log, self.options.attempts)

    def peer_command(self, model, threads, engine, precision, form):
        if engine in WITHOUT_WHEEL:
            raise Failure(WITHOUT_WHEEL[engine])
        checkpoint = self.form(model, "checkpoint")
        return [sys.executable, os.path.join(HERE, "peer.py"), engine, precision,
                self.form(model, form), "--threads", str(threads), "--checkpoint", checkpoint]

    def niced(self, command):
        nice = self.options.nice
        return ["nice", "-n", str(nice)] + command if nice else command

    def workers(self, model, threads, policies=(), engines=None):
        """Workers of all runtimes that can be had, or of those of some engines, too; ours first, without and with
        policies."""
        wanted = [(OURS, precision, None, chosen)
                  for chosen in [()] + [policies] * bool(policies) for precision in self.our_precisions]
        wanted += [(*peer[:3], ()) for peer in self.peers(engines)]
        running = []
        for engine, precision, form, chosen in wanted:
            try:
                running.append(self.worker(model, threads, engine, precision, form, chosen))
            except (Failure, OSError, ValueError) as error:
                self.miss(f"{engine} {precision}, {model}", str(error))
        return running

    def finish(self, workers):
        """Ends workers and counts their turns."""
        self.turns += sum(worker.turns for worker in workers)
        self.disturbed += sum(worker.disturbed for worker in workers)
        for worker in workers:
            worker.quit()

    def attempt(self, model, workers, worker, action):
        """Does something with a worker, which is taken out when it can't."""
        try:
            action()
        except Failure as error:
            self.miss(f"{worker.name}, {model}", str(error))
            workers.remove(worker)
            worker.quit()


def turns(workers, number):
    """A list of all workers, a different one first for each number."""
    first = number % len(workers) if workers else 0
    return workers[first:] + workers[:first]


class Clock:
    """How long a part took, for the log."""

    def __init__(self):
        self.start = time.monotonic()

    def __str__(self):
        seconds = int(time.monotonic() - self.start)
        return f"{seconds // 60}:{seconds % 60:02d}"
