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
    \(statisticsNote)

    ## Lengths

    \(lengthsTable)
    \(lengthsSubject) of dense over the contender's, for texts of so many tokens.

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
    return table([headline.title, headline.isShare ? "points" : "difference", "verdict", "GFLOP", "x"] + times) {
      entry in
      let (answers, comparison) = (entry.answers, entry.comparison)
      var cells = [
        value(answers.quality.headline), entry.difference.map { difference($0.interval) },
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
    let what = headline.isShare ? "Points are percentage points" : "Differences are those"
    var lines = """
      \(what) of \(headline.name) against \(inline(against)) on the same texts; the verdict is about a loss of \
      \(headline.text(margin)). GFLOP are the mean operations of a text, all that ran; x is dense divided by policy. In \
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
        lines.append("† \(inline(entry.name)): `\(inline(null))` is at least as good for no more operations")
      }
    }
    for entry in policies where entry.role == .policy {
      guard let difference = entry.difference, difference.verdict == .inconclusive else { continue }
      let needed = difference.textsNeeded.map { "about \($0) would" } ?? "more would not help"
      lines.append("\(inline(entry.name)): \(samples) texts can't tell; \(needed)")
    }
    return lines.map { "- \($0)\n" }.joined()
  }

  private var statisticsTable: String {
    let chances = headline.isShare ? ["p", "p Holm", "p first"] : []
    let measures = dense.answers.quality.further.map(\.measure.title) + [likeness.title] + chances
    return table(measures + ["paper GFLOP", "x", "mean exit", "p95 ms", "p99 ms"]) { entry in
      let (answers, comparison) = (entry.answers, entry.comparison)
      let chances = [comparison?.mcnemar, comparison?.mcnemarHolm, comparison?.mcnemarFirst].map { $0.map(probability) }
      let cells = answers.quality.further.map(value) + [comparison?.likeness.text] + (headline.isShare ? chances : [])
      return cells + [
        significant(answers.gflopPaper), comparison.map { decimal($0.paperOperations.value, 2) },
        decimal(answers.meanExitLayer, 2), entry.timing.map { significant($0.latency.p95) },
        entry.timing.map { significant($0.latency.p99) },
      ]
    }
  }

  private var statisticsNote: String {
    let apart = "The mean absolute difference is that of the values from dense's."
    let measures: String
    switch headline {
    case .ndcg: return "nDCG@10 and MRR@10 are means over groups, with bootstraps over groups. \(apart)"
    case .pearson: return "Pearson's interval is Fisher's, a difference's a paired bootstrap's over texts. \(apart)"
    case .subsetAccuracy: measures = "Micro F1 is of all labels together, macro F1 the mean over labels"
    default: measures = "F1 is the mean over classes, MCC the correlation of Matthews"
    }
    return """
      \(measures); agreement is with dense. p is McNemar's exact test against
      dense, Holm's correction is over all rows; "p first" is against the first policy, corrected too.
      """
  }

  /// What the table of lengths holds, before "of dense over the contender's".
  var lengthsSubject: String {
    headline.isShare ? "\(headline.heading) in percent and operations" : "Operations"
  }

  private var lengthsTable: String {
    let isShare = headline.isShare
    let header = dense.lengths.flatMap {
      isShare ? ["\($0.name) (\($0.count))", "x"] : ["\($0.name) (\($0.count)), x"]
    }
    return table(header) { entry in
      entry.lengths.flatMap { bin in
        (isShare ? [bin.accuracy.map { headline.text($0.value) }] : []) + [bin.operations.map { decimal($0, 2) }]
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

  private func value(_ estimate: Estimate) -> String {
    guard let interval = estimate.interval else { return estimate.text }
    let ends = [interval.low, interval.high].map {
      decimal(estimate.measure.scale * $0, estimate.measure.isShare ? 1 : 3)
    }
    return "\(estimate.text) [\(ends[0]), \(ends[1])]"
  }

  private func difference(_ interval: Interval) -> String {
    "\(headline.text(interval.value)) [\(headline.text(interval.low)), \(headline.text(interval.high))]"
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
