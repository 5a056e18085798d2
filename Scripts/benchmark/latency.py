"""Batch-1 latency by length. In every round every runtime takes a turn at every length; a turn counts by its median."""
import statistics

import checkpoints
from session import Clock, note, turns


def measure(session):
    for model in session.options.models:
        for threads in session.options.threads:
            note(f"latency: {model}, {threads} threads")
            measure_setting(session, model, threads)
            session.save()


def measure_setting(session, model, threads):
    clock = Clock()
    options = session.options
    workers = session.workers(model, threads)
    shapes = [[1, tokens] for tokens in options.lengths] * 3
    for worker in list(workers):
        # Some runtimes compile for every shape that is new to them: they get all of them before the clock runs.
        session.attempt(model, workers, worker, lambda: worker.ask(op="warm", shapes=shapes))
    times, operations = {}, {}

    def take(worker, tokens):
        answer = worker.measure(op="time", b=1, s=tokens, min_time=options.turn, min_iters=3, max_iters=200)
        times.setdefault((worker, tokens), []).append(statistics.median(answer["t"]))
        operations[worker, tokens] = answer.get("operations", checkpoints.operations(model, tokens))

    for number in range(options.rounds):
        for tokens in options.lengths:
            for worker in turns(workers, number):
                session.attempt(model, workers, worker, lambda: take(worker, tokens))
        note(f"  round {number + 1} of {options.rounds}, {clock}")
    for (worker, tokens), seconds in times.items():
        if worker in workers:
            session.add("latency", {
                "model": model, "threads": threads, "engine": worker.engine, "precision": worker.precision,
                "tokens": tokens, "operations": operations[worker, tokens], "seconds": seconds})
    session.finish(workers)
