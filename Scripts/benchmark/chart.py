"""Latency by length as a picture: one panel per model and number of threads, one line per runtime, its speed against
ONNX Runtime f32. Both axes are logarithmic, so that twice as fast and half as fast are equally far from 1. Engines differ
in colour, precisions in dashes, and this project's lines are the thick ones."""
import math

from bars import distinct
from results import BASELINE, OURS, name_runtime, name_setting
from text import Drawing, decimal

COLOURS = {OURS: "#ea580c", "onnxruntime": "#475569", "openvino": "#2563eb", "pytorch": "#a21caf"}
DASHES = {"bf16": "7 4", "int8": "2 3", "int8+bf16": "8 3 2 3"}
TITLE = "Batch-1 latency: speed against ONNX Runtime f32, by tokens"
PANEL_WIDTH, PANEL_HEIGHT = 480, 320
LEAST_WIDTH = 600  # what the title needs


def stroke(runtime):
    engine, precision = runtime
    return COLOURS.get(engine, "#0d9488"), 3 if engine == OURS else 1.5, DASHES.get(precision)


def chart(results):
    """The chart of the lengths at which the baseline was measured, too; None when there are none."""
    panels = {setting: lines for setting in distinct(row.setting for row in results.latency)
              if (lines := lines_of([row for row in results.latency if row.setting == setting]))}
    points = [point for lines in panels.values() for line in lines.values() for point in line]
    if not points:
        return None
    lengths, ratios = [tokens for tokens, _ in points], [ratio for _, ratio in points]
    # A single length gets space on both sides; ratios get whole powers of two.
    x_range = (min(lengths), max(lengths)) if min(lengths) < max(lengths) else (lengths[0] / 2, lengths[0] * 2)
    y_range = (2.0 ** min(math.floor(math.log2(min(ratios))), -1), 2.0 ** max(math.ceil(math.log2(max(ratios))), 1))
    runtimes = distinct(runtime for lines in panels.values() for runtime in lines)

    columns = min(len(panels), 2)
    top = 64 + -(-len(runtimes) // (columns * 2)) * 20
    drawing = Drawing(
        max(columns * PANEL_WIDTH, LEAST_WIDTH), top + -(-len(panels) // columns) * PANEL_HEIGHT, TITLE)
    drawing.text(TITLE, 20, 30, 16, "#0f172a", weight=600)
    for index, runtime in enumerate(runtimes):
        x, y = 20 + index % (columns * 2) * (PANEL_WIDTH - 10) / 2, 56 + index // (columns * 2) * 20
        drawing.line([(x, y - 4), (x + 34, y - 4)], *stroke(runtime))
        drawing.text(name_runtime(runtime), x + 42, y, 12, "#334155", weight=700 if runtime[0] == OURS else 400)
    for index, (setting, lines) in enumerate(panels.items()):
        panel = Panel(index % columns * PANEL_WIDTH, top + index // columns * PANEL_HEIGHT, x_range, y_range)
        panel.draw(drawing, name_setting(setting), lines)
    return drawing.svg()


def lines_of(rows):
    """By runtime, the points (tokens, ratio) of its line."""
    baselines = {row.tokens: row for row in reversed(rows) if row.runtime == BASELINE}
    lines = {}
    for row in sorted(rows, key=lambda row: row.tokens):
        if row.tokens in baselines:
            lines.setdefault(row.runtime, []).append((row.tokens, row.speed(baselines[row.tokens]).median))
    return {runtime: lines[runtime] for runtime in distinct(row.runtime for row in rows) if runtime in lines}


class Panel:
    """Where things are in one panel, and their drawing."""

    def __init__(self, left, top, lengths, ratios):
        self.left, self.right, self.top, self.bottom = left + 56, left + PANEL_WIDTH - 24, top + 32, top + PANEL_HEIGHT - 36
        self.lengths, self.ratios = lengths, ratios

    def x(self, tokens):
        return self.left + share(tokens, self.lengths) * (self.right - self.left)

    def y(self, ratio):
        return self.bottom - share(ratio, self.ratios) * (self.bottom - self.top)

    def draw(self, drawing, name, lines):
        drawing.text(name, self.left, self.top - 10, 13, "#0f172a", weight=600)
        ratio = self.ratios[0]
        while ratio <= self.ratios[1]:
            y = self.y(ratio)
            drawing.line([(self.left, y), (self.right, y)], "#94a3b8" if ratio == 1 else "#e2e8f0", 1)
            label = f"1/{decimal(1 / ratio, 0)}x" if ratio < 1 else f"{decimal(ratio, 0)}x"
            drawing.text(label, self.left - 8, y + 4, 11, "#64748b", anchor="end")
            ratio *= 2
        for tokens in sorted({tokens for line in lines.values() for tokens, _ in line}):
            drawing.text(str(tokens), self.x(tokens), self.bottom + 16, 11, "#64748b", anchor="middle")
        # This project's lines come last, on top of the others.
        for runtime in sorted(lines, key=lambda runtime: runtime[0] == OURS):
            colour, width, dashes = stroke(runtime)
            points = [(self.x(tokens), self.y(ratio)) for tokens, ratio in lines[runtime]]
            drawing.line(points, colour, width, dashes)
            for x, y in points:
                drawing.dot(x, y, width, colour)


def share(value, bounds):
    return math.log2(value / bounds[0]) / math.log2(bounds[1] / bounds[0])
