// The report's JSON shape, which other programs rely on, and its Markdown.

import PyramidFormats
import Testing

@testable import PyramidEvaluation

@Suite("Reports of comparisons")
struct ComparisonReportTests {
  static let expected = [0, 1, 1, 0]
  static let key = Result { try AnswerKey(expected.map { .one($0) }, classes: 2) }

  static func outcome(_ label: Int, exit: Int, _ tokens: [Int], _ operations: Int) -> SampleOutcome {
    SampleOutcome(
      .one(label), exitLayer: exit, tokensAlive: tokens, operations: operations, paperOperations: 2 * operations)
  }

  static let denseOutcomes = expected.map { outcome($0, exit: 2, [10, 10], 4_000_000) }
  static let policyOutcomes = [
    outcome(0, exit: 1, [10], 1_000_000), outcome(1, exit: 2, [10, 4], 2_000_000), outcome(0, exit: 1, [10], 1_000_000),
    outcome(0, exit: 2, [10, 6], 4_000_000),
  ]

  static func measured(_ outcomes: [SampleOutcome], seconds: Double?) -> MeasuredContender {
    var measured = MeasuredContender(repetitions: seconds == nil ? 0 : 1)
    measured.outcomes = outcomes
    if let seconds {
      measured.latencies = [seconds, seconds, seconds, seconds]
      measured.singles[0] = [2 * seconds, 2 * seconds]
      measured.batches[0] = [seconds, seconds]
    }
    return measured
  }

  static func report(name: String = "fast", timed: Bool = true, null: [SampleOutcome]? = nil) throws -> ComparisonReport
  {
    var rows = [
      ComparisonTable.Row(
        name: "dense", role: .dense, exit: nil, prune: nil, measured(denseOutcomes, seconds: timed ? 0.002 : nil)),
      ComparisonTable.Row(
        name: name, role: .policy, exit: "entropy(threshold=0.1)", prune: nil,
        measured(policyOutcomes, seconds: timed ? 0.001 : nil)),
    ]
    if let null {
      rows.append(
        .init(name: "bag", role: .null, exit: "fixed-layer(layer=0)", prune: nil, measured(null, seconds: nil)))
    }
    let entries = try ComparisonTable(rows, key.get(), layers: 2, margin: 0.005).entries
    var report = ComparisonReport(
      command: "mp-compare model", machine: .init(cpu: "A CPU", cores: 2, threads: 1, instructionSet: "avx2"),
      model: "model", checkpoint: "sha256:00", layers: 2, data: "test.tsv", samples: 4, repetitions: timed ? 1 : 0,
      batch: 32, tokenizationMicroseconds: 12, notes: ["A note"], dense: entries[0],
      policies: Array(entries.dropFirst()))
    report.pictures = [
      PyramidPicture(
        tokens: ["[CLS]", "a", "<b>"], alive: [[0, 1, 2], [0]], exitLayer: 2, layers: 2, caption: "One & two")
    ]
    return report
  }

  @Test("A summary takes means over all texts, those that had left included")
  func summary() throws {
    let summary = try AnswerSummary(Self.policyOutcomes, Self.key.get(), layers: 2)
    #expect(summary.quality.value == 0.75)
    #expect(summary.gflop == 0.002)
    #expect(summary.gflopPaper == 0.004)
    #expect(summary.meanExitLayer == 1.5)
    #expect(summary.exitHistogram == [0, 2, 2])
    #expect(summary.tokensAlive == [10, 2.5])
  }

