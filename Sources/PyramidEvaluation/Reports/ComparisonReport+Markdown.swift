// The report for people: a header that says where the numbers come from, then the one table that answers what a policy
// costs and saves, then tables for those who want to know more: statistics, lengths, layers.

import PyramidFormats

extension ComparisonReport {
  /// The report as Markdown.
  public var markdown: String {
    """
    # \(inline(model)) on \(inline(data))

    \(header)
    ## What it costs and what it saves

    \(resultsTable)
    \(resultsNote)
    \(remarks)
    ## Statistics

    \(statisticsTable)
    F1 is the mean over classes, MCC the correlation of Matthews; agreement is with dense. p is McNemar's exact test against
    dense, Holm's correction is over all rows; "p first" is against the first policy, corrected too.

    ## Lengths

    \(lengthsTable)
    Accuracy in percent and operations of dense over the contender's, for texts of so many tokens.

    ## Layers

    \(layersTable)
    `exits` counts the texts that left after each layer (at the entry, before the first); `tokens` is the mean number alive
    when it starts, 0 for texts that had left.

    """
  }

  /// All contenders, dense first.
  var entries: [Entry] { [dense] + policies }

  private var isTimed: Bool { dense.timing != nil }

  /// What each contender is called in tables: with a mark where a null model beats it.
  private func title(_ entry: Entry) -> String { entry.name + (entry.dominatedBy == nil ? "" : " †") }

  private var header: String {
    let runs = isTimed ? "\(counted(repetitions, "repetition")), interleaved" : "not timed"
    var lines = [
      "Machine: \(inline(machine.cpu)), \(counted(machine.cores, "core"))",
      "Run: \(counted(machine.threads, "thread")), \(machine.instructionSet), \(counted(samples, "sample")), \(runs)",
      "Model: \(layers) layers, \(checkpoint.prefix(19))",
      "Command: `\(inline(command))`",
    ]
    for entry in policies where entry.role == .policy {
      lines.append("\(inline(entry.name)): exit `\(entry.exit ?? "none")`, prune `\(entry.prune ?? "none")`")
    }
    if isTimed {
      lines.append(
        "Times are text in, label out; \(significant(tokenizationMicroseconds)) µs per text of them are tokenising")
    }
    lines += notes
    return lines.map { "- \($0)\n" }.joined()
  }

  private var resultsTable: String {
    let times = isTimed ? ["p50 ms", "speed-up", "texts/s", "speed-up", "time/op"] : []
    return table(["accuracy %", "points", "verdict", "GFLOP", "x"] + times) { entry in
      let (answers, comparison) = (entry.answers, entry.comparison)
      var cells = [
        percent(answers.accuracy), entry.difference.map { points($0.interval) },
        entry.difference?.verdict.words, significant(answers.gflop),
        comparison.map { decimal($0.operations.value, 2) },
      ]
      if isTimed {
        cells += [
          entry.timing.map { significant($0.latency.p50) }, comparison?.latency.map(speedUp),
          entry.timing.map { significant($0.throughput) }, comparison?.throughput.map(speedUp),
          comparison?.timePerOperationSaved.map { decimal($0, 2) },
        ]
      }
      return cells
    }
  }

  private var resultsNote: String {
    let against = policies.lazy.compactMap { $0.difference?.against }.first ?? dense.name
    var lines = """
      Points are percentage points of accuracy against \(inline(against)) on the same texts; the verdict is about a loss of \
      \(decimal(100 * margin, 2)). GFLOP are the mean operations of a text, all that ran; x is dense divided by policy. In \
      brackets: 95% intervals.

      """
    if isTimed {
      lines += """
        Milliseconds are of one text at batch 1, texts/s in batches of \(batch). Time/op is the speed-up in time over that in \
        operations, the worse of both: 1 when every saved operation is saved time.

        """
    }
    return lines
  }

  /// Marks and open verdicts, spelt out.
  private var remarks: String {
    var lines: [String] = []
    for entry in policies {
      if let null = entry.dominatedBy {
        lines.append("† \(inline(entry.name)): `\(inline(null))` is at least as accurate for no more operations")
      }
    }
    for entry in policies where entry.role == .policy {
      guard let difference = entry.difference, difference.verdict == .inconclusive else { continue }
      let needed = difference.counts.textsNeeded(margin: margin).map { "about \($0) would" } ?? "more would not help"
      lines.append("\(inline(entry.name)): \(samples) texts can't tell; \(needed)")
    }
    return lines.map { "- \($0)\n" }.joined()
  }

  private var statisticsTable: String {
    table(["F1 %", "MCC", "agreement %", "p", "p Holm", "p first", "paper GFLOP", "x", "mean exit", "p95 ms", "p99 ms"])
    {
      entry in
      let (answers, comparison) = (entry.answers, entry.comparison)
      return [
        decimal(100 * answers.macroF1, 2), decimal(answers.matthews, 3),
        comparison.map { decimal(100 * $0.agreement, 2) }, comparison.map { probability($0.mcnemar) },
        comparison.map { probability($0.mcnemarHolm) }, comparison?.mcnemarFirst.map(probability),
        significant(answers.gflopPaper), comparison.map { decimal($0.paperOperations.value, 2) },
        decimal(answers.meanExitLayer, 2), entry.timing.map { significant($0.latency.p95) },
        entry.timing.map { significant($0.latency.p99) },
      ]
    }
  }

  private var lengthsTable: String {
    let header = dense.lengths.flatMap { ["\($0.name) (\($0.count))", "x"] }
    return table(header) { entry in
      entry.lengths.flatMap { bin in
        [bin.accuracy.map { decimal(100 * $0.value, 2) }, bin.operations.map { decimal($0, 2) }]
      }
    }
  }

  /// A row for each contender under `header`, with cells after its name; nil where there is nothing to say.
  private func table(_ header: [String], cells: (Entry) -> [String?]) -> String {
    markdownTable([[""] + header] + entries.map { [title($0)] + cells($0).map { $0 ?? "" } })
  }

  private var layersTable: String {
    // A column for the entry where somebody leaves there.
    let hasEntry = entries.contains { $0.answers.exitHistogram[0] > 0 }
    let layers = dense.answers.tokensAlive.indices.map { "\($0 + 1)" }
    var table = [["layer"] + (hasEntry ? ["entry"] : []) + layers]
    for entry in entries where entry.role != .null {
      let exits = entry.answers.exitHistogram.dropFirst(hasEntry ? 0 : 1).map { "\($0)" }
      let tokens = entry.answers.tokensAlive.map { decimal($0, 1) }
      table += [["\(entry.name), exits"] + exits, ["\(entry.name), tokens"] + (hasEntry ? [""] : []) + tokens]
    }
    return markdownTable(table)
  }

  private func percent(_ interval: Interval) -> String {
    "\(decimal(100 * interval.value, 2)) [\(decimal(100 * interval.low, 1)), \(decimal(100 * interval.high, 1))]"
  }

  private func points(_ interval: Interval) -> String {
    "\(decimal(100 * interval.value, 2)) [\(decimal(100 * interval.low, 2)), \(decimal(100 * interval.high, 2))]"
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

extension Verdict {
  /// The verdict for people.
  var words: String {
    switch self {
    case .notWorse: "not worse"
    case .worse: "worse"
    case .inconclusive: "can't tell"
    }
  }
}
