"""The wheel against mp-run: MP_BIN is the folder of mp-compile and mp-run."""

import concurrent.futures
import importlib.metadata
import json
import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import magic_pyramid
from magic_pyramid import Classifier, MagicPyramidError, _classifier, _library

ROOT = pathlib.Path(__file__).resolve().parents[4]
BIN = pathlib.Path(os.environ["MP_BIN"])
TEXTS = ["The Bora River is a tributary of the Lotru River.", "Abbey Road is an album by the Beatles.", "naïve 東京", ""]


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.mpc"
    subprocess.run(
        [BIN / "mp-compile", ROOT / "Graphs/dbpedia14", "-o", path, "--exit", "entropy(threshold=0.1)", "--prune",
         "received-attention", "--quiet"], check=True)
    return path


@pytest.fixture(scope="session")
def classifier(model):
    return Classifier(model)


def test_answers_are_those_of_mp_run(classifier, model, tmp_path):
    records = tmp_path / "texts.jsonl"
    records.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    lines = subprocess.run(
        [BIN / "mp-run", model, "--input", records, "--format", "jsonl", "--quiet"], check=True, capture_output=True)
    assert classifier.predict(TEXTS) == [json.loads(line) for line in lines.stdout.splitlines()]


def test_arrays_hold_the_same(classifier):
    numbers, answers = classifier.predict_numpy(TEXTS), classifier.predict(TEXTS)
    assert [classifier.labels[i] for i in numbers.label] == [a["label"] for a in answers]
    assert np.allclose(numbers.scores, [a["scores"] for a in answers], atol=1e-6)
    assert np.allclose(numbers.score, [a["score"] for a in answers], atol=1e-6)
    assert numbers.exit_layer.tolist() == [a["exit_layer"] for a in answers]
    assert numbers.truncated.tolist() == [False] * 4
    assert classifier.predict_numpy(["word " * 5000]).truncated.tolist() == [True]
    assert classifier.predict_numpy([]).scores.shape == (0, len(classifier.labels))


def test_arrow_columns_hold_the_same(classifier):
    pa = pytest.importorskip("pyarrow")
    column = pa.chunked_array([TEXTS[:1], TEXTS[1:] + [None]])
    table = classifier.predict_arrow(column)
    numbers = classifier.predict_numpy(TEXTS + [""])
    assert table["label"].to_pylist() == [classifier.labels[i] for i in numbers.label]
    assert np.array_equal(np.array(table["scores"].to_pylist(), np.float32), numbers.scores)
    sliced = classifier.predict_arrow(pa.array(TEXTS).slice(1, 2))
    assert sliced["score"].to_pylist() == numbers.score[1:3].tolist()


PIPELINE_CALLS = {
    "a text": lambda pipe: pipe(TEXTS[0]),
    "a text, top_k=1": lambda pipe: pipe(TEXTS[0], top_k=1),
    "a text, top_k=None": lambda pipe: pipe(TEXTS[0], top_k=None),
    "a dictionary": lambda pipe: pipe({"text": TEXTS[0]}),
    "a dictionary, top_k=2": lambda pipe: pipe({"text": TEXTS[0]}, top_k=2),
    "a list": lambda pipe: pipe(TEXTS[:2], truncation=True, padding=True, batch_size=2),
    "a list, top_k=1": lambda pipe: pipe(TEXTS[:2], top_k=1),
    "a list of dictionaries, top_k=3": lambda pipe: pipe([{"text": TEXTS[0]}, {"text": TEXTS[1]}], top_k=3),
    "a generator": lambda pipe: pipe((text for text in TEXTS[:3]), batch_size=2),
    "a generator, top_k=None": lambda pipe: pipe((text for text in TEXTS[:3]), top_k=None),
}


def form(answers):
    """What answers are made of."""
    if isinstance(answers, dict):
        return {key: type(value).__name__ for key, value in answers.items()}
    return ("list" if isinstance(answers, list) else "iterator", [form(answer) for answer in answers])


