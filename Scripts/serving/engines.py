"""Texts a second in DuckDB, Ray Data and Spark, against the bare class: what an engine that people have their tables in
costs on top.

    EXTRAS=test,engines Scripts/check-python            makes the environment
    .build-python/venv/bin/python Scripts/serving/engines.py MODEL.mpc TEXTS.tsv [--texts 30000] [--dense]

Each engine answers N and 2 N texts, after a thousand that count for nothing, and the difference of the times counts, so
that starting workers and opening models does not: N has to take longer than that. Ray Data and Spark have a worker of one
thread for each processor, and are compared with as many processes of the bare class; DuckDB calls one classifier of as
many threads, and is compared with that. Turns are interleaved, and medians compared: fails where an engine reaches less
than 0.9 of the bare class. What an engine takes for itself counts for more the less work a text is, so --dense measures
the model without its policies, too. An engine that is not installed is left out, which is said and fails unless
--allow-missing.
"""

import argparse
import json
import math
import multiprocessing
import os
import statistics
import sys
import time

BAR = 0.9
BATCH = 2048


def parts(texts, size):
    return [texts[first : first + size] for first in range(0, len(texts), size)]


def worker(path, policies, threads, shares, ready, start, seconds):
    """Answers a share when it is told to; `seconds` gets how long each took."""
    from magic_pyramid import Classifier

    classifier = Classifier(path, threads=threads, **policies)
    classifier.predict_numpy(shares[0][:100])
    for share in shares:
        ready.wait()
        start.wait()
        begun = time.perf_counter()
        for part in parts(share, BATCH):
            classifier.predict_numpy(part)
        seconds.put(time.perf_counter() - begun)


def bare(path, policies, texts, count, threads):
    """How long so many processes take for N and for 2 N texts; the slowest counts."""
    context, wait = multiprocessing.get_context("spawn"), 600
    ready, start = context.Barrier(count + 1, timeout=wait), context.Barrier(count + 1, timeout=wait)
    seconds = context.Queue()
    shares = [[texts[number::count], (texts + texts)[number::count]] for number in range(count)]
    processes = [
        context.Process(
            target=worker, args=(path, policies, threads, shares[number], ready, start, seconds), daemon=True)
        for number in range(count)]
    for process in processes:
        process.start()
    times = []
    for _ in range(2):
        ready.wait()
        start.wait()
        times.append(max(seconds.get(timeout=3600) for _ in range(count)))
    for process in processes:
        process.join()
    return times


class Labels:
    """What a worker of Ray Data does with a block: a table of Arrow, without copies."""

    def __init__(self, path, policies):
        from magic_pyramid import Classifier

        self.classifier = Classifier(path, threads=1, **policies)

    def __call__(self, table):
        return self.classifier.predict_arrow(table["text"]).select(["label"])


