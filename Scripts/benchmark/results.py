"""What Scripts/bench measured, read back and checked: the file may have been edited or merged by hand, so whatever the
report divides by or pairs is checked here, and an error names the place."""
import json
from types import SimpleNamespace

OURS = "magic-pyramid"
BASELINE = ("onnxruntime", "f32")  # what others are divided by


class Malformed(Exception):
    """A results file that can't be used, and why."""


class Row(SimpleNamespace):
    """A row of a table: what the file says, and what is compared with what. `setting` is a model with a number of
    threads, `runtime` an engine with a precision; `seconds` has one time per round, and the first, second... rounds of
    rows of one setting are the same rounds."""

    @property
    def setting(self):
        return self.model, self.threads

    @property
    def runtime(self):
        return self.engine, self.precision

    @property
    def is_ours(self):
        return self.engine == OURS

    @property
    def median(self):
        return Spread(self.seconds).median

    def speed(self, other):
        """How many times as fast as `other` this is, by the rounds' ratios: above 1, this is faster."""
        return Spread([b / a for a, b in zip(self.seconds, other.seconds)])


class Spread:
    """The median of at least one value, with the lowest and the highest."""

    def __init__(self, values):
        ordered = sorted(values)
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        self.median, self.low, self.high = low + (high - low) / 2, ordered[0], ordered[-1]


def is_text(value):
    return isinstance(value, str)


def is_count(value):
    return type(value) is int and 0 < value <= 1 << 30


def is_number(value):
    return type(value) is int and 0 <= value <= 1 << 30


def is_positive(value):
    # Beyond any time in seconds or number of operations, and small enough for ratios of two to be drawn.
    return type(value) in (int, float) and 1e-12 <= value <= 1e18


def are_positive(value):
    return isinstance(value, list) and value != [] and all(map(is_positive, value))


def is_interval(value):
    return are_positive(value) and len(value) == 3


def are_texts(value):
    return isinstance(value, dict) and all(map(is_text, value.values()))


def is_list(value):
    return isinstance(value, list)


EXPECTED = {
    is_text: "a string", is_count: "a positive integer", is_number: "an integer of at least 0", is_positive: "a number above 0", is_list: "an array",
    are_positive: "an array of numbers above 0", is_interval: "[value, low, high], all above 0",
    are_texts: "an object of strings"}
TIMED = {"model": is_text, "threads": is_count, "engine": is_text, "precision": is_text, "seconds": are_positive}
# part of the file -> its columns; a part that was not measured may be left out
PARTS = {
    "missing": {"runtime": is_text, "reason": is_text},
    "peak": {"precision": is_text, "instruction": is_text, "threads": is_count, "gflops": is_positive},
    "latency": TIMED | {"tokens": is_count, "operations": is_positive},
    "throughput": TIMED | {"batching": is_text, "sequences": is_count, "padding": is_positive},
    "startup": TIMED | {"peak_mib": are_positive},
    "texts": TIMED | {"texts": is_count, "same": is_number},
    "tokenizer": {
        "model": is_text, "engine": is_text, "how": is_text, "texts": is_count, "tokens": is_count, "same": is_number,
        "seconds": are_positive},
    "memory": {
        "model": is_text, "threads": is_count, "engine": is_text, "precision": is_text, "shapes": are_positive,
        "mib": are_positive},
    "saved": {
        "model": is_text, "threads": is_count, "precision": is_text, "samples": is_count, "batch": is_count,
        "operations": is_positive, "time": is_interval},
    "pyramid": {
        "model": is_text, "threads": is_count, "precision": is_text, "samples": is_count, "batch": is_count,
        "operations": is_positive, "latency": is_interval, "throughput": is_interval},
}


def read(path):
    """The checked content of a results file; raises Malformed, or OSError."""
    with open(path, encoding="utf-8") as file:
        try:
            return check(json.load(file))
        except json.JSONDecodeError as error:
            raise Malformed(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}") from None
        except (Malformed, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"{path}: {error}") from None


def checked(place, table, columns):
    """The members of an object that `columns` names, each of the kind that it says."""
    if not isinstance(table, dict):
        raise Malformed(f"{place}expected an object")
    for key, is_right in columns.items():
        if table.get(key) is None:
            raise Malformed(f"{place}{key}: missing")
        if not is_right(table[key]):
            raise Malformed(f"{place}{key}: expected {EXPECTED[is_right]}, found {json.dumps(table[key])[:80]}")
    return {key: table[key] for key in columns}


def check(file):
    kind = checked("", file, {"format": is_text, "version": is_count})
    if kind != {"format": "magic-pyramid-benchmark", "version": 1}:
        raise Malformed(f"format, version: {kind['format']!r} {kind['version']} is not a file of Scripts/bench")
    results = SimpleNamespace(**checked("", file, {
        "command": is_text, "date": is_text, "machine": are_texts, "versions": are_texts, "notes": is_list}))
    results.notes = [str(note) for note in results.notes]
    for part, columns in PARTS.items():
        rows = checked("", file, {part: is_list})[part] if file.get(part) is not None else []
        make = SimpleNamespace if part == "missing" else Row
        rows = [make(**checked(f"{part}.{index}.", row, columns)) for index, row in enumerate(rows)]
        if part in ("latency", "startup", "texts"):
            check_rounds(part, rows)
        setattr(results, part, rows)
    return results


def check_rounds(part, rows):
    """In each group that is compared all rows have the same rounds."""
    rounds = {}
    for index, row in enumerate(rows):
        group = name_setting(row.setting) + (f", {row.tokens} tokens" if part == "latency" else "")
        expected = rounds.setdefault(group, len(row.seconds))
        if len(row.seconds) != expected:
            raise Malformed(
                f"{part}.{index}.seconds: {len(row.seconds)} rounds, but others of {group} have {expected}")


def name_setting(setting):
    model, threads = setting
    return f"{model}, {threads} thread{'' if threads == 1 else 's'}"


def name_runtime(runtime):
    return " ".join(runtime)
