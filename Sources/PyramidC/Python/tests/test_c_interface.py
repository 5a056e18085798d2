"""The header and the library from C and from C++: a program that a user of them would write."""

import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import magic_pyramid
from magic_pyramid import _library
from test_magic_pyramid import TEXTS, classifier, model  # noqa: F401  fixtures

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = pathlib.Path(magic_pyramid.__file__).parent / "libmagicpyramid.so"


@pytest.mark.parametrize("language, standard", [("c", "c99"), ("c++", "c++11")])
def test_a_program_against_the_header(classifier, model, tmp_path, language, standard):
    compiler, program = os.environ.get("CC") or shutil.which("cc") or "clang", tmp_path / "classify"
    subprocess.run(
        [compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I",
         HERE.parents[1] / "include", HERE / "classify.c", "-x", "none", LIBRARY, f"-Wl,-rpath,{LIBRARY.parent}", "-o",
         program], check=True)

    def run(*arguments):
        ran = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
        return ran.returncode, ran.stdout.splitlines(), ran.stderr

    code, (first, line, about), errors = run(model, TEXTS[0])
    answer = classifier.predict(TEXTS[:1])[0]
    assert (code, errors) == (0, "") and json.loads(line) == answer and json.loads(about) == classifier.info
    label = classifier.labels.index(answer["label"])
    assert first == f"{label} of {len(classifier.labels)} after layer {answer['exit_layer']}"
    assert run(tmp_path / "none.mpc", "a")[:2] == (1, []) and "no such file" in run(tmp_path / "none.mpc", "a")[2]
    # What is no UTF-8 opens the model and fails at the text.
    assert run(model, b"\xff")[:2] == (1, []) and "not UTF-8" in run(model, b"\xff")[2]
    assert run()[2] == f"{magic_pyramid.version()}: usage: classify MODEL.mpc TEXT\n"


TEXT = b"a text"
OFFSETS = np.array([0, len(TEXT)], np.int64)


@pytest.mark.parametrize("changes, problem", [
    ({"classifier": None}, "the classifier is NULL"),
    ({"offsets": None}, "their offsets are NULL"),
    ({"bytes": None, "offsets": None}, "the offsets are NULL"),
    ({"bytes": None}, "the bytes are NULL"),
    ({"count": -1}, "-1 texts"), ({"count": 2**63 - 1}, "texts, and a call takes"),
    ({"offsets": np.array([0, -1], np.int64)}, "go from 0 to -1"),
    ({"offsets": np.array([3, 2], np.int64)}, "go from 3 to 2"),
    ({"offsets": np.array([-1, 2], np.int64)}, "go from -1 to 2"),
    ({"pair_bytes": TEXT}, "their offsets are NULL"),
    ({"pair_offsets": OFFSETS}, "the bytes are NULL"),
], ids=str)
def test_what_is_wrong_with_the_arguments_is_said(classifier, changes, problem):
    given = {"classifier": classifier._handle, "bytes": TEXT, "offsets": OFFSETS, "count": 1, "pair_bytes": None,
             "pair_offsets": None, **changes}

    def pointer(value):
        return value.ctypes.data if isinstance(value, np.ndarray) else value

    arguments = [ctypes.cast(value, ctypes.c_void_p) if isinstance(value, bytes) else pointer(value) for value in given.values()]
    for function, none, arrays in [(_library.classify_json, None, []), (_library.classify, -1, [None] * 5)]:
        error = ctypes.c_void_p()
        assert function(*arguments, *arrays, ctypes.byref(error)) == none
        assert problem in _library.take(error)
        # Who does not ask is told nothing.
        assert function(*arguments, *arrays, None) == none


def test_a_path_or_an_option_that_is_none_is_said(model):
    for path, options, problem in [
            (None, None, "the path is NULL"), (model, b"{", "options"), (model, b'{"threds": 1}', "threds"),
            (model, b'{"tasks": ["a"]}', "answers one task"), (model, b'{"copy": 1}', "copy")]:
        error = ctypes.c_void_p()
        assert not _library.open_classifier(path and os.fsencode(path), options, ctypes.byref(error))
        assert problem in _library.take(error)
    _library.close_classifier(None)
    _library.free(None)
    assert not _library.describe(None) and _library.library.magic_pyramid_classes(None) == -1


def test_loading_it_changes_nothing_in_the_process():
    program = """
import ctypes, os, sys
def state():
    status = open("/proc/self/status").read().splitlines()
    counts = [len(os.listdir("/proc/self/" + kind)) for kind in ("task", "fd")]
    return counts, [line for line in status if line.startswith("Sig")]
before = state()
ctypes.CDLL(sys.argv[1])
assert state() == before, (before, state())
"""
    ran = subprocess.run([sys.executable, "-c", program, LIBRARY], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