  @Test("The JSON has the members of the design, in plain numbers")
  func json() throws {
    let json = try Self.report().json
    for key in ["machine", "model", "data", "samples", "dense", "policies"] { #expect(json[key] != nil, "\(key)") }
    guard case .array(let policies) = json["policies"], let policy = policies.first else {
      Issue.record("policies is not an array with an element")
      return
    }
    #expect(policy["name"] == "fast")
    #expect(policy["exit"] == "entropy(threshold=0.1)")
    #expect(policy["prune"] == .null)
    #expect(policy["accuracy"] == 0.75)
    #expect(policy["agreement"] == 0.75)
    #expect(policy["speedup_gflop"] == JSONValue(2.0))
    #expect(policy["speedup_gflop_paper"] == JSONValue(2.0))
    #expect(policy["speedup_latency"] == JSONValue(2.0))
    #expect(policy["speedup_throughput_interval"] == [JSONValue(2.0), JSONValue(2.0)])
    #expect(policy["latency_ms"] == ["p50": JSONValue(1.0), "p95": JSONValue(1.0), "p99": JSONValue(1.0)])
    #expect(policy["throughput_per_s"] == JSONValue(2000.0))
    #expect(policy["time_per_operation_saved"] == JSONValue(1.0))
    #expect(policy["accuracy_interval"] != nil && policy["mcnemar_p_holm"] == JSONValue(1.0))
    // One of four texts is lost: F1 of class 0 is 4/5, of class 1 2/3.
    #expect(
      policy["matthews"] == JSONValue(Double(0.5773502691896258))
        && policy["macro_f1"] == JSONValue((0.8 + 2.0 / 3) / 2))
    let difference = policy["difference"]
    #expect(difference?["against"] == "dense" && difference?["estimate"] == JSONValue(-0.25))
    #expect(difference?["verdict"] == "inconclusive" && difference?["low"] != nil && difference?["high"] != nil)
    #expect(json["dense"]?["difference"] == nil && json["null_models"] == [])
    #expect(policy["mean_exit_layer"] == 1.5)
    #expect(policy["exit_histogram"] == [0, 2, 2])
    #expect(policy["tokens_alive"] == [JSONValue(10.0), 2.5])
    #expect(policy["mcnemar_p"] == JSONValue(1.0))
    #expect(json["dense"]?["speedup_latency"] == nil)
    #expect(json["dense"]?["accuracy"] == JSONValue(1.0))
  }

  @Test("The JSON text reads back as the same value")
  func roundTrip() throws {
    let report = try Self.report(name: "odd \"name\" | \u{2028}")
    #expect(try JSONReader.read(Array(report.jsonText.utf8), file: "report.json") == report.json)
  }

