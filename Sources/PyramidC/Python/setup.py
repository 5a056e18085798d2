"""Puts the library into the wheel: the one that MAGIC_PYRAMID_LIBRARY names, or one that is built here with SwiftPM."""

import os
import pathlib
import shutil
import subprocess
import sys

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

NAME = "libmagicpyramid.so"


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        target = pathlib.Path(self.build_lib) / "magic_pyramid"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library(), target / NAME)


class PlatformWheel(bdist_wheel):
    """The library is of this platform, and of no Python in particular."""

    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


def library():
    given = os.environ.get("MAGIC_PYRAMID_LIBRARY")
    if given:
        return given
    if not shutil.which("swift"):
        sys.exit("magic-pyramid: no 'swift' on the PATH; the library is built with a Swift 6.3 toolchain from swift.org "
                 "(or name one that is built already: MAGIC_PYRAMID_LIBRARY=FILE)")
    root = pathlib.Path(__file__).resolve().parents[3]
    command = ["swift", "build", "-c", "release", "--product", "magicpyramid", "-Xswiftc", "-static-stdlib"]
    scratch = ["--scratch-path", str(root / ".build-python")]
    subprocess.run(command + scratch, cwd=root, check=True)
    folder = subprocess.run(
        command[:4] + scratch + ["--show-bin-path"], cwd=root, check=True, capture_output=True, text=True).stdout.strip()
    return pathlib.Path(folder) / NAME


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel})