def test_pipeline_answers_in_the_forms_of_transformers(classifier):
    pipe, one = classifier.as_transformers_pipeline(), {"label": "str", "score": "float"}
    every = ("list", [one] * len(classifier.labels))
    expected = {
        "a text": ("list", [one]), "a text, top_k=1": ("list", [one]), "a text, top_k=None": every,
        "a dictionary": one, "a dictionary, top_k=2": ("list", [one] * 2), "a list": ("list", [one] * 2),
        "a list, top_k=1": ("list", [("list", [one])] * 2),
        "a list of dictionaries, top_k=3": ("list", [("list", [one] * 3)] * 2),
        "a generator": ("iterator", [one] * 3), "a generator, top_k=None": ("iterator", [every] * 3),
    }
    assert {name: form(call(pipe)) for name, call in PIPELINE_CALLS.items()} == expected
    assert [answer["label"] for answer in pipe(TEXTS[:2])] == ["NaturalPlace", "Album"]
    scores = [answer["score"] for answer in pipe(TEXTS[0], top_k=None)]
    assert scores == sorted(scores, reverse=True) and scores[0] == pytest.approx(classifier.predict(TEXTS)[0]["score"])
    assert pipe([]) == []
    read = []
    answers = pipe((read.append(text) or text for text in TEXTS))
    assert next(answers)["label"] == "NaturalPlace" and len(read) == 1
    for inputs in [[["a", "b"]], {"text": ["a"]}, {"texts": "a"}, [1]]:
        with pytest.raises(ValueError, match="text_pair"):
            pipe(inputs)
    with pytest.raises(TypeError, match="max_length"):
        pipe("a", max_length=3)


def test_pipeline_has_the_forms_of_transformers_own(classifier):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    config = transformers.BertConfig(
        vocab_size=30522, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        num_labels=len(classifier.labels))
    theirs = transformers.TextClassificationPipeline(
        model=transformers.BertForSequenceClassification(config).eval(),
        tokenizer=transformers.AutoTokenizer.from_pretrained(ROOT / "Graphs/dbpedia14"))
    ours = classifier.as_transformers_pipeline()
    for name, call in PIPELINE_CALLS.items():
        assert form(call(ours)) == form(call(theirs)), name


def test_policies_are_taken(model):
    dense = Classifier(model, exit="entropy(threshold=0)", prune="received-attention(thresholds=-1)", threads=1)
    assert [a["exit_layer"] for a in dense.predict(TEXTS)] == [6] * 4
    assert dense.info["exit"] == "entropy(threshold=0)"


def test_pairs_are_the_second_texts(classifier):
    if not classifier.info["accepts_pairs"]:
        with pytest.raises(MagicPyramidError, match="single texts"):
            classifier.predict(["a"], ["b"])
        return
    single, pair = classifier.predict_numpy(["a b", "a b"], ["", "c d"]).scores
    assert np.array_equal(single, classifier.predict_numpy(["a b"]).scores[0]) and not np.array_equal(single, pair)


def test_errors_say_what_is_wrong(model, tmp_path):
    with pytest.raises(MagicPyramidError, match="no such file"):
        Classifier(tmp_path / "none.mpc")
    with pytest.raises(MagicPyramidError, match="no-such-policy"):
        Classifier(model, exit="no-such-policy")
    for texts, pairs in [("a text", None), (["a", "b"], "cd")]:
        with pytest.raises(TypeError, match="is a string"):
            Classifier(model).predict(texts, pairs)
    with pytest.raises(TypeError, match="is a string"):
        Classifier(model, tasks="topic")
    with pytest.raises(ValueError, match="2 texts and 1"):
        Classifier(model).predict(["a", "b"], ["c"])
    for texts, pairs in [(["a", None], None), (["a", "b"], ["c", None])]:
        with pytest.raises(TypeError, match="text 1 is of type NoneType"):
            Classifier(model).predict_numpy(texts, pairs)