def ray(path, policies, texts, count):
    import ray
    import ray.data

    ray.init(num_cpus=count, include_dashboard=False, log_to_driver=False,
             runtime_env={"env_vars": {"PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}})
    context, times = ray.data.DataContext.get_current(), []
    # What watches the workers takes of the processors that they work on.
    context.enable_progress_bars, context.memory_usage_poll_interval_s = False, None
    # Some blocks for each worker, so that none waits long for the last, and of the same size for N and for 2 N.
    size = max(1, min(2 * BATCH, len(texts) // (4 * count)))
    try:
        for some in (texts[:1000], texts, texts + texts):
            blocks = math.ceil(len(some) / size)
            rows = ray.data.from_items([{"text": text} for text in some], override_num_blocks=blocks).materialize()
            begun = time.perf_counter()
            answered = rows.map_batches(
                Labels, fn_constructor_args=[path, policies], batch_format="pyarrow", batch_size=None,
                compute=ray.data.ActorPoolStrategy(size=count), num_cpus=1).materialize()
            times.append(time.perf_counter() - begun)
            assert answered.count() == len(some)
    finally:
        ray.shutdown()
    return times[1:]


def spark(path, policies, texts, count):
    from typing import Iterator

    import pandas
    import pyarrow
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import pandas_udf

    os.environ["PYSPARK_PYTHON"] = sys.executable

    session = SparkSession.builder.master(f"local[{count}]").config("spark.ui.enabled", "false").config(
        "spark.sql.execution.arrow.maxRecordsPerBatch", str(BATCH)).config("spark.log.level", "ERROR").getOrCreate()

    @pandas_udf("string")
    def label(batches: Iterator[pandas.Series]) -> Iterator[pandas.Series]:
        from magic_pyramid import Classifier

        classifier = Classifier(path, threads=1, **policies)
        for batch in batches:
            column = pyarrow.Array.from_pandas(batch, type=pyarrow.string())
            yield classifier.predict_arrow(column)["label"].cast(pyarrow.string()).to_pandas()

    times = []
    try:
        for some in (texts[:1000], texts, texts + texts):
            rows = session.createDataFrame([(text,) for text in some], "text string").repartition(count).cache()
            assert rows.count() == len(some)
            begun = time.perf_counter()
            counted = rows.select(label("text").alias("label")).groupBy("label").count().collect()
            times.append(time.perf_counter() - begun)
            assert sum(row["count"] for row in counted) == len(some)
    finally:
        session.stop()
    return times[1:]


def duckdb(path, policies, texts, count):
    import duckdb
    import pyarrow

    from magic_pyramid import Classifier

    classifier = Classifier(path, threads=count, **policies)
    connection = duckdb.connect()
    connection.create_function(
        "classify", lambda texts: classifier.predict_arrow(texts)["label"].combine_chunks().cast("string"), ["VARCHAR"],
        "VARCHAR", type="arrow")
    times = []
    for number, some in enumerate((texts[:1000], texts, texts + texts)):
        rows = pyarrow.table({"text": some})  # noqa: F841  DuckDB finds it by its name
        connection.execute(f"CREATE TABLE t{number} AS SELECT * FROM rows")
        begun = time.perf_counter()
        counted = connection.execute(f"SELECT classify(text), count(*) FROM t{number} GROUP BY 1").fetchall()
        times.append(time.perf_counter() - begun)
        assert sum(count for _, count in counted) == len(some)
    return times[1:]


ENGINES = {"DuckDB": (duckdb, "threads"), "Ray Data": (ray, "processes"), "Spark": (spark, "processes")}


def measure(path, policies, texts, rounds, missing):
    """Texts a second of each turn, by what answered them; engines that are not installed become missing."""
    count, rates = len(os.sched_getaffinity(0)), {}
    turns = {
        "processes": lambda: bare(path, policies, texts, count, 1),
        "threads": lambda: bare(path, policies, texts, 1, count),
        **{name: lambda run=run: run(path, policies, texts, count) for name, (run, _) in ENGINES.items()}}
    for _ in range(rounds):
        for name, turn in turns.items():
            if name in missing:
                continue
            try:
                first, second = turn()
            except ImportError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                missing.add(name)
                continue
            if second <= first:
                sys.exit(f"{name}: twice the texts took {second:.1f} s, they {first:.1f} s: give more --texts")
            rates.setdefault(name, []).append(len(texts) / (second - first))
            print(f"{name}: {rates[name][-1]:.0f} texts/s", file=sys.stderr, flush=True)
    return rates


def without_policies(path):
    """Options of a classifier whose policies never act."""
    from magic_pyramid import Classifier

    info = Classifier(path, threads=1).info
    return {kind: never for kind, never in [("exit", "never-exit"), ("prune", "keep-all")] if info[kind]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", help="lines label<TAB>text")
    parser.add_argument("--texts", type=int, default=30_000)
    parser.add_argument("--dense", action="store_true", help="measure the model without its policies, too")
    parser.add_argument("--dense-texts", type=int, default=3_000, help="for --dense")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--allow-missing", action="store_true")
    options = parser.parse_args()
    with open(options.data, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t")[-1] for line in file]
    path, missing, report = os.path.abspath(options.model), set(), {}
    rows = [("as it is", {}, options.texts)]
    if options.dense:
        rows.append(("dense", without_policies(path), options.dense_texts))
    for title, policies, number in rows:
        print(title, file=sys.stderr)
        texts = (lines * (1 + number // len(lines)))[:number]
        rates = measure(path, policies, texts, options.rounds, missing)
        medians = {name: statistics.median(values) for name, values in rates.items()}
        ratios = {name: medians[name] / medians[base] for name, (_, base) in ENGINES.items() if name in medians}
        report[title] = {"texts_per_s": rates, "of_the_bare_class": ratios}
    print(json.dumps({**report, "bar": BAR}, indent=2))
    missed = any(ratio < BAR for row in report.values() for ratio in row["of_the_bare_class"].values())
    sys.exit(missed or bool(missing) and not options.allow_missing)


if __name__ == "__main__":
    main()
