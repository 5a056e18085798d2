"""Text in, label out: whole models on real texts, tokenizers included, one text after the other. A peer's text is cut by
Hugging Face's tokenizers, as a user's script would. Beside the time stands how many labels are those of our f32."""
import os

from pyramid import EXIT, PRUNE
from session import OURS, Clock, note, turns

CHUNK = 32
POLICIES = ("--exit", EXIT, "--prune", PRUNE)


def read(data, limit):
    """The texts of label<TAB>text rows."""
    with open(data, encoding="utf-8", newline="\n") as file:
        rows = [row.rstrip("\n").split("\t")[1] for _, row in zip(range(limit), file)]
    return [row for row in rows if row]


def take(session, checkpoint):
    """The name of a checkpoint among the models."""
    name = os.path.basename(os.path.normpath(checkpoint))
    session.take(name, checkpoint)
    return name


def measure(session):
    for checkpoint, data in session.options.compare:
        name = take(session, checkpoint)
        rows = read(data, session.options.limit)
        for threads in session.options.threads:
            note(f"text in, label out: {name}, {threads} threads, {len(rows)} texts")
            measure_setting(session, name, threads, rows)
            session.save()


def measure_setting(session, model, threads, rows):
    clock = Clock()
    workers = session.workers(model, threads, POLICIES)
    chunks = [rows[first:first + CHUNK] for first in range(0, len(rows), CHUNK)]
    seconds, labels = {}, {}
    for worker in list(workers):
        # Some runtimes compile for every shape that is new to them: they get all texts before the clock runs.
        session.attempt(model, workers, worker, lambda: labels.update({
            worker: [label for chunk in chunks for label in worker.ask(op="texts", texts=chunk)["labels"]]}))

    def ask(worker, chunk, number):
        times = seconds.setdefault(worker, [])
        times += [0] * (number + 1 - len(times))
        times[number] += sum(worker.measure(op="texts", texts=chunk)["t"])

    for number in range(session.options.passes):
        for place, chunk in enumerate(chunks):
            for worker in turns(workers, number + place):
                session.attempt(model, workers, worker, lambda: ask(worker, chunk, number))
        note(f"  pass {number + 1} of {session.options.passes}, {clock}")
    known = next((labels[worker] for worker in workers if worker.name == f"{OURS} f32"), [])
    for worker in workers:
        session.add("texts", {
            "model": model, "threads": threads, "engine": worker.engine, "precision": worker.precision,
            "texts": len(rows), "seconds": seconds[worker],
            "same": sum(a == b for a, b in zip(labels[worker], known))})
    session.finish(workers)
