"""Makes the report and the chart of a results file of Scripts/bench: first where and how, then which bars are met, then
the tables that this follows from. Needs nothing but Python.

    python3 report.py results.json [--output report.md] [--output latency.svg]      prints the report without --output
"""
import argparse
import os
import sys

from bars import bars, complete, distinct
from chart import chart
from results import BASELINE, Malformed, Spread, name_runtime, name_setting, read
from text import decimal, inline, significant, table


def report(results, chart_name=None):
    """The report as Markdown; `chart_name` is the picture's path as the text shall name it."""
    sections = [f"# Benchmark, {inline(results.date)}\n", header(results), bars_section(results)]
    if results.latency:
        picture = f"![Latency ratios by length]({chart_name})\n\n" if chart_name else ""
        sections.append(f"## Latency, batch 1\n\n{picture}" + by_setting(results.latency, latency, results))
    if results.throughput:
        sections.append("## Throughput on ragged sequences\n\n" + by_setting(results.throughput, throughput, results))
    for part, section in (
            ("texts", texts), ("tokenizer", tokenizer), ("startup", start_up), ("memory", memory), ("pyramid", pyramid),
            ("saved", saved), ("peak", peak)):
        if getattr(results, part):
            sections.append(section(results))
    # A table may be copied without what stands around it: each section says where it was measured.
    return "\n".join(sections[:3] + [located(section, results) for section in sections[3:]])


def cpu(results):
    """The CPU and its features, as far as the file tells."""
    return "; ".join(inline(results.machine[key]) for key in ("CPU", "features") if key in results.machine)


def located(section, results):
    heading, text = section.split("\n", 1)
    return f"{heading}\n\nOn {cpu(results)}, {inline(results.date)}.\n{text}"


def header(results):
    lines = [f"{inline(label)}: {inline(text)}" for label, text in results.machine.items()]
    lines.append("versions: " + ", ".join(f"{inline(label)} {inline(text)}" for label, text in results.versions.items()))
    lines.append(f"command: `{inline(results.command)}`")
    lines += map(inline, results.notes)
    lines += [f"**not measured**: {inline(row.runtime)}: {inline(row.reason)}" for row in results.missing]
    return "".join(f"- {line}\n" for line in lines)


def bars_section(results):
    text = f"## Bars\n\nMet, not met or unknown on this machine: {cpu(results)}.\n\n"
    states = {True: "met", False: "**not met**", None: "unknown"}
    found = bars(results)
    for promise in distinct(bar.promise for bar in found):
        text += f"- {promise}\n" + "".join(
            f"  - {states[bar.is_met]}: {inline(bar.subject)}: {inline(bar.finding)}\n"
            for bar in found if bar.promise == promise)
    return text


def by_setting(rows, section, results):
    return "\n".join(
        f"### {inline(name_setting(setting))}\n\n" + section([row for row in rows if row.setting == setting], results)
        for setting in distinct(row.setting for row in rows))


def bounds(value, low, high):
    return f"{decimal(value, 2)} [{decimal(low, 2)}, {decimal(high, 2)}]"


def ratio(row, baseline):
    if baseline is None:
        return ""
    speed = row.speed(baseline)
    return bounds(speed.median, speed.low, speed.high)


