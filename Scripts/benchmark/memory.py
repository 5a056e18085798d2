"""Resident memory while a runtime meets one new shape after another: what it keeps of each shows as growth. Ours, and ONNX
Runtime's, on the first of the models; no clock runs."""
import random

from session import Clock, note
from turns import resident_mib

SAMPLES, TOKENS = 64, 512
CHUNK = 50


def shapes(count):
    """So many distinct shapes, those with the fewest tokens, in a random order."""
    every = [(samples, tokens) for samples in range(1, SAMPLES + 1) for tokens in range(1, TOKENS + 1)]
    every.sort(key=lambda shape: (shape[0] * shape[1], shape))
    chosen = every[:count]
    random.Random(23).shuffle(chosen)
    return chosen


def measure(session):
    model, threads = session.options.models[0], session.options.threads[0]
    chosen = shapes(session.options.shapes)
    stops = sorted({min(stop, len(chosen)) for stop in (CHUNK, 1000, len(chosen))})
    note(f"memory: {model}, {threads} threads, {len(chosen)} shapes")
    workers = session.workers(model, threads, engines={"onnxruntime"})
    for worker in list(workers):
        session.attempt(model, workers, worker, lambda: add(session, model, threads, worker, chosen, stops))
    session.finish(workers)
    session.save()


def add(session, model, threads, worker, chosen, stops):
    clock, found = Clock(), []
    for first in range(0, len(chosen), CHUNK):
        # No stop lies inside a chunk but the last, which is as long as what is left.
        worker.ask(op="warm", shapes=chosen[first:first + CHUNK])
        if first + CHUNK in stops or first + CHUNK >= len(chosen):
            found.append(resident_mib(worker.process.pid))
    note(f"  {worker.name}, {clock}")
    session.add("memory", {
        "model": model, "threads": threads, "engine": worker.engine, "precision": worker.precision, "shapes": stops,
        "mib": found})
