"""What report.py concludes from a small results file made by hand, and its errors for malformed ones.

    python3 test_report.py
"""
import copy
import unittest

from bars import bars
from chart import chart
from report import report
from results import Malformed, check


def row(engine, precision, seconds, **more):
    return {"model": "m", "threads": 2, "engine": engine, "precision": precision, "seconds": seconds} | more


def latency(engine, precision, tokens, seconds):
    return row(engine, precision, seconds, tokens=tokens, operations=1e9)


def ragged(engine, batching, seconds, precision="f32"):
    return row(engine, precision, seconds, batching=batching, sequences=100, padding=1.25)


def start(engine, seconds):
    return row(engine, "f32", seconds, peak_mib=[50, 60, 55])


# In round 2 the machine was half as fast, which no ratio may show.
FILE = {
    "format": "magic-pyramid-benchmark", "version": 1, "command": "Scripts/bench --quick", "date": "2026-01-02",
    "machine": {"CPU": "A CPU", "features": "avx2 fma"}, "versions": {"onnxruntime": "9.8"}, "notes": ["A note"],
    "missing": [{"runtime": "pytorch f32", "reason": "not installed"}],
    "peak": [{"precision": "f32", "instruction": "fma", "threads": 2, "gflops": 1000}],
    "latency": [
        latency("magic-pyramid", "f32", 8, [0.002, 0.004, 0.002]),
        latency("onnxruntime", "f32", 8, [0.004, 0.008, 0.005]), latency("openvino", "f32", 8, [0.003, 0.006, 0.003]),
        latency("openvino", "int8", 8, [0.001, 0.002, 0.001]),
        latency("onnxruntime", "int8", 8, [0.0015, 0.003, 0.0015]),
        latency("magic-pyramid", "f32", 256, [0.02, 0.04, 0.02]), latency("onnxruntime", "f32", 256, [0.04, 0.08, 0.04]),
        latency("openvino", "f32", 256, [0.04, 0.08, 0.04])],
    "throughput": [
        ragged("magic-pyramid", "packed 32", [1, 2]), ragged("onnxruntime", "single", [2, 4]),
        ragged("onnxruntime", "sorted 16", [1.6, 3.2]), ragged("onnxruntime", "sorted 32", [0.5]),
        ragged("onnxruntime", "single", [3, 6], "int8"), ragged("openvino", "single", [3, 6], "int8")],
    "startup": [start("magic-pyramid", [0.04, 0.05, 0.03]), start("onnxruntime", [0.8, 1, 0.6])],
    "pyramid": [{
        "model": "c", "threads": 2, "precision": "f32", "samples": 64, "batch": 32, "operations": 4,
        "latency": [3.2, 3, 3.4], "throughput": [3.8, 3.5, 4]}],
    "saved": [{
        "model": "c", "threads": 2, "precision": "f32", "samples": 64, "batch": batch, "operations": 4, "time": time}
        for batch, time in ((1, [3.2, 3, 3.4]), (32, [3.8, 3.5, 4]))],
    "texts": [row(engine, "f32", [0.5, 1], texts=100, same=same)
              for engine, same in (("magic-pyramid", 100), ("onnxruntime", 99))],
    "tokenizer": [
        {"model": "c", "engine": "magic-pyramid", "how": "one by one", "texts": 10, "tokens": 300, "same": 9,
         "seconds": [0.001, 0.002, 0.003]}],
    "memory": [
        {"model": "m", "threads": 2, "engine": "onnxruntime", "precision": "f32", "shapes": [50, 1000],
         "mib": [200, 450.25]}],
}


def results(**changes):
    return check(copy.deepcopy(FILE) | changes)