def latency(rows, results):
    lengths = sorted({row.tokens for row in rows})
    times, ratios, rates = ([[title] + [f"{tokens} tokens" for tokens in lengths]] for title in (
        "median ms (ratio)", "lowest and highest ratio", "GFLOP/s (of peak)"))
    cell = {(row.runtime, row.tokens): row for row in reversed(rows)}
    for runtime in distinct(row.runtime for row in rows):
        for rows_of_table in (times, ratios, rates):
            rows_of_table.append([name_runtime(runtime)])
        for tokens in lengths:
            row, baseline = cell.get((runtime, tokens)), cell.get((BASELINE, tokens))
            speed = row.speed(baseline) if row and baseline else None
            times[-1].append(significant(row.median * 1e3) + (f" ({decimal(speed.median, 2)})" if speed else "") if row else "")
            ratios[-1].append(f"{decimal(speed.low, 2)} - {decimal(speed.high, 2)}" if speed else "")
            rates[-1].append(rate(row, results) if row else "")
    return (
        "The median of the rounds' medians; in brackets the median of same-round ratios against "
        f"{name_runtime(BASELINE)}, above 1 is faster.\n\n{table(times)}\n{table(ratios)}\nOperations a second: executed "
        f"ones for magic-pyramid, those of the dense model's products for the others.\n\n{table(rates)}")


def rate(row, results):
    """Operations a second, with the share of the machine's peak at that precision when it was measured."""
    gflops = row.operations / row.median / 1e9
    # int8+bf16 is int8 where it counts: in the products with weights.
    precision = row.precision.split("+")[0]
    peaks = [one for one in results.peak if one.threads == row.threads and one.precision == precision]
    return significant(gflops) + (f" ({decimal(100 * gflops / max(one.gflops for one in peaks), 0)} %)" if peaks else "")


def throughput(rows, results):
    best = []
    for runtime in distinct(row.runtime for row in rows):
        best += sorted((row for row in complete(rows) if row.runtime == runtime), key=lambda row: row.median)[:1]
    baseline = next((row for row in best if row.runtime == BASELINE), None)
    batchings = {row.batching: row for row in reversed(rows)}
    names = distinct(row.batching for row in rows)
    cells = {(row.runtime, row.batching): row for row in reversed(rows)}
    lines = [["sequences/s"] + names + ["ratio of bests"]]
    for row in best:
        measured = [cells.get((row.runtime, name)) for name in names]
        lines.append(
            [name_runtime(row.runtime)] + [significant(one.sequences / one.median) if one else "" for one in measured]
            + [ratio(row, baseline)])
    padding = ", ".join(f"{name} {decimal(batchings[name].padding, 2)}" for name in names)
    return (
        f"{rows[0].sequences} sequences; each runtime's best batching against that of {name_runtime(BASELINE)}. Rows "
        f"computed for each token: {padding}.\n\n{table(lines)}")


def start_up(results):
    lines = [["", "runtime", "ms to the first answer", "ratio", "peak MiB"]]
    baselines = {row.setting: row for row in reversed(results.startup) if row.runtime == BASELINE}
    for row in results.startup:
        times = Spread([second * 1e3 for second in row.seconds])
        lines.append([
            name_setting(row.setting), name_runtime(row.runtime),
            f"{significant(times.median)} [{significant(times.low)}, {significant(times.high)}]",
            ratio(row, baselines.get(row.setting)), significant(Spread(row.peak_mib).median)])
    return (
        "## Start-up and memory\n\nFrom the start of a process to its answer to one text, files in the page cache: "
        "mp-run, and a Python process that\nimports onnxruntime and tokenizers. Memory is the process's highest resident "
        f"size; pages of mapped files count.\n\n{table(lines)}")


def texts(results):
    lines = [["", "runtime", "ms a text", "ratio", "texts/s", "labels as ours in f32"]]
    baselines = {row.setting: row for row in reversed(results.texts) if row.runtime == BASELINE}
    for row in results.texts:
        lines.append([
            name_setting(row.setting), name_runtime(row.runtime), significant(row.median / row.texts * 1e3),
            ratio(row, baselines.get(row.setting)), significant(row.texts / row.median), f"{row.same} of {row.texts}"])
    return (
        "## Text in, label out\n\nWhole models on real texts, one after the other, tokenizer included: ours, and for the "
        f"others Hugging Face's tokenizers.\n\n{table(lines)}")