  @Test("The Markdown says where, what and how, and its columns are aligned")
  func markdown() throws {
    let text = try Self.report().markdown
    for part in [
      "A CPU, 2 cores", "1 thread, avx2, 4 samples, 1 repetition", "`mp-compare model`", "- A note",
      "fast: exit `entropy(threshold=0.1)`, prune `none`", "2.00 [2.00, 2.00]", "can't tell",
      "fast: 4 texts can't tell",
    ] {
      #expect(text.contains(part), "\(part)")
    }
    var widths: Set<Int> = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("|") {
        widths.insert(line.unicodeScalars.count)
      } else {
        #expect(widths.count <= 1, "lines of one table differ in length")
        widths = []
      }
    }
  }

  @Test("A name can't break its table")
  func hostileName() throws {
    let rows = try Self.report(name: "a | b").markdown.split(separator: "\n").filter { $0.hasPrefix("| a ") }
    #expect(rows.count == 5)
    #expect(rows.allSatisfy { $0.hasPrefix("| a \\| b") })
  }

  @Test("Without times there are no columns of times, and no members")
  func untimed() throws {
    let report = try Self.report(timed: false)
    #expect(report.markdown.contains("not timed") && !report.markdown.contains("p50 ms"))
    #expect(!report.html.contains("p50 ms"))
    guard case .array(let policies) = report.json["policies"] else { return }
    #expect(policies[0]["latency_ms"] == nil && policies[0]["speedup_latency"] == nil)
    #expect(policies[0]["time_per_operation_saved"] == nil && policies[0]["speedup_gflop"] != nil)
  }

  @Test("A policy that a null model beats is marked, and is not on the front")
  func dominated() throws {
    // As accurate as the policy, for less; then less accurate.
    let better = Self.policyOutcomes.map { Self.outcome($0.answer.index, exit: 0, [10], 1000) }
    let worse = better.map { Self.outcome(1 - $0.answer.index, exit: 0, [10], 1000) }
    let (beaten, unbeaten) = (try Self.report(null: better), try Self.report(null: worse))
    #expect(beaten.policies[0].dominatedBy == "bag" && !beaten.policies[0].isOnFront && beaten.policies[1].isOnFront)
    #expect(beaten.policies[1].dominatedBy == nil && beaten.dense.isOnFront)
    #expect(beaten.markdown.contains("| fast † ") && beaten.markdown.contains("`bag` is at least as good"))
    #expect(beaten.html.contains("beaten by bag"))
    #expect(unbeaten.policies[0].dominatedBy == nil && unbeaten.policies[0].isOnFront)
    #expect(!unbeaten.markdown.contains("†"))
    #expect(unbeaten.json["null_models"] != [] && unbeaten.csv.contains("\r\nbag,null,f32,fixed-layer(layer=0),,0.25,"))
  }

  @Test("A difference can be taken against any row, and p-values of several rows are corrected together")
  func baseline() throws {
    let wrong = Self.expected.map { Self.outcome(1 - $0, exit: 1, [10], 1000) }
    let rows = [Self.denseOutcomes, Self.policyOutcomes, wrong].enumerated().map {
      ComparisonTable.Row(
        name: ["dense", "one", "two"][$0.offset], role: $0.offset == 0 ? .dense : .policy, exit: nil, prune: nil,
        Self.measured($0.element, seconds: nil))
    }
    let entries = try ComparisonTable(rows, Self.key.get(), layers: 2, margin: 0.01, baseline: 1).entries
    #expect(entries[1].difference == nil && entries[0].difference?.against == "one")
    #expect(entries[0].difference?.quality.counts == PairedDifference(gained: 1, lost: 0, of: 4))
    let comparison = try #require(entries[2].comparison)
    #expect(abs((comparison.mcnemar ?? 1) - 0.125) < 1e-12 && abs((comparison.mcnemarHolm ?? 1) - 0.25) < 1e-12)
    #expect(abs((comparison.mcnemarFirst ?? 1) - 0.25) < 1e-12)
    #expect(entries[1].comparison?.mcnemarFirst == nil && entries[1].comparison?.mcnemarHolm == 1)
    // A setting that is in no table is in no family of tests; the page is not about the baseline itself.
    var unlisted = rows
    unlisted[2].isListed = false
    let fewer = try ComparisonTable(unlisted, Self.key.get(), layers: 2, margin: 0.01).entries
    #expect(fewer[2].comparison?.mcnemarHolm != entries[2].comparison?.mcnemarHolm)
    var report = try Self.report()
    (report.dense, report.policies) = (entries[0], [entries[1]])
    #expect(report.html.contains("No policy is known to lose less"))
  }

  @Test("Lengths are those of the dense model's tokens, short ones first")
  func lengths() throws {
    let tokens = [10, 40, 35, 500]
    let dense = zip(tokens, Self.expected).map { Self.outcome($1, exit: 2, [$0, $0], 4_000_000) }
    let entries = try ComparisonTable(
      [
        .init(name: "dense", role: .dense, exit: nil, prune: nil, Self.measured(dense, seconds: nil)),
        .init(name: "fast", role: .policy, exit: nil, prune: nil, Self.measured(Self.policyOutcomes, seconds: nil)),
      ], Self.key.get(), layers: 2, margin: 0.01
    ).entries
    #expect(entries[1].lengths.map(\.name) == ["1-35", "36-70", "over 70"])
    #expect(entries[1].lengths.map(\.count) == [2, 1, 1])
    #expect(entries[1].lengths.map { $0.accuracy?.value } == [0.5, 1, 1])
    #expect(entries[1].lengths.map(\.operations) == [4, 2, 1])
  }

  @Test("The CSV has as many fields in each line, quoted where they need it")
  func csv() throws {
    let lines = try Self.report(name: "a, \"b\"").csv.split(separator: "\r\n")
    #expect(lines.count == 3 && lines[2].hasPrefix("\"a, \"\"b\"\"\",policy,f32,entropy(threshold=0.1),,0.75,"))
    #expect(lines[0].split(separator: ",").count == 35)
    #expect(lines[1].utf8.count { $0 == UInt8(ascii: ",") } == 34)
  }

  @Test("The page needs nothing from elsewhere, closes what it opens, and escapes what comes from outside")
  func html() throws {
    let page = try Self.report(name: "<i>&").html
    for forbidden in ["<script", "http://fonts", "https://", "@import", "url(", "<i>"] {
      #expect(!page.contains(forbidden), "\(forbidden)")
    }
    #expect(page.contains("&lt;i&gt;&amp;") && page.contains("One &amp; two"))
    for tag in [
      "html", "head", "body", "main", "section", "figure", "table", "tr", "td", "svg", "p", "ul", "li", "span",
    ] {
      func count(_ pattern: String) -> Int {
        page.split(separator: pattern, omittingEmptySubsequences: false).count - 1
      }
      #expect(count("<\(tag)>") + count("<\(tag) ") == count("</\(tag)>"), "\(tag)")
    }
  }

  @Test("A line of an answer has the members of the design")
  func perSample() throws {
    var outcome = Self.policyOutcomes[1]
    outcome.probabilities = [0.25, 0.75]
    let line = outcome.line(index: 7, policy: "fast", expected: .one(1), labels: ["yes", "no"])
    let value = try JSONReader.read(Array(line.utf8), file: "line")
    #expect(value["index"] == 7 && value["policy"] == "fast" && value["expected"] == "no" && value["label"] == "no")
    #expect(value["exit_layer"] == 2 && value["tokens"] == [10, 4] && value["probabilities"] == [0.25, 0.75])
  }
}
