// A benchmark's results as Markdown: first where and how, then which bars are met, then the tables that this follows
// from.

import PyramidFormats

/// The report on a benchmark.
public struct BenchmarkReport: Sendable {
  /// What was measured.
  public let results: BenchmarkResults
  /// The picture's path as the Markdown shall name it; nil for no picture.
  public let chartPath: String?

  /// A report on results.
  public init(_ results: BenchmarkResults, chartPath: String? = nil) {
    self.results = results
    self.chartPath = chartPath
  }

  /// The report as Markdown.
  public var markdown: String {
    (["# Benchmark, \(inline(results.date))\n", header, barsSection] + sections).joined(separator: "\n")
  }

  private var header: String {
    var lines = results.machine.map { "\(inline($0.label)): \(inline($0.text))" }
    lines.append(
      "versions: " + results.versions.map { "\(inline($0.label)) \(inline($0.text))" }.joined(separator: ", "))
    lines.append("command: `\(inline(results.command))`")
    lines += results.notes.map(inline)
    lines += results.missing.map { "**not measured**: \(inline($0.label)): \(inline($0.text))" }
    return lines.map { "- \($0)\n" }.joined()
  }

  private var barsSection: String {
    let bars = BenchmarkBar.all(results)
    let groups = distinct(bars.map(\.promise)).map { promise in
      let lines = bars.filter { $0.promise == promise }.map { bar in
        "  - \(bar.state): \(inline(bar.subject)): \(inline(bar.finding))\n"
      }
      return "- \(promise)\n" + lines.joined()
    }
    return "## Bars\n\n" + groups.joined()
  }

  private var sections: [String] {
    var sections: [String] = []
    if !results.latency.isEmpty {
      let picture = chartPath.map { "![Latency ratios by length](\($0))\n\n" } ?? ""
      sections.append(
        "## Latency, batch 1\n\n\(picture)"
          + distinct(results.latency.map(\.setting)).map(latency).joined(separator: "\n"))
    }
    if !results.throughput.isEmpty {
      let tables = distinct(results.throughput.map(\.setting)).map(throughput)
      sections.append("## Throughput on ragged sequences\n\n" + tables.joined(separator: "\n"))
    }
    if !results.startUp.isEmpty { sections.append(startUp) }
    if !results.pyramid.isEmpty { sections.append(pyramid) }
    if !results.peaks.isEmpty { sections.append(peak) }
    return sections
  }

  /// Text from outside for a line of the report: nothing in it ends the line or the code span.
  private func inline(_ text: String) -> String {
    String(String.UnicodeScalarView(text.printable(limit: 2000).unicodeScalars.map { $0 == "`" ? "'" : $0 }))
  }
}

// MARK: Tables

extension BenchmarkReport {
  private func latency(_ setting: BenchmarkResults.Setting) -> String {
    let rows = results.latency.filter { $0.setting == setting }
    let lengths = distinct(rows.map(\.tokens)).sorted()
    let header = lengths.map { "\($0) tokens" }
    var times = MarkdownTable(header: ["median ms (ratio)"] + header)
    var ratios = MarkdownTable(header: ["lowest and highest ratio"] + header)
    var rates = MarkdownTable(header: ["GFLOP/s (of peak)"] + header)
    for runtime in distinct(rows.map(\.runtime)) {
      let cells = lengths.map { tokens -> (time: String, ratio: String, rate: String) in
        guard let row = rows.first(where: { $0.runtime == runtime && $0.tokens == tokens }) else { return ("", "", "") }
        let baseline = rows.first { $0.runtime == .baseline && $0.tokens == tokens }
        let speed = baseline.map { row.speed(against: $0) }
        let ratio = speed.map { " (\(decimal($0.median, 2)))" } ?? ""
        let bounds = speed.map { "\(decimal($0.lowest, 2)) - \(decimal($0.highest, 2))" } ?? ""
        return (significant(row.median * 1e3) + ratio, bounds, rate(row))
      }
      times.append([runtime.name] + cells.map(\.time))
      ratios.append([runtime.name] + cells.map(\.ratio))
      rates.append([runtime.name] + cells.map(\.rate))
    }
    return """
      ### \(inline(setting.name))

      The median of the rounds' medians; in brackets the median of same-round ratios against \
      \(BenchmarkResults.Runtime.baseline.name), above 1 is faster.

      \(times.text)
      \(ratios.text)
      Operations a second: executed ones for magic-pyramid, those of the dense model's products for the others.

      \(rates.text)
      """
  }