def tokenizer(results):
    lines = [["", "tokenizer", "tokens/s", "texts/s", "ids as Hugging Face's"]]
    for row in results.tokenizer:
        seconds = Spread(row.seconds).median
        lines.append([
            inline(row.model), f"{inline(row.engine)}, {inline(row.how)}", decimal(row.tokens / seconds, 0),
            decimal(row.texts / seconds, 0), f"{row.same} of {row.texts}"])
    return f"## Tokenizers, one thread\n\n{table(lines)}"


def memory(results):
    stops = sorted({stop for row in results.memory for stop in row.shapes})
    lines = [["", "runtime"] + [f"MiB after {decimal(stop, 0)} shapes" for stop in stops]]
    for row in results.memory:
        found = dict(zip(row.shapes, row.mib))
        lines.append([name_setting(row.setting), name_runtime(row.runtime)] + [
            decimal(found[stop], 1) if stop in found else "" for stop in stops])
    return (
        "## Memory over new shapes\n\nResident size of the process after so many distinct pairs of batch and length; "
        f"peers in Python, ours without.\n\n{table(lines)}")


def saved(results):
    lines = [["", "precision", "texts", "at once", "operations", "time", "share"]]
    for row in results.saved:
        lines.append([
            name_setting(row.setting), row.precision, str(row.samples), str(row.batch), decimal(row.operations, 2),
            bounds(*row.time), decimal(row.time[0] / row.operations, 2)])
    return (
        "## Saved operations, saved time\n\nSpeed-ups over dense of the same precision, texts cut into tokens before the "
        "clock runs, 95% intervals; checkpoints\nwithout an entry. The share is that in time divided by that in executed "
        f"operations.\n\n{table(lines)}")


def pyramid(results):
    lines = [["", "precision", "texts", "operations", "batch 1", "of operations", "in batches", "of operations"]]
    for row in results.pyramid:
        lines.append([
            name_setting(row.setting), row.precision, str(row.samples), decimal(row.operations, 2), bounds(*row.latency),
            decimal(row.latency[0] / row.operations, 2), bounds(*row.throughput),
            decimal(row.throughput[0] / row.operations, 2)])
    batches = ", ".join(map(str, distinct(row.batch for row in results.pyramid)))
    return (
        "## Magic Pyramid against dense\n\nSpeed-ups over this project's dense engine by mp-compare, in brackets with 95% "
        "intervals: executed operations,\nwall-clock at batch 1, and wall-clock in batches of "
        f"{batches}. Decisions stand where a profile of the first texts puts them.\n\n{table(lines)}")


def peak(results):
    rows = [[row.instruction, row.precision, str(row.threads), decimal(row.gflops, 1)] for row in results.peak]
    return f"## The machine's peak\n\n{table([['instruction', 'precision', 'threads', 'GFLOP/s']] + rows)}"


def main():
    parser = argparse.ArgumentParser(prog="report.py", description=__doc__.split(":")[0] + ".")
    parser.add_argument("results", help="results, made by Scripts/bench")
    parser.add_argument(
        "--output", action="append", default=[], metavar="FILE",
        help="write the report (.md) or the chart of latency ratios (.svg) to a file; repeatable")
    options = parser.parse_args()
    for path in options.output:
        if not path.endswith((".md", ".svg")):
            parser.error(f"--output wants a file that ends in .md or .svg, not {path}")
    results = read(options.results)
    picture = chart(results)
    # The Markdown shows the chart that is written along with it, by its name: both are taken to stay in one folder.
    charts = [os.path.basename(path) for path in options.output if path.endswith(".svg") and picture]
    text = report(results, charts[0] if charts else None)
    if not options.output:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    for path in options.output:
        content = text if path.endswith(".md") else picture
        if content is None:
            print(f"{path}: not written, there is no latency against {name_runtime(BASELINE)}", file=sys.stderr)
            continue
        with open(path, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(content)


if __name__ == "__main__":
    try:
        main()
    except (Malformed, OSError) as error:
        sys.exit(f"report: {error}")
