"""The header and the library from C and from C++: a program that a user of them would write."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import magic_pyramid
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
