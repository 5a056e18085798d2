"""Sequences a second on a ragged set. A pass takes the whole set in chunks; on every chunk all runtimes take a turn, so
that a change of the machine's mood hits all of them. Peers are measured at several batchings, sorted by length, which
they like best; ours takes sequences as they come, since it does not pad."""
import random

from session import OURS, Clock, note, turns

CHUNK = 64
# A batching that takes longer than this times the best one in the first pass is not measured again.
NEAR = 1.3


def ragged_lengths(count):
    """Token lengths, lognormal with median 45 and 95th percentile 120, clipped to 4...256."""
    generator = random.Random(23)
    mu, sigma = 3.80666, 0.59629  # log(45), log(120 / 45) / 1.64485
    return [min(max(round(generator.lognormvariate(mu, sigma)), 4), 256) for _ in range(count)]


class Batching:
    """The set cut into batches, and these into chunks of equal share: every chunk holds short and long sequences."""

    def __init__(self, name, lengths, size, is_sorted, pads):
        self.name = name
        order = sorted(lengths) if is_sorted else lengths
        batches = [order[first:first + size] for first in range(0, len(order), size)]
        chunks = max(1, len(order) // max(CHUNK, size))
        self.chunks = [batches[first::chunks] for first in range(chunks)]
        self.batches = batches
        rows = sum(len(batch) * max(batch) for batch in batches) if pads else sum(lengths)
        self.padding = rows / sum(lengths)


def batchings(engine, lengths):
    if engine == OURS:
        return [Batching("packed 32", lengths, 32, False, False)]
    return [Batching("single", lengths, 1, True, True), Batching("sorted 16", lengths, 16, True, True),
            Batching("sorted 32", lengths, 32, True, True)]


def measure(session):
    lengths = ragged_lengths(session.options.sequences)
    for model in session.options.models:
        for threads in session.options.threads:
            note(f"throughput: {model}, {threads} threads, {len(lengths)} sequences, {sum(lengths)} tokens")
            measure_setting(session, model, threads, lengths)
            session.save()


def measure_setting(session, model, threads, lengths):
    clock = Clock()
    workers = session.workers(model, threads)
    plans, seconds = {}, {}
    for worker in list(workers):
        plans[worker] = batchings(worker.engine, lengths)
        session.attempt(model, workers, worker, lambda: warm(worker, plans[worker]))
    for number in range(session.options.passes):
        for chunk in range(max((len(plan.chunks) for worker in workers for plan in plans[worker]), default=0)):
            for worker in turns(workers, number + chunk):
                session.attempt(model, workers, worker, lambda: take(worker, plans[worker], chunk, number, seconds))
        if number == 0:
            for worker in workers:
                plans[worker] = promising(worker, plans[worker], seconds)
        note(f"  pass {number + 1} of {session.options.passes}, {clock}")
    for worker in workers:
        for plan in batchings_measured(worker, seconds):
            session.add("throughput", {
                "model": model, "threads": threads, "engine": worker.engine, "precision": worker.precision,
                "batching": plan.name, "sequences": len(lengths), "padding": plan.padding,
                "seconds": seconds[worker, plan]})
    session.finish(workers)


def warm(worker, plans):
    """Some runtimes compile for every shape that is new to them: they get all of them before the clock runs."""
    batches = {(len(batch), max(batch)): batch for plan in plans for batch in plan.batches}
    worker.ask(op="batches", batches=list(batches.values()) if worker.engine == "openvino" else plans[0].chunks[0])


def take(worker, plans, chunk, number, seconds):
    """One runtime's turn on one chunk: each of its batchings."""
    for plan in plans:
        if chunk < len(plan.chunks):
            answer = worker.measure(op="batches", batches=plan.chunks[chunk])
            passes = seconds.setdefault((worker, plan), [])
            passes += [0] * (number + 1 - len(passes))
            passes[number] += answer["t"]


def promising(worker, plans, seconds):
    """The batchings worth measuring again: those that come near the best."""
    best = min(seconds[worker, plan][0] for plan in plans)
    return [plan for plan in plans if seconds[worker, plan][0] <= NEAR * best]


def batchings_measured(worker, seconds):
    return [plan for measured, plan in seconds if measured is worker]