def test_a_model_that_is_written_over_answers_no_more_unless_it_was_copied(model, tmp_path):
    path = tmp_path / "model.mpc"
    shutil.copy(model, path)
    mapped, copied = Classifier(path), Classifier(path, copy=True)
    expected = mapped.predict(TEXTS)
    # Later than the file's times can tell apart.
    time.sleep(0.05)
    with open(path, "r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(first)
    for ask in [mapped.predict, mapped.predict_numpy]:
        with pytest.raises(MagicPyramidError, match="was written over while it was in use"):
            ask(TEXTS)
    assert copied.predict(TEXTS) == expected
    assert pickle.loads(pickle.dumps(copied)).predict(TEXTS) == expected


def test_of_several_tasks_columns_are_of_the_one_that_is_asked(tmp_path):
    checkpoint, other, path = ROOT / "Graphs/dbpedia14", tmp_path / "kind", tmp_path / "several.mpc"
    shutil.copytree(checkpoint, other)
    config = json.loads((other / "config.json").read_text())
    config["id2label"] = {key: "kind " + label for key, label in config["id2label"].items()}
    config["label2id"] = {label: int(key) for key, label in config["id2label"].items()}
    (other / "config.json").write_text(json.dumps(config))
    subprocess.run(
        [BIN / "mp-compile", checkpoint, "-o", path, "--task", f"topic={checkpoint}", "--task", f"kind={other}",
         "--exit", "entropy(threshold=0.1)", "--quiet"], check=True)
    both, one = Classifier(path), Classifier(path, tasks=["kind"])
    assert both.info["tasks"] == ["topic", "kind"] and one.info["tasks"] == ["kind"]
    assert one.labels[0] == "kind " + Classifier(path, tasks=["topic"]).labels[0] and one.info["classes"] == 14
    assert both.info["labels_of_tasks"]["kind"] == one.labels and both.labels[14:] == one.labels
    answers = [answer["tasks"]["kind"] for answer in both.predict(TEXTS)]
    assert [list(answer["tasks"]) for answer in one.predict(TEXTS)] == [["kind"]] * 4
    numbers = one.predict_numpy(TEXTS)
    assert [one.labels[i] for i in numbers.label] == [answer["label"] for answer in answers]
    assert np.allclose(numbers.scores, [answer["probabilities"] for answer in answers], atol=1e-6)
    assert numbers.exit_layer.tolist() == [answer["exit_layer"] for answer in answers]
    assert one.as_transformers_pipeline()(TEXTS[0])[0]["label"] == answers[0]["label"]
    with pytest.raises(MagicPyramidError, match=r'for one task, and 2 are asked.*"tasks": \["topic"\]'):
        both.predict_numpy(TEXTS)
    with pytest.raises(MagicPyramidError, match="no task"):
        Classifier(path, tasks=["none"])


def test_threads_share_a_classifier(classifier):
    expected = classifier.predict(TEXTS)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: classifier.predict(TEXTS), range(64)):
            assert found == expected


def test_a_classifier_goes_to_other_processes(classifier):
    other = pickle.loads(pickle.dumps(classifier))
    assert other.predict(TEXTS) == classifier.predict(TEXTS)


def test_a_relative_path_is_of_the_folder_that_it_was_opened_in(model, tmp_path, monkeypatch):
    monkeypatch.chdir(model.parent)
    opened = Classifier(model.name)
    expected, data = opened.predict(TEXTS), pickle.dumps(opened)
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(data).predict(TEXTS) == expected
    assert in_fork(lambda: opened.predict(TEXTS) == expected) == 0


