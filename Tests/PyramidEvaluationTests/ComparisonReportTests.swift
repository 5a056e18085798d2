// The report's JSON shape, which other programs rely on, and its Markdown.

import PyramidFormats
import Testing

@testable import PyramidEvaluation

@Suite("Reports of comparisons")
struct ComparisonReportTests {
  static let expected = [0, 1, 1, 0]

  static func outcome(_ label: Int, exit: Int, _ tokens: [Int], _ operations: Int) -> SampleOutcome {
    SampleOutcome(
      label: label, exitLayer: exit, tokensAlive: tokens, operations: operations, paperOperations: 2 * operations)
  }

  static let denseOutcomes = expected.map { outcome($0, exit: 2, [10, 10], 4_000_000) }
  static let policyOutcomes = [
    outcome(0, exit: 1, [10], 1_000_000), outcome(1, exit: 2, [10, 4], 2_000_000), outcome(0, exit: 1, [10], 1_000_000),
    outcome(0, exit: 2, [10, 6], 4_000_000),
  ]

  static func report(name: String = "fast") -> ComparisonReport {
    let timing = ComparisonReport.Timing(latency: (1.5, 2.5, 3.5), throughput: 640)
    let times = PairedRatio(baseline: [[2, 2]], contender: [[1, 1]])
    let dense = ComparisonReport.Entry(
      name: "dense", exit: nil, prune: nil, answers: AnswerSummary(denseOutcomes, expected: expected, layers: 2),
      timing: timing)
    let policy = ComparisonReport.Entry(
      name: name, exit: "entropy(threshold=0.1)", prune: nil,
      answers: AnswerSummary(policyOutcomes, expected: expected, layers: 2), timing: timing,
      comparison: .init(
        outcomes: policyOutcomes, dense: denseOutcomes, expected: expected, latency: times, throughput: times))
    return ComparisonReport(
      command: "mp-compare model", machine: .init(cpu: "A CPU", cores: 2, threads: 1, instructionSet: "avx2"),
      model: "model", checkpoint: "sha256:00", layers: 2, data: "test.tsv", samples: 4, repetitions: 1, batch: 32,
      tokenizationMicroseconds: 12, notes: ["A note"], dense: dense, policies: [policy])
  }

  @Test("A summary takes means over all texts, those that had left included")
  func summary() {
    let summary = AnswerSummary(Self.policyOutcomes, expected: Self.expected, layers: 2)
    #expect(summary.accuracy.value == 0.75)
    #expect(summary.gflop == 0.002)
    #expect(summary.gflopPaper == 0.004)
    #expect(summary.meanExitLayer == 1.5)
    #expect(summary.exitHistogram == [0, 2, 2])
    #expect(summary.tokensAlive == [10, 2.5])
  }

  @Test("The JSON has the members of the design, in plain numbers")
  func json() throws {
    let json = Self.report().json
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
    #expect(policy["latency_ms"] == ["p50": 1.5, "p95": 2.5, "p99": 3.5])
    #expect(policy["throughput_per_s"] == JSONValue(640.0))
    #expect(policy["mean_exit_layer"] == 1.5)
    #expect(policy["exit_histogram"] == [0, 2, 2])
    #expect(policy["tokens_alive"] == [JSONValue(10.0), 2.5])
    #expect(policy["mcnemar_p"] == JSONValue(1.0))
    #expect(json["dense"]?["speedup_latency"] == nil)
    #expect(json["dense"]?["accuracy"] == JSONValue(1.0))
  }

  @Test("The JSON text reads back as the same value")
  func roundTrip() throws {
    let report = Self.report(name: "odd \"name\" | \u{2028}")
    #expect(try JSONReader.read(Array(report.jsonText.utf8), file: "report.json") == report.json)
  }

  @Test("The Markdown says where, what and how, and its columns are aligned")
  func markdown() {
    let text = Self.report().markdown
    for part in [
      "A CPU, 2 cores", "1 thread, avx2, 4 samples, 1 repetition", "`mp-compare model`", "- A note",
      "fast: exit `entropy(threshold=0.1)`, prune `none`", "2.00 [2.00, 2.00]",
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
  func hostileName() {
    let rows = Self.report(name: "a | b").markdown.split(separator: "\n").filter { $0.hasPrefix("| a ") }
    #expect(rows.count == 4)
    #expect(rows.allSatisfy { $0.hasPrefix("| a \\| b") })
  }
}
