"""Tokens a second of real texts on one thread: ours, and Hugging Face's, one text after the other and together. Ids are
compared: a tokenizer that is fast and wrong is not a tokenizer."""
from session import OURS, note
from texts import read, take
from turns import Failure, Worker

CHUNK = 128


def measure(session):
    for checkpoint, data in session.options.compare:
        name = take(session, checkpoint)
        rows = read(data, session.options.limit)
        note(f"tokenizers: {name}, {len(rows)} texts")
        try:
            measure_setting(session, name, data, rows)
        except (Failure, OSError) as error:
            session.miss(f"tokenizers, {name}", str(error))
        session.save()


def measure_setting(session, model, data, rows):
    ours = session.worker(model, 1, OURS, "f32")
    # Its model's folder is the checkpoint, of which it reads the tokenizer's files.
    theirs = session.worker(model, 1, "tokenizers", "f32", "checkpoint")
    ways = [(ours, "one by one", {}), (theirs, "one by one", {}), (theirs, "together", {"together": True})]
    seconds, ids = {(worker.engine, way): [] for worker, way, _ in ways}, {}
    chunks = [rows[first:first + CHUNK] for first in range(0, len(rows), CHUNK)]
    for number in range(session.options.rounds):
        for worker, way, more in ways:
            taken, found = 0, []
            for chunk in chunks:
                answer = worker.measure(op="tokenize", texts=chunk, **more)
                taken += answer["t"]
                found += answer["ids"]
            seconds[worker.engine, way].append(taken)
            ids[worker.engine, way] = found
    for worker, way, _ in ways:
        found = ids[worker.engine, way]
        session.add("tokenizer", {
            "model": model, "engine": worker.engine, "how": way, "texts": len(rows),
            "tokens": sum(map(len, found)), "seconds": seconds[worker.engine, way],
            "same": sum(a == b for a, b in zip(found, ids["tokenizers", "one by one"]))})
    session.finish([ours, theirs])
