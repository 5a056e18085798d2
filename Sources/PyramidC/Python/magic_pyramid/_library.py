"""The C functions of magic_pyramid.h, as ctypes calls them. Calls release the interpreter's lock."""

from __future__ import annotations

import ctypes
import os
import pathlib
from typing import Any

INTERFACE = 1

_path = os.environ.get("MAGIC_PYRAMID_LIBRARY") or pathlib.Path(__file__).parent / "libmagicpyramid.so"
library = ctypes.CDLL(str(_path))

_pointer, _texts = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]
_error = ctypes.POINTER(ctypes.c_void_p)


def _declare(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(library, "magic_pyramid_" + name)
    function.restype, function.argtypes = result, list(arguments)
    return function


interface = _declare("interface", ctypes.c_int32)
library_version = _declare("version", _pointer)
free = _declare("free", None, _pointer)
open_classifier = _declare("open", _pointer, ctypes.c_char_p, ctypes.c_char_p, _error)
close_classifier = _declare("close", None, _pointer)
describe = _declare("describe", _pointer, _pointer)
classify_json = _declare("classify_json", _pointer, _pointer, *_texts, _error)
classify = _declare("classify", ctypes.c_int32, _pointer, *_texts, *[_pointer] * 5, _error)

if interface() != INTERFACE:
    raise ImportError(f"{_path} has interface {interface()}, this package needs {INTERFACE}")


def take(pointer: int | ctypes.c_void_p) -> str:
    """The text that a function returned, which is freed."""
    try:
        return ctypes.string_at(pointer).decode()
    finally:
        free(pointer)
