"""Numbers, tables and drawings as text, for the report and the chart. The one place that escapes."""
import math
import unicodedata


def decimal(value, decimals):
    """A number with fixed decimals, halves rounded away from zero, as the tools print them."""
    if not math.isfinite(value) or abs(value) >= 1e9:
        return "-"
    exact = abs(value) * 10 ** decimals
    scaled = math.floor(exact)
    scaled += exact - scaled >= 0.5
    whole, fraction = divmod(scaled, 10 ** decimals)
    return ("-" if value < 0 < scaled else "") + (f"{whole}.{fraction:0{decimals}}" if decimals else str(whole))


def significant(value):
    """A number with enough decimals to show three digits of it, at most six of them."""
    return decimal(value, next((n for n in range(6) if abs(value) >= [100, 10, 1, 0.1, 0.01, 0.001][n]), 6))


def inline(text):
    """Text from outside for a line of the report: nothing in it ends the line or the code span."""
    shown = "".join(
        f"\\u{{{ord(c):x}}}" if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp") else c
        for c in text[:2000])
    return (shown + ("..." if len(text) > 2000 else "")).replace("`", "'")


def table(rows):
    """Rows of cells, of which the first is the header, as Markdown that reads as a table in a terminal, too: columns
    are padded to their widest cell, the first is text, aligned left, and the others are numbers, aligned right."""
    rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "| " + " | ".join(f"{cell:{'>' if column else '<'}{width}}"
                          for column, (cell, width) in enumerate(zip(row, widths))) + " |" for row in rows]
    rule = [f"{'-' * (width + 1)}:" if column else f":{'-' * (width + 1)}" for column, width in enumerate(widths)]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|"] + lines[1:]) + "\n"


class Drawing:
    """An SVG document in the making, with a white ground; numbers are pixels."""

    def __init__(self, width, height, title):
        w, h = decimal(width, 0), decimal(height, 0)
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" '
            "font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\">",
            f"<title>{escaped(title)}</title>", '<rect width="100%" height="100%" fill="#ffffff"/>']

    def line(self, points, colour, width, dashes=None):
        places = " ".join(f"{decimal(x, 1)},{decimal(y, 1)}" for x, y in points)
        self.parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{decimal(width, 1)}" '
            f'stroke-linejoin="round"' + (f' stroke-dasharray="{dashes}"' if dashes else "") + "/>")

    def dot(self, x, y, radius, fill):
        self.parts.append(
            f'<circle cx="{decimal(x, 1)}" cy="{decimal(y, 1)}" r="{decimal(radius, 1)}" fill="{fill}"/>')

    def text(self, string, x, y, size, colour, weight=400, anchor="start"):
        self.parts.append(
            f'<text x="{decimal(x, 1)}" y="{decimal(y, 1)}" font-size="{decimal(size, 1)}" fill="{colour}"'
            + (f' font-weight="{weight}"' if weight != 400 else "")
            + (f' text-anchor="{anchor}"' if anchor != "start" else "") + f">{escaped(string)}</text>")

    def svg(self):
        return "\n".join(self.parts) + "\n</svg>\n"


def escaped(string):
    """Text with XML's five special characters escaped and what XML 1.0 can't hold replaced by U+FFFD."""
    special = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\t": " ", "\n": " ", "\r": " "}
    return "".join(
        special.get(c) or ("\ufffd" if c < " " or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff" or
                           c in "\ufffe\uffff" else c) for c in string)
