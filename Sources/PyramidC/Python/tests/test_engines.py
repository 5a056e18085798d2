"""The classifier in the engines that people have their tables in: DuckDB, and Ray Data and Spark with a worker that dies."""

import os
import pathlib
import shutil
import signal
import sys

import pytest

from magic_pyramid import Classifier
from test_magic_pyramid import TEXTS, classifier, model  # noqa: F401  fixtures


def test_duckdb_function_over_arrow(classifier):
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    connection = duckdb.connect()
    connection.create_function(
        "classify", lambda texts: classifier.predict_arrow(texts)["label"].combine_chunks().cast("string"), ["VARCHAR"],
        "VARCHAR", type="arrow")
    connection.execute("CREATE TABLE t AS SELECT i, list_extract(?, i % 4 + 1) AS text FROM range(1000) r(i)", [TEXTS])
    rows = connection.execute("SELECT i, classify(text) FROM t ORDER BY i").fetchall()
    labels = [answer["label"] for answer in classifier.predict(TEXTS)]
    assert [label for _, label in rows] == [labels[i % 4] for i in range(1000)]
    counts = dict(connection.execute("SELECT classify(text), count(*) FROM t GROUP BY 1").fetchall())
    assert sum(counts.values()) == 1000


class Labels:
    """What a worker of Ray Data does with a table; the first that comes to its fourth one dies at it."""

    def __init__(self, path, marker):
        self.classifier, self.marker = Classifier(path, threads=1), pathlib.Path(marker)
        self.tables = 0

    def __call__(self, table):
        # Midway: this worker has answered some by then.
        if self.tables == 3 and not self.marker.exists():
            self.marker.write_text(str(self.tables))
            os.kill(os.getpid(), signal.SIGKILL)
        self.tables += 1
        return table.append_column("label", self.classifier.predict_arrow(table["text"])["label"])


def test_ray_data_loses_and_doubles_nothing_when_a_worker_dies(model, classifier, tmp_path):
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    here = str(pathlib.Path(__file__).parent)
    environment = {"PYTHONPATH": here, "MP_BIN": os.environ["MP_BIN"]}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": environment})
    try:
        ray.data.DataContext.get_current().execution_options.preserve_order = True
        rows = ray.data.from_items([{"id": i, "text": TEXTS[i % 4]} for i in range(400)], override_num_blocks=20)
        answered = rows.map_batches(
            Labels, fn_constructor_args=[str(model), str(tmp_path / "marker")], batch_format="pyarrow", batch_size=20,
            compute=ray.data.ActorPoolStrategy(size=2), num_cpus=1).take_all()
    finally:
        ray.shutdown()
    assert (tmp_path / "marker").exists()
    expected = [answer["label"] for answer in classifier.predict(TEXTS)]
    assert [(row["id"], row["label"]) for row in answered] == [(i, expected[i % 4]) for i in range(400)]


def test_spark_loses_and_doubles_nothing_when_a_worker_dies(model, classifier, tmp_path, monkeypatch):
    pytest.importorskip("pyspark")
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs Java")
    from typing import Iterator

    from pyspark.sql import SparkSession
    from pyspark.sql.functions import pandas_udf

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    path, marker = str(model), str(tmp_path / "marker")

    # Four tries of a task, two tasks at a time.
    spark = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false").config(
        "spark.sql.execution.arrow.maxRecordsPerBatch", "20").getOrCreate()

    @pandas_udf("string")
    def label(batches: Iterator[pandas.Series]) -> Iterator[pandas.Series]:
        # One classifier for all batches of a task; a worker process is kept from task to task.
        model = Classifier(path, threads=1)
        for place, texts in enumerate(batches):
            # Midway through a task, of whose rows some are answered.
            if place == 1 and not os.path.exists(marker):
                pathlib.Path(marker).write_text("died here")
                os.kill(os.getpid(), signal.SIGKILL)
            column = pyarrow.Array.from_pandas(texts, type=pyarrow.string())
            yield model.predict_arrow(column)["label"].cast(pyarrow.string()).to_pandas()

    try:
        # What has no text is the empty one.
        texts = [TEXTS[i % 4] if i % 50 else None for i in range(400)]
        rows = spark.createDataFrame(list(enumerate(texts)), "id long, text string").repartition(8)
        answered = sorted(rows.select("id", label("text").alias("label")).collect())
    finally:
        spark.stop()
    assert os.path.exists(marker)
    expected = [answer["label"] for answer in classifier.predict([text or "" for text in texts])]
    assert [(row["id"], row["label"]) for row in answered] == list(enumerate(expected))
