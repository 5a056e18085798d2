// The report as one page that needs nothing else: no script, no font, no picture from elsewhere. It shows first what
// people ask first: which policy saves how much for how little. Colours follow the reader's light or dark setting; every
// text has a contrast of 4.5 to 1 or more in both, which Scripts/check-report measures in a browser.

import PyramidFormats

extension ComparisonReport {
  /// The report as a self-contained HTML document without scripts.
  public var html: String {
    let title = "\(text(model)) on \(text(data))"
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(title)</title>
      <style>
      \(Self.style)</style>
      </head>
      <body>
      <main>
      <header>
      <h1>\(title)</h1>
      <p class="lead">\(lead)</p>
      </header>
      \(section("\(headline.heading) and operations", paretoCaption, figure(paretoChart)))
      \(section("What it costs and what it saves", resultsCaption, resultsHTML))
      \(section("Where texts leave", "Share of the texts that left at each place, a bar for each contender\(of(24, numbered.count)).", figure(exitChart)))
      \(section("How long tokens live", "Mean tokens alive when a layer starts, those of texts that had left being gone\(of(9, numbered.count { $0.entry.role != .null })).", figure(survivalChart)))
      \(section("Short and long texts", "\(lengthsSubject) of dense over the contender's.", lengthsHTML))
      \(picturesHTML)\(section("How it was measured", nil, "<ul>" + facts.map { "<li>\($0)</li>" }.joined() + "</ul>"))
      </main>
      </body>
      </html>

      """
  }

  /// Contenders that charts and tables number from 0, dense.
  var numbered: [(number: Int, entry: Entry)] { entries.enumerated().map { ($0.offset, $0.element) } }

  func text(_ string: String) -> String { SVGText.escaped(string.printable(limit: 300)) }

  private func section(_ title: String, _ caption: String?, _ content: String) -> String {
    "<section>\n<h2>\(title)</h2>\n" + (caption.map { "<p>\($0)</p>\n" } ?? "") + "\(content)\n</section>"
  }

  /// What a caption says where a chart shows the first of more contenders.
  private func of(_ shown: Int, _ all: Int) -> String { all > shown ? "; the first \(shown) of \(all)" : "" }

  private func figure(_ svg: String) -> String { "<figure tabindex=\"0\">\n\(svg)</figure>" }

  /// The sentence that most readers came for.
  private var lead: String {
    func candidates(_ verdict: Verdict) -> [Entry] {
      policies.filter { $0.role == .policy && $0.difference?.verdict == verdict }
    }
    // What is proven comes before what is faster.
    let good = candidates(.notWorse).isEmpty ? candidates(.inconclusive) : candidates(.notWorse)
    guard let best = good.max(by: { speed($0) < speed($1) }), let comparison = best.comparison else {
      return "No policy is known to lose less than \(headline.amount(margin)) on these \(samples) texts."
    }
    let loss = best.difference?.interval.value ?? 0
    let amount = (loss > 0 ? "+" : "") + headline.amount(loss) + (headline.isShare ? " of \(headline.name)" : "")
    var sentence =
      "<strong>\(text(best.name))</strong> takes \(decimal(comparison.operations.value, 2))x fewer operations"
    if let latency = comparison.latency, let throughput = comparison.throughput {
      sentence +=
        ", \(decimal(latency.value, 2))x less time a text, and answers \(decimal(throughput.value, 2))x as many texts a second in batches"
    }
    sentence +=
      ", at \(amount) against \(text(best.difference?.against ?? dense.name))"
    let verdict =
      switch best.difference?.verdict {
      case .inconclusive: "; \(samples) texts can't tell whether it loses more than \(headline.text(margin))"
      case .notWorse, .worse, nil: ", no worse by more than \(headline.text(margin))"
      }
    return sentence + verdict + "."
  }

  private func speed(_ entry: Entry) -> Double {
    entry.comparison?.latency?.value ?? entry.comparison?.operations.value ?? 0
  }

  private var resultsCaption: String {
    let against = policies.lazy.compactMap { $0.difference?.against }.first ?? dense.name
    return
      "\(headline.isShare ? "Points" : "Differences") are of \(headline.name) against \(text(against)) on the same texts, "
      + "with 95% intervals; the verdict is about a loss of \(headline.text(margin)). † marks a policy that a null model beats."
      + (dense.timing == nil
        ? ""
        : " Time/op is the speed-up in time over that in operations, the worse of batch 1 and batches of \(batch).")
  }

  /// Other measures, where the headline alone says too little.
  private func further(_ entry: Entry) -> [Estimate] { headline == .accuracy ? [] : entry.answers.quality.further }

  private var resultsHTML: String {
    let times = dense.timing != nil
    var head = ["#", "contender", headline.title, headline.isShare ? "points" : "difference", "verdict", "GFLOP", "x"]
    if times { head += ["p50 ms", "speed-up", "texts/s", "speed-up", "time/op"] }
    head += further(dense).map(\.measure.title)
    head += [likeness.title] + (headline.isShare ? ["p Holm"] : []) + ["mean exit"]
    let rows = numbered.map { number, entry in
      let (answers, comparison) = (entry.answers, entry.comparison)
      let verdict = entry.difference?.verdict
      var cells = [
        "\(number)",
        text(entry.name) + (entry.dominatedBy.map { "<span title=\"beaten by \(text($0))\"> †</span>" } ?? ""),
        answers.quality.headline.text, entry.difference.map { range($0.interval, headline.text) } ?? "",
        verdict.map { "<span class=\"\($0.rawValue)\">\($0.words)</span>" } ?? "", significant(answers.gflop),
        comparison.map { decimal($0.operations.value, 2) } ?? "",
      ]
      if times {
        cells += [
          entry.timing.map { significant($0.latency.p50) } ?? "", comparison?.latency.map { range($0) } ?? "",
          entry.timing.map { significant($0.throughput) } ?? "", comparison?.throughput.map { range($0) } ?? "",
          comparison?.timePerOperationSaved.map { decimal($0, 2) } ?? "",
        ]
      }
      cells += further(entry).map(\.text)
      cells.append(comparison?.likeness.text ?? "")
      if headline.isShare { cells.append(comparison?.mcnemarHolm.map { text(probability($0)) } ?? "") }
      return (
        entry.role.rawValue + (entry.isOnFront ? " front" : ""), cells + [decimal(answers.meanExitLayer, 2)]
      )
    }
    return table(head, rows)
  }

  private var lengthsHTML: String {
    let isShare = headline.isShare
    let head =
      ["#", "contender"]
      + dense.lengths.flatMap {
        isShare ? ["\($0.name) tokens (\($0.count))", "x"] : ["\($0.name) tokens (\($0.count)), x"]
      }
    return table(
      head,
      numbered.map { number, entry in
        (
          entry.role.rawValue,
          ["\(number)", text(entry.name)]
            + entry.lengths.flatMap { bin in
              (isShare ? [bin.accuracy.map { headline.text($0.value) } ?? ""] : [])
                + [bin.operations.map { decimal($0, 2) } ?? ""]
            }
        )
      })
  }

  private var picturesHTML: String {
    guard !pictures.isEmpty else { return "" }
    let figures = pictures.map { figure($0.svg) }.joined(separator: "\n")
    return section(
      "Single texts",
      "Tokens are columns, layers rows from below; a square is a row that was computed"
        + (pictures.contains(where: \.isShaded) ? ", the darker, the higher its score among those of its layer." : "."),
      figures)
      + "\n"
  }

  private func table(_ head: [String], _ rows: [(kind: String, cells: [String])]) -> String {
    let lines = rows.map { kind, cells in
      "<tr class=\"\(kind)\">" + cells.map { "<td>\($0)</td>" }.joined() + "</tr>\n"
    }
    return "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>"
      + head.map { "<th scope=\"col\">\($0)</th>" }.joined() + "</tr></thead>\n<tbody>\n" + lines.joined()
      + "</tbody></table></div>"
  }

  private func range(_ interval: Interval, _ write: (Double) -> String = { decimal($0, 2) }) -> String {
    let ends = [interval.low, interval.high].map(write).joined(separator: ", ")
    return "\(write(interval.value)) <span class=\"range\">[\(ends)]</span>"
  }

  private var facts: [String] {
    var lines = [
      "\(text(machine.cpu)), \(machine.cores) cores; \(machine.threads) threads, \(machine.instructionSet)",
      "\(samples) texts, " + (dense.timing == nil ? "not timed" : "\(repetitions) repetitions, contenders in turns"),
      "\(layers) layers, \(text(checkpoint))", "<code>\(SVGText.escaped(command.printable(limit: 2000)))</code>",
    ]
    for (number, entry) in numbered where number > 0 {
      lines.append(
        "\(number) \(text(entry.name)): exit <code>\(text(entry.exit ?? "none"))</code>, prune "
          + "<code>\(text(entry.prune ?? "none"))</code>")
    }
    return lines + notes.map(text)
  }

  private static let style = """
    :root { color-scheme: light dark; --ground: #f6f6f3; --card: #ffffff; --ink: #15171c; --soft: #4a5260;
      --line: #dcdee3; --policy: #0b57d0; --null: #93470a; --good: #116329; --bad: #a8201a }
    @media (prefers-color-scheme: dark) { :root { --ground: #101216; --card: #191c22; --ink: #eceef2; --soft: #aeb6c2;
      --line: #333944; --policy: #8ab4f8; --null: #f2b36d; --good: #7bd88f; --bad: #ff9a92 } }
    * { box-sizing: border-box }
    body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.55 system-ui, sans-serif }
    main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1rem 4rem }
    h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere }
    h2 { font-size: 1.1rem; margin: 0 0 .25rem }
    p { margin: 0 0 .75rem; color: var(--soft); max-width: 65rem }
    .lead { color: var(--ink); font-size: 1.05rem }
    section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem; margin: 1rem 0 }
    figure, .scroll { margin: 0; overflow-x: auto }
    figure + figure { margin-top: 1rem }
    figure svg { display: block; max-width: 100%; min-width: 640px; height: auto; margin: 0 auto }
    table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums }
    th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
    th { color: var(--soft); font-weight: 600 }
    th:nth-child(2), td:nth-child(2) { text-align: left }
    tr.policy.front td:nth-child(2) { font-weight: 600 }
    tr.policy td:first-child { color: var(--policy); font-weight: 600 }
    tr.null td:first-child { color: var(--null); font-weight: 600 }
    .range { color: var(--soft) } .not-worse { color: var(--good) } .worse { color: var(--bad) }
    .inconclusive { color: var(--soft) }
    ul { margin: 0; padding-left: 1.1rem; color: var(--soft) } li, code { overflow-wrap: anywhere }
    code { font-size: .85em; color: var(--ink) }
    .chart text { font: 12px system-ui, sans-serif; fill: var(--ink) }
    .chart .soft { fill: var(--soft) } .chart .grid { stroke: var(--line); fill: none }
    .chart .policy { fill: var(--policy) } .chart .null { fill: var(--null) } .chart .dense { fill: var(--ink) }
    .chart polyline { fill: none; stroke-width: 2 } .chart polyline.policy { stroke: var(--policy); fill: none }
    .chart polyline.null { stroke: var(--null); fill: none; stroke-dasharray: 5 4 }
    .chart polyline.dense { stroke: var(--ink); fill: none }

    """
}