def in_fork(work):
    """The exit code of a forked child: 0 where `work` is true there, and 9 where it hangs."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    for _ in range(600):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 9


def test_a_forked_child_classifies(model, classifier):
    expected = classifier.predict(TEXTS)
    assert in_fork(lambda: classifier.predict(TEXTS) == expected) == 0
    assert in_fork(lambda: classifier.predict_numpy(TEXTS).label.shape == (len(TEXTS),)) == 0
    assert in_fork(lambda: Classifier(model).predict(TEXTS) == expected) == 0

    def child_of_a_child():
        return classifier.predict(TEXTS) == expected and in_fork(lambda: classifier.predict(TEXTS) == expected) == 0

    assert in_fork(child_of_a_child) == 0
    assert classifier.predict(TEXTS) == expected


def test_threads_of_a_forked_child_open_a_model_once(classifier, monkeypatch):
    classifier.predict(TEXTS)
    opened, opening = [], _library.open_classifier

    def open_slowly(*arguments):
        opened.append(arguments)
        time.sleep(0.5)
        return opening(*arguments)

    def work():
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: classifier.predict(TEXTS), range(4)))
        return len(opened) == 1 and all(answer == answers[0] for answer in answers)

    monkeypatch.setattr(_library, "open_classifier", open_slowly)
    assert in_fork(work) == 0
    # As if another thread had held it at the fork.
    with _classifier._opening:
        assert in_fork(work) == 0


def test_a_fork_as_soon_as_a_model_is_open_classifies(model, classifier):
    expected = classifier.predict(TEXTS)

    def fork_at_once():
        opened = Classifier(model, threads=2)
        return in_fork(lambda: opened.predict(TEXTS) == expected) == 0

    # In each child libomp starts anew.
    for _ in range(4):
        assert in_fork(fork_at_once) == 0


def test_the_library_refuses_what_was_opened_before_a_fork(classifier):
    def use():
        classifier._process = os.getpid()
        try:
            classifier.predict(TEXTS)
        except MagicPyramidError as error:
            return "open it again" in str(error)

    classifier.predict(TEXTS)
    assert in_fork(use) == 0


def test_labels_may_hold_any_character(model, tmp_path):
    shutil.copytree(ROOT / "Graphs/dbpedia14", tmp_path / "checkpoint")
    config = json.loads((tmp_path / "checkpoint/config.json").read_text())
    names = {str(i): f"a\x85b\u2028c\x0b{i}" for i in range(14)}
    config["id2label"], config["label2id"] = names, {name: int(i) for i, name in names.items()}
    (tmp_path / "checkpoint/config.json").write_text(json.dumps(config))
    subprocess.run(
        [BIN / "mp-compile", tmp_path / "checkpoint", "-o", tmp_path / "model.mpc", "--quiet"], check=True)
    labels = [answer["label"] for answer in Classifier(tmp_path / "model.mpc").predict(TEXTS)]
    assert len(labels) == 4 and all(label.startswith("a\x85b\u2028c\x0b") for label in labels)


@pytest.mark.parametrize("order", ["import torch, magic_pyramid", "import magic_pyramid, torch"])
def test_pytorch_beside_it_in_one_process(model, order):
    pytest.importorskip("torch")
    code = f"""
{order}
classifier = magic_pyramid.Classifier({str(model)!r})
for _ in range(3):
    assert classifier.predict(["The Bora River is a tributary of the Lotru River."])[0]["label"] == "NaturalPlace"
    x = torch.eye(512) @ torch.ones(512, 512)
    assert float(x.sum()) == 512 * 512
print("both")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0 and ran.stdout == "both\n", ran.stderr


@pytest.mark.parametrize("order", ["intel, ours", "ours, intel"])
def test_intels_openmp_beside_it_where_both_use_that(model, order):
    try:
        files = importlib.metadata.files("intel-openmp")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("Intel's OpenMP is not installed")
    preloaded = next(file.locate() for file in files if file.name == "libiomp5.so")
    code = f"""
import ctypes, magic_pyramid
def intel():
    assert ctypes.CDLL("libiomp5.so").omp_get_max_threads() > 0
def ours():
    classifier = magic_pyramid.Classifier({str(model)!r})
    assert classifier.predict(["The Bora River is a tributary of the Lotru River."])[0]["label"] == "NaturalPlace"
for start in [{order}] * 2:
    start()
print("both")
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "LD_PRELOAD": str(preloaded)})
    assert ran.returncode == 0 and ran.stdout == "both\n", ran.stderr


def test_version():
    assert magic_pyramid.__version__ == magic_pyramid.version() and magic_pyramid.version().count(".") == 2
    assert importlib.metadata.version("magic-pyramid") == magic_pyramid.version()