class Bars(unittest.TestCase):
    def bars(self, promise, **changes):
        return [bar for bar in bars(results(**changes)) if bar.promise.startswith(promise)]

    def test_f32_holds_against_the_better_of_both_peers_at_every_length(self):
        [bar] = self.bars("f32, batch 1")
        self.assertIsNone(bar.is_met)  # five lengths of the promise were not measured
        # The square root of 1.5 and 2.
        self.assertEqual(
            bar.finding, "mean 1.73x over lengths 8, 256; lowest 1.50x at 8 tokens (f32 against openvino f32)")

    def test_with_all_lengths_measured_the_mean_decides(self):
        for lead, is_met in ((1.5, True), (1.1, False), (0.9, False)):
            rows = [latency(engine, "f32", tokens, [seconds]) for tokens in (8, 16, 32, 64, 128, 256, 512)
                    for engine, seconds in (("magic-pyramid", 1), ("onnxruntime", lead), ("openvino", lead))]
            self.assertEqual([bar.is_met for bar in self.bars("f32, batch 1", latency=rows)], [is_met])

    def test_bf16_is_held_against_bf16(self):
        rows = [latency(engine, precision, 8, [seconds]) for engine, precision, seconds in (
            ("magic-pyramid", "bf16", 2), ("openvino", "bf16", 3), ("openvino", "int8", 1))]
        [bar] = self.bars("bf16, batch 1", latency=rows)
        self.assertEqual(bar.finding, "mean 1.50x over lengths 8; lowest 1.50x at 8 tokens (bf16 against openvino bf16)")
        [bar] = self.bars("bf16, batch 1", latency=[rows[0], rows[2]])
        self.assertIsNone(bar.is_met)

    def test_the_best_precision_takes_the_fastest_peer(self):
        # At 256 tokens the int8 peers were not measured: nothing can be said.
        self.assertEqual([bar.is_met for bar in self.bars("best precision")], [None])
        [bar] = self.bars("best precision", latency=[row for row in FILE["latency"] if row["tokens"] == 8])
        self.assertIs(bar.is_met, False)
        self.assertEqual(bar.finding, "mean 0.50x over lengths 8; lowest 0.50x at 8 tokens (f32 against openvino int8)")

    def test_a_best_batching_is_one_that_was_measured_in_all_passes(self):
        [bar] = self.bars("ragged")
        self.assertIs(bar.is_met, True)
        self.assertEqual(bar.finding, "1.60x (f32, packed 32, against onnxruntime f32, sorted 16)")

    def test_wall_clock_is_held_against_operations_and_a_start_against_both_conditions(self):
        self.assertEqual([bar.is_met for bar in self.bars("Magic Pyramid")], [False, True])
        self.assertEqual([bar.is_met for bar in self.bars("cold start")], [True])
        self.assertEqual(self.bars("cold start")[0].finding, "40.0 ms, 20.0x faster than onnxruntime f32")

    def test_a_bar_is_met_on_its_limit_and_missed_just_below(self):
        for seconds, is_met in ((1.5, True), (1.49, False)):
            rows = [
                ragged("magic-pyramid", "packed 32", [1, 1]), ragged("onnxruntime", "single", [seconds, seconds]),
                ragged("onnxruntime", "single", [3, 6], "int8"), ragged("openvino", "single", [3, 6], "int8")]
            self.assertEqual([bar.is_met for bar in self.bars("ragged", throughput=rows)], [is_met], seconds)
        for ours, theirs, is_met in ((0.05, 0.5, True), (0.051, 1, False), (0.04, 0.4, True), (0.04, 0.396, False)):
            rows = [start("magic-pyramid", [ours] * 3), start("onnxruntime", [theirs] * 3)]
            self.assertEqual([bar.is_met for bar in self.bars("cold start", startup=rows)], [is_met], (ours, theirs))

    def test_aims_stand_beside_bars_and_that_of_tiles_only_where_there_are_some(self):
        self.assertEqual([bar.is_met for bar in self.bars("aim: ragged")], [False])  # 1.6x
        rows = [latency(engine, "int8", tokens, [seconds]) for tokens in (8, 128, 512)
                for engine, seconds in (("magic-pyramid", 1), ("onnxruntime", 2 if tokens == 128 else 3), ("openvino", 4))]
        self.assertEqual(self.bars("aim with AMX", latency=rows), [])
        tiles = {"CPU": "A CPU", "features": "avx2 amx_tile amx_int8"}
        [aim] = self.bars("aim with AMX", latency=rows, machine=tiles)
        self.assertIs(aim.is_met, True)
        self.assertIn("lengths 128, 512; lowest 2.00x at 128 tokens", aim.finding)
        [aim] = self.bars("aim with AMX", latency=rows[:6], machine=tiles)
        self.assertIsNone(aim.is_met)  # 512 tokens were not measured

    def test_a_bar_whose_peer_is_missing_is_unknown(self):
        rows = [latency("magic-pyramid", "f32", 8, [1]), latency("onnxruntime", "f32", 8, [2])]
        for promise in ("f32, batch 1", "best precision"):
            self.assertEqual([bar.is_met for bar in self.bars(promise, latency=rows)], [None])
        rows = [ragged("magic-pyramid", "packed 32", [1]), ragged("onnxruntime", "single", [9])]
        self.assertEqual([bar.is_met for bar in self.bars("ragged", throughput=rows)], [None])
        rows = [start("magic-pyramid", [0.04, 0.04, 0.04])]
        self.assertEqual([bar.is_met for bar in self.bars("cold start", startup=rows)], [None])


