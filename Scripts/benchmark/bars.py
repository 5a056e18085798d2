"""The bars and aims that the project set itself, held against a benchmark. Separate from the report's tables because
here it is decided what counts as met: everything from medians of same-round ratios, against each peer by itself, the
hardest of them counting."""
import math
from types import SimpleNamespace

from results import BASELINE, name_runtime, name_setting
from text import decimal

LENGTHS = [8, 16, 32, 64, 128, 256, 512]  # those that the promises speak of


def bars(results):
    """All promises on all that was measured. `is_met` is None where the benchmark can't say."""
    return (
        same_precision(results, "f32", {BASELINE, ("openvino", "f32")})
        + same_precision(results, "bf16", {("openvino", "bf16")}) + best_precision(results) + aim_of_tiles(results)
        + ragged(results, 1.5, "ragged throughput, best precision: at least 1.5x the best peer at its best batching")
        + ragged(results, 2, "aim: ragged throughput, best precision: at least 2x the best peer at its best batching")
        + pyramid(results) + start(results))


def bar(promise, subject, finding="a runtime is missing", is_met=None):
    return SimpleNamespace(promise=promise, subject=subject, finding=finding, is_met=is_met)


def distinct(values):
    return list(dict.fromkeys(values))


def complete(rows):
    """Rows that were measured in all rounds: those that may count as a runtime's best."""
    rounds = max((len(row.seconds) for row in rows), default=0)
    return [row for row in rows if len(row.seconds) == rounds]


def standing(rows, peers):
    """The row of ours whose least lead over the peers is largest, with that peer and the lead; None without either."""
    leads = [min(((row.speed(peer), row, peer) for peer in peers), key=lambda lead: lead[0].median)
             for row in rows if row.is_ours and peers]
    return max(leads, key=lambda lead: lead[0].median, default=None)


def best_peers(rows):
    """All peers, if one may speak of the best: those at int8 are known to be the fastest, so that a lead over the
    others alone means nothing."""
    runtimes = {row.runtime for row in rows}
    return [row for row in rows if not row.is_ours] if {
        ("onnxruntime", "int8"), ("openvino", "int8")} <= runtimes else []


def same_precision(results, precision, known):
    """Against the best peer of a precision; one may speak of the best if those that are known to be it were measured."""
    def peers(rows):
        return [row for row in rows if not row.is_ours] if known <= {row.runtime for row in rows} else []

    return length_bars(
        f"{precision}, batch 1: at least 1.0x the best {precision} peer at every length, geometric mean 1.15x",
        [row for row in results.latency if row.precision == precision], LENGTHS, 1.15, peers)


def best_precision(results):
    return length_bars(
        "best precision, batch 1: at least 1.0x the best peer at any precision at every length, geometric mean 1.25x",
        results.latency, LENGTHS, 1.25, best_peers)


def aim_of_tiles(results):
    if "amx_int8" not in results.machine.get("features", "").split():
        return []
    lengths = [128, 512]
    return length_bars(
        "aim with AMX: best precision, batch 1: at least 2x the best peer at any precision at 128 and 512 tokens",
        [row for row in results.latency if row.tokens in lengths], lengths, 2, best_peers, least=2)


def length_bars(promise, rows, lengths, least_mean, pick_peers, least=1):
    """One bar per setting over all lengths in `rows`, which is met only if these hold all of `lengths`."""
    found = []
    for setting in distinct(row.setting for row in rows):
        measured = sorted({row.tokens for row in rows if row.setting == setting})
        at_length = [[row for row in rows if row.setting == setting and row.tokens == tokens] for tokens in measured]
        standings = [standing(rows, pick_peers(rows)) for rows in at_length]
        if None in standings:
            found.append(bar(promise, name_setting(setting)))
            continue
        leads = [speed.median for speed, _, _ in standings]
        mean = math.exp(sum(math.log(lead) for lead in leads) / len(leads))
        speed, ours, peer = min(standings, key=lambda one: one[0].median)
        finding = (
            f"mean {decimal(mean, 2)}x over lengths {', '.join(map(str, measured))}; lowest {decimal(speed.median, 2)}x "
            f"at {ours.tokens} tokens ({ours.precision} against {name_runtime(peer.runtime)})")
        is_met = False if speed.median < least else mean >= least_mean if set(lengths) <= set(measured) else None
        found.append(bar(promise, name_setting(setting), finding, is_met))
    return found


def ragged(results, least, promise):
    found = []
    for setting in distinct(row.setting for row in results.throughput):
        rows = complete([row for row in results.throughput if row.setting == setting])
        found.append(bar(promise, name_setting(setting)))
        if best := standing(rows, best_peers(rows)):
            speed, ours, peer = best
            found[-1].finding = (
                f"{decimal(speed.median, 2)}x ({ours.precision}, {ours.batching}, against {name_runtime(peer.runtime)}, "
                f"{peer.batching})")
            found[-1].is_met = speed.median >= least
    return found


def pyramid(results):
    return [
        bar("Magic Pyramid: wall-clock speed-up, tokenisation excluded, at least 0.9 of that in executed operations, "
            "batch 1 and 32",
            f"{name_setting((row.model, row.threads))}, {row.precision}, batch {row.batch}",
            f"{decimal(row.time[0] / row.operations, 2)} ({decimal(row.time[0], 2)}x of {decimal(row.operations, 2)}x)",
            row.time[0] / row.operations >= 0.9 if row.batch in (1, 32) else None)
        for row in results.saved]


def start(results):
    """Each precision of ours against ONNX Runtime at the same, or else at f32."""
    found = []
    for ours in (row for row in results.startup if row.is_ours):
        peers = {
            row.precision: row for row in reversed(results.startup)
            if row.setting == ours.setting and row.engine == BASELINE[0]}
        peer = peers.get(ours.precision) or peers.get(BASELINE[1])
        milliseconds = ours.median * 1e3
        found.append(bar(
            "cold start: at most 50 ms, and at least 10x faster than ONNX Runtime",
            f"{name_setting(ours.setting)}, {ours.precision}", f"{decimal(milliseconds, 1)} ms",
            None if milliseconds <= 50 else False))
        if peer:
            speed = ours.speed(peer).median
            found[-1].finding += f", {decimal(speed, 1)}x faster than {name_runtime(peer.runtime)}"
            found[-1].is_met = milliseconds <= 50 and speed >= 10
    return found