  /// Operations a second, with the share of the machine's peak at that precision when it was measured.
  private func rate(_ row: BenchmarkResults.Latency) -> String {
    let gflops = row.operations / row.median / 1e9
    // int8+bf16 is int8 where it counts: in the products with weights.
    let precision = row.runtime.precision.prefix { $0 != "+" }
    let peak = results.peaks.first { $0.threads == row.setting.threads && $0.precision == precision }
    return significant(gflops) + (peak.map { " (\(decimal(100 * gflops / $0.gflops, 0)) %)" } ?? "")
  }

  private func throughput(_ setting: BenchmarkResults.Setting) -> String {
    let rows = results.throughput.filter { $0.setting == setting }
    let best = distinct(rows.map(\.runtime)).compactMap { runtime in
      rows.complete.filter { $0.runtime == runtime }.min { $0.median < $1.median }
    }
    let baseline = best.first { $0.runtime == .baseline }
    let batchings = distinct(rows.map(\.batching))
    var table = MarkdownTable(header: ["sequences/s"] + batchings + ["ratio of bests"])
    for row in best {
      let cells = batchings.map { batching in
        rows.first { $0.runtime == row.runtime && $0.batching == batching }.map {
          significant(Double($0.sequences) / $0.median)
        } ?? ""
      }
      table.append([row.runtime.name] + cells + [baseline.map { bounds(row.speed(against: $0)) } ?? ""])
    }
    let padding = batchings.compactMap { batching in
      rows.first { $0.batching == batching }.map { "\(batching) \(decimal($0.padding, 2))" }
    }
    return """
      ### \(inline(setting.name))

      \(rows[0].sequences) sequences; each runtime's best batching against that of \
      \(BenchmarkResults.Runtime.baseline.name). Rows computed for each token: \(padding.joined(separator: ", ")).

      \(table.text)
      """
  }

  private var startUp: String {
    var table = MarkdownTable(header: ["", "runtime", "ms to the first answer", "ratio", "peak MiB"])
    for row in results.startUp {
      let baseline = results.startUp.first { $0.setting == row.setting && $0.runtime == .baseline }
      let times = Spread(row.seconds.map { $0 * 1e3 })
      table.append([
        row.setting.name, row.runtime.name,
        "\(significant(times.median)) [\(significant(times.lowest)), \(significant(times.highest))]",
        baseline.map { bounds(row.speed(against: $0)) } ?? "", significant(Percentiles(row.peakMiB).median),
      ])
    }
    return """
      ## Start-up and memory

      From the start of a process to its answer to one text, files in the page cache: mp-run, and a Python process that
      imports onnxruntime and tokenizers. Memory is the process's highest resident size; pages of mapped files count.

      \(table.text)
      """
  }

  private var pyramid: String {
    var table = MarkdownTable(header: [
      "", "precision", "texts", "operations", "batch 1", "of operations", "in batches", "of operations",
    ])
    for row in results.pyramid {
      table.append([
        row.setting.name, row.precision, "\(row.samples)", decimal(row.operations, 2), bounds(row.latency),
        decimal(row.latency.value / row.operations, 2), bounds(row.throughput),
        decimal(row.throughput.value / row.operations, 2),
      ])
    }
    return """
      ## Magic Pyramid against dense

      Speed-ups over this project's dense engine by mp-compare, in brackets with 95% intervals: executed operations,
      wall-clock at batch 1, and wall-clock in batches of \
      \(distinct(results.pyramid.map(\.batch)).map(String.init).joined(separator: ", ")). Decisions stand where a \
      profile of the first texts puts them.

      \(table.text)
      """
  }

  private var peak: String {
    var table = MarkdownTable(header: ["instruction", "precision", "threads", "GFLOP/s"])
    for row in results.peaks {
      table.append([row.instruction, row.precision, "\(row.threads)", decimal(row.gflops, 1)])
    }
    return "## The machine's peak\n\n\(table.text)"
  }

  private func bounds(_ spread: Spread) -> String {
    "\(decimal(spread.median, 2)) [\(decimal(spread.lowest, 2)), \(decimal(spread.highest, 2))]"
  }

  private func bounds(_ interval: Interval) -> String {
    "\(decimal(interval.value, 2)) [\(decimal(interval.low, 2)), \(decimal(interval.high, 2))]"
  }
}
