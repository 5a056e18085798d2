// The report for people: a header that says where the numbers come from, then three tables narrow enough for a
// terminal: answers and operations, wall-clock, and what happened layer by layer.

import PyramidFormats

extension ComparisonReport {
  /// The report as Markdown.
  public var markdown: String {
    """
    # \(inline(model)) on \(inline(data))

    \(header)
    ## Answers and operations

    \(answersTable)
    Accuracy has Wilson's 95% interval; agreement is with dense; p is McNemar's exact test against dense. GFLOP are the
    mean operations of a text, executed (heads, scores and moves included) and by the paper's formula; x is dense
    divided by policy.

    ## Wall-clock

    \(timingTable)
    Latency is milliseconds per text at batch 1, over all texts and repetitions; throughput is texts per second in batches
    of \(batch). Speed-ups are medians of the repetitions' ratios, in brackets with 95% intervals from a bootstrap over
    blocks and repetitions.

    ## Layers

    \(layersTable)
    `exits` counts the texts that left after each layer (at the entry, before the first); `tokens` is the mean number alive
    when it starts, 0 for texts that had left.

    """
  }

  private var entries: [Entry] { [dense] + policies }

  private var header: String {
    var lines = [
      "Machine: \(inline(machine.cpu)), \(counted(machine.cores, "core"))",
      "Run: \(counted(machine.threads, "thread")), \(machine.instructionSet), \(counted(samples, "sample")), "
        + "\(counted(repetitions, "repetition")), interleaved",
      "Model: \(layers) layers, \(checkpoint.prefix(19))",
      "Command: `\(inline(command))`",
    ]
    for entry in policies {
      lines.append("\(inline(entry.name)): exit `\(entry.exit ?? "none")`, prune `\(entry.prune ?? "none")`")
    }
    lines.append(
      "Times are text in, label out; \(significant(tokenizationMicroseconds)) µs per text of them are tokenising")
    lines += notes
    return lines.map { "- \($0)\n" }.joined()
  }

  private var answersTable: String {
    table(["accuracy %", "agreement %", "p", "GFLOP", "x", "paper GFLOP", "x", "mean exit"]) { entry in
      let (answers, comparison) = (entry.answers, entry.comparison)
      return [
        percent(answers.accuracy), comparison.map { decimal(100 * $0.agreement, 2) },
        comparison.map { probability($0.mcnemar) }, significant(answers.gflop),
        comparison.map { decimal($0.operations.value, 2) }, significant(answers.gflopPaper),
        comparison.map { decimal($0.paperOperations.value, 2) }, decimal(answers.meanExitLayer, 2),
      ]
    }
  }

  private var timingTable: String {
    table(["p50 ms", "p95 ms", "p99 ms", "speed-up", "texts/s", "speed-up"]) { entry in
      let (latency, comparison) = (entry.timing.latency, entry.comparison)
      return [
        significant(latency.p50), significant(latency.p95), significant(latency.p99),
        comparison.map { speedUp($0.latency) }, significant(entry.timing.throughput),
        comparison.map { speedUp($0.throughput) },
      ]
    }
  }

  /// A row for each contender under `header`, with cells after its name; nil where dense has nothing to compare.
  private func table(_ header: [String], cells: (Entry) -> [String?]) -> String {
    markdownTable([[""] + header] + entries.map { [$0.name] + cells($0).map { $0 ?? "" } })
  }

  private var layersTable: String {
    // A column for the entry where somebody leaves there.
    let hasEntry = entries.contains { $0.answers.exitHistogram[0] > 0 }
    let layers = dense.answers.tokensAlive.indices.map { "\($0 + 1)" }
    var table = [["layer"] + (hasEntry ? ["entry"] : []) + layers]
    for entry in entries {
      let exits = entry.answers.exitHistogram.dropFirst(hasEntry ? 0 : 1).map { "\($0)" }
      let tokens = entry.answers.tokensAlive.map { decimal($0, 1) }
      table += [["\(entry.name), exits"] + exits, ["\(entry.name), tokens"] + (hasEntry ? [""] : []) + tokens]
    }
    return markdownTable(table)
  }

  private func percent(_ interval: Interval) -> String {
    "\(decimal(100 * interval.value, 2)) [\(decimal(100 * interval.low, 1)), \(decimal(100 * interval.high, 1))]"
  }

  private func speedUp(_ interval: Interval) -> String {
    "\(decimal(interval.value, 2)) [\(decimal(interval.low, 2)), \(decimal(interval.high, 2))]"
  }

  private func counted(_ count: Int, _ noun: String) -> String { count == 1 ? "1 \(noun)" : "\(count) \(noun)s" }

  /// Text from outside for a line of the header: nothing in it ends the line or the code span.
  private func inline(_ text: String) -> String {
    String(String.UnicodeScalarView(text.printable(limit: 2000).unicodeScalars.map { $0 == "`" ? "'" : $0 }))
  }
}