class Text(unittest.TestCase):
    def test_the_report_says_where_what_and_how_and_ratios_are_of_the_same_round(self):
        text = report(results(), "latency.svg")
        for part in (
                "2026-01-02", "CPU: A CPU", "onnxruntime 9.8", "`Scripts/bench --quick`", "- A note",
                "pytorch f32: not installed", "](latency.svg)", "2.00 (2.00)", "2.00 - 2.50", "500 (50 %)",
                "### m, 2 threads", "| fma", "20.00 [20.00, 20.00]",
                "  - **not met**: c, 2 threads, f32, batch 1: 0.80 (3.20x of 4.00x)"):
            self.assertIn(part, text)

    def test_every_section_with_a_table_names_the_cpu_and_bars_say_on_which_machine(self):
        text = report(results())
        sections = text.split("\n## ")[1:]
        self.assertEqual(len(sections), 10)
        self.assertIn("on this machine: A CPU; avx2 fma.", sections[0])
        for section in sections[1:]:
            self.assertIn("\n\nOn A CPU; avx2 fma, 2026-01-02.\n", section)

    def test_whole_texts_tokenizers_memory_and_saved_time_have_a_table_each(self):
        text = report(results())
        for cells in (
                ("m, 2 threads", "magic-pyramid f32", "7.50", "1.00 [1.00, 1.00]", "133", "100 of 100"),
                ("c", "magic-pyramid, one by one", "150000", "5000", "9 of 10"),
                ("m, 2 threads", "onnxruntime f32", "200.0", "450.3"),
                ("c, 2 threads", "f32", "64", "32", "4.00", "3.80 [3.50, 4.00]", "0.95")):
            rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines()]
            self.assertIn(list(cells), rows)

    def test_the_chart_has_a_line_per_runtime_in_each_panel_and_ours_on_top(self):
        lines = chart(results()).splitlines()
        dots = [line for line in lines if line.startswith("<circle")]
        self.assertEqual((lines[-1], len(dots)), ("</svg>", 8))  # a dot for each runtime and length
        self.assertIn("#ea580c", dots[-1])
        self.assertIsNone(chart(results(latency=[latency("magic-pyramid", "f32", 8, [1])])))

    def test_markup_and_line_ends_in_names_stay_text(self):
        hostile = results(latency=[latency("onnxruntime", "f32", 8, [1]), latency("<b>&|\n`", "f32", 8, [1])])
        self.assertIn("&lt;b&gt;&amp;|", chart(hostile))
        rows = [line for line in report(hostile).splitlines() if "<b>&" in line]
        self.assertTrue(rows and all(line.startswith("| <b>&\\|") or "against" in line for line in rows))

    def test_a_file_without_parts_gives_a_report_without_tables(self):
        bare = check({key: FILE[key] for key in ("format", "version", "command", "date", "machine", "versions", "notes")})
        self.assertNotIn("|", report(bare))
        self.assertIsNone(chart(bare))

    def test_a_malformed_file_is_an_error_that_names_the_place(self):
        for key, value, problem in (
                ("format", "other", "format, version: 'other' 1 is not a file of Scripts/bench"),
                ("machine", {"CPU": 3}, 'machine: expected an object of strings, found {"CPU": 3}'),
                ("latency", [latency("e", "f32", 0, [1])], "latency.0.tokens: expected a positive integer, found 0"),
                ("latency", [latency("e", "f32", 8, [])],
                 "latency.0.seconds: expected an array of numbers above 0, found []"),
                ("latency", [latency("e", "f32", 8, [1]), latency("f", "f32", 8, [1, 2])],
                 "latency.1.seconds: 2 rounds, but others of m, 2 threads, 8 tokens have 1"),
                ("pyramid", [{"model": "c"}], "pyramid.0.threads: missing")):
            with self.assertRaises(Malformed) as error:
                results(**{key: value})
            self.assertEqual(str(error.exception), problem)


if __name__ == "__main__":
    unittest.main()
