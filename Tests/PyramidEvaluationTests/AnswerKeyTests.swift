// What is said of sets of labels, of numbers and of rankings, against scikit-learn and SciPy: the values were printed by
// `sklearn.metrics.f1_score(T, A, average=..., zero_division=0)`, `accuracy_score`, `ndcg_score([2**r - 1], [s], k=10)` (1.9),
// `scipy.stats.pearsonr(x, y)` with `confidence_interval()`, `spearmanr` and `rankdata` (1.17) on the numbers below.

import PyramidFormats
import Testing

@testable import PyramidEvaluation

private func isClose(_ a: Double, _ b: Double, within tolerance: Double = 1e-12) -> Bool {
  abs(a - b) <= tolerance * max(1, abs(b))
}

private func outcome(_ answer: LabelTarget, operations: Int = 1_000_000) -> SampleOutcome {
  SampleOutcome(answer, exitLayer: 1, tokensAlive: [9], operations: operations, paperOperations: operations)
}

private func outcomes(_ values: [Double]) -> [SampleOutcome] { values.map { outcome(.value($0)) } }

@Suite struct AnswerKeyTests {
  /// Of four labels, the last of which occurs nowhere.
  static let sets = [[0, 1], [2], [], [0], [1, 2], [0, 2]]
  static let answeredSets = [[0], [2], [1], [0, 1], [1, 2], []]
  static let x = [0.5, 2, 2, -1, 3.5, 0.25, 7, 2]
  static let y = [1, 2.5, 2, 0, 3, 0, 4, 1]

  private func value(_ measure: Measure, of quality: Quality) -> Double? {
    ([quality.headline] + quality.further).first { $0.measure == measure }?.value
  }

  @Test func `Sets are right as a whole, and F1 of labels is scikit-learn's`() throws {
    let key = try AnswerKey(Self.sets.map { .several($0) }, classes: 4)
    let quality = key.quality(Self.answeredSets.map { outcome(.several($0)) })
    #expect(quality.headline == Estimate(.subsetAccuracy, LabelStatistics.wilson(successes: 2, of: 6)))
    #expect(value(.microF1, of: quality) == 2.0 / 3 && value(.macroF1, of: quality) == 0.5)
    let difference = key.difference(
      Self.answeredSets.map { outcome(.several($0)) }, from: Self.sets.map { outcome(.several($0)) })
    #expect(difference.counts == PairedDifference(gained: 0, lost: 4, of: 6))
    let nothing = try AnswerKey([.several([])], classes: 1).quality([outcome(.several([]))])
    #expect(nothing.value == 1 && nothing.further.map(\.value) == [0, 0])
  }

  @Test func `Correlations and Fisher's interval are SciPy's, ties sharing their mean rank`() throws {
    let quality = try AnswerKey(Self.y.map { .value($0) }, classes: 1).quality(outcomes(Self.x))
    let pearson = try #require(quality.headline.interval)
    #expect(quality.headline.measure == .pearson && isClose(pearson.value, 0.9207937364696517))
    #expect(isClose(pearson.low, 0.6154805342981574, within: 1e-8))
    #expect(isClose(pearson.high, 0.9858133642089835, within: 1e-8))
    #expect(value(.spearman, of: quality).map { isClose($0, 0.95068973677523) } == true)
    #expect(Correlation.ranks(Self.x) == [3, 5, 5, 1, 7, 2, 8, 5])
    // Too few for an interval; a value that never changes agrees with nothing; what agrees wholly has no doubt.
    #expect(Correlation.pearson([1, 2, 4], [1, 2, 3]).low == -1)
    #expect(Correlation.pearson([2, 2, 2, 2], [1, 2, 3, 4]).value == 0)
    let whole = Correlation.pearson([1, 2, 3, 4], [2, 4, 6, 8])
    #expect(isClose(whole.low, 1) && isClose(whole.value, 1) && whole.high == 1)
    #expect(Correlation.pearson([1e9, 1e9, 2], [1, 2, 3], times: [1, 3, 0]) == 0)
  }

  @Test func `Draws leave a weighted correlation what the drawn pairs themselves give`() {
    let (drawn, weights) = ([0, 0, 3, 4, 6, 6, 6, 7], [2.0, 0, 0, 1, 1, 0, 3, 1])
    let expected = Correlation.pearson(drawn.map { Self.x[$0] }, drawn.map { Self.y[$0] }).value
    #expect(isClose(Correlation.pearson(Self.x, Self.y, times: weights), expected))
  }

  @Test func `A difference of correlations is drawn in pairs, and what is the same has none`() throws {
    var random = SeededRandom(seed: 5)
    let truth = (0..<400).map { _ in Double(random.normal()) }
    let dense = truth.map { $0 + Double(random.normal()) / 2 }
    let nearly = dense.map { $0 + Double(random.normal()) / 50 }
    let key = try AnswerKey(truth.map { .value($0) }, classes: 1)
    let difference = key.difference(outcomes(nearly), from: outcomes(dense))
    let width = difference.interval.high - difference.interval.low
    let single = try #require(key.quality(outcomes(dense)).headline.interval)
    #expect(width > 0 && width < (single.high - single.low) / 10 && difference.counts == nil)
    #expect(difference.verdict(margin: 0.005) == .notWorse)
    #expect(key.difference(outcomes(nearly), from: outcomes(dense)) == difference)
    let same = key.difference(outcomes(dense), from: outcomes(dense))
    #expect(same.interval == Interval(value: 0, low: 0, high: 0) && same.verdict(margin: 0.001) == .notWorse)
    let worse = key.difference(outcomes(truth.map { _ in Double(random.normal()) }), from: outcomes(dense))
    #expect(worse.verdict(margin: 0.005) == .worse)
    // Half as good a margin takes about four times as many texts.
    let needed = [0.02, 0.01].compactMap { worse.textsNeeded(margin: worse.interval.value.magnitude + $0) }
    #expect(needed.count == 2 && abs(Double(needed[1]) / Double(needed[0]) - 4) < 0.1)
  }

  @Test func `Groups are ranked by value, of equal ones the earlier first, and nDCG is scikit-learn's`() throws {
    // Three groups that count, one without a relevant text; the second one's relevant texts come after the first ten.
    let relevances = [
      [3, 0, 1, 2, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2], [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0], [0, 0.5],
    ]
    let values = [
      [0.1, 0.9, 0.5, 0.4, 0.3, 0.2], [Double](repeating: 0, count: 12), (0..<12).map { -Double($0) }, [1, 2],
    ]
    let names = relevances.enumerated().flatMap { group, list in list.map { _ in "group \(group)" } }
    let groups = try RankedGroups(names, relevance: relevances.flatMap { $0 })
    #expect(groups.groups.map(\.count) == [6, 12, 12] && groups.leftOut == 1)
    let found = groups.ranked(values.flatMap { $0 })
    #expect(zip(found.map(\.ndcg), [0.5101288041312236, 0, 0.40085445528847646]).allSatisfy { isClose($0, $1) })
    #expect(found.map(\.reciprocalRank) == [0.5, 0, 0.2])
    let key = try AnswerKey(relevances.joined().map { .value($0) }, classes: 1, groups: names)
    let quality = key.quality(outcomes(values.flatMap { $0 }))
    #expect(quality.headline.measure == .ndcg && isClose(quality.value, (0.5101288041312236 + 0.40085445528847646) / 3))
    #expect(value(.mrr, of: quality).map { isClose($0, 0.7 / 3) } == true && value(.pearson, of: quality) != nil)
    // Three groups are too few for an interval.
    #expect(quality.headline.interval?.low == -1 && quality.headline.interval?.high == 1)
  }

  @Test func `The bootstrap of a mean is as wide as the normal interval`() {
    var random = SeededRandom(seed: 3)
    let values = (0..<500).map { _ in Double(random.normal()) }
    let interval = Bootstrap.interval(of: values.count) { Bootstrap.mean(values, $0) }
    let deviation = values.map { ($0 - values.mean) * ($0 - values.mean) }.mean.squareRoot()
    let half = 1.96 * deviation / Double(values.count).squareRoot()
    #expect(isClose(interval.value, values.mean) && abs((interval.high - interval.low) / (2 * half) - 1) < 0.1)
  }

  @Test(
    arguments: [
      ([1.0, 1], nil, "all labels are the same number"), ([1, -1], ["a", "a"], "-1.0 is no relevance"),
      ([0, 0.5], ["a", "b"], "no group has a relevant text"), ([1, 1000], ["a", "b"], "1000.0 is no relevance"),
    ] as [([Double], [String]?, String)])
  func `Labels that say nothing of answers are refused`(labels: [Double], groups: [String]?, problem: String) {
    let error = #expect(throws: UnfitLabels.self) {
      try AnswerKey(labels.map { .value($0) }, classes: 1, groups: groups)
    }
    #expect(error?.sentence.contains(problem) == true)
  }
}

/// Reports of tasks beside one label of several: every number stands under a name of its own task.
@Suite struct TaskReportTests {
  private func report(_ key: AnswerKey, dense: [LabelTarget], policy: [LabelTarget], margin: Double) -> ComparisonReport
  {
    func row(_ name: String, _ role: ComparisonReport.Role, _ answers: [LabelTarget], _ operations: Int)
      -> ComparisonTable.Row
    {
      var measured = MeasuredContender(repetitions: 0)
      measured.outcomes = answers.map { outcome($0, operations: operations) }
      return .init(name: name, role: role, exit: role == .dense ? nil : "fixed-layer(layer=1)", prune: nil, measured)
    }
    let rows = [
      row("dense", .dense, dense, 4_000_000), row("fast", .policy, policy, 2_000_000),
      row("null", .null, policy, 1_000_000),
    ]
    let entries = ComparisonTable(rows, key, layers: 1, margin: margin).entries
    return ComparisonReport(
      command: "mp-compare model", machine: .init(cpu: "A CPU", cores: 2, threads: 1, instructionSet: "avx2"),
      model: "model", checkpoint: "sha256:00", layers: 1, data: "test.tsv", samples: key.targets.count, repetitions: 0,
      batch: 32, tokenizationMicroseconds: 12, margin: margin, dense: entries[0], policies: Array(entries.dropFirst()))
  }

  private func lines(_ text: String, _ start: String) -> [String] {
    text.split(separator: "\n").filter { $0.hasPrefix(start) }.map(String.init)
  }

  @Test func `A report on several labels speaks of subset accuracy and F1 of labels`() throws {
    let targets = AnswerKeyTests.sets.map { LabelTarget.several($0) }
    let answers = AnswerKeyTests.answeredSets.map { LabelTarget.several($0) }
    let report = report(try AnswerKey(targets, classes: 4), dense: targets, policy: answers, margin: 0.01)
    let rows = lines(report.markdown, "| fast")
    #expect(
      rows[0].split(separator: "|").map { $0.split(separator: " ").joined(separator: " ") } == [
        "fast †", "33.33 [9.7, 70.0]", "-66.67 [-90.32, -1.61]", "worse", "0.00200", "2.00",
      ])
    #expect(
      rows[1].split(separator: "|").map { $0.split(separator: " ").joined(separator: " ") } == [
        "fast †", "66.67", "50.00", "33.33", "0.125", "0.250", "", "0.00200", "2.00", "1.00", "", "",
      ])
    for part in ["subset accuracy %", "micro F1 %", "macro F1 %", "percentage points of subset accuracy against"] {
      #expect(report.markdown.contains(part), "\(part)")
    }
    #expect(report.html.contains("subset accuracy %") && report.html.contains("macro F1 %"))
    #expect(!report.markdown.contains("MCC") && !report.html.contains("| accuracy"))
    #expect(report.csv.contains("subset_accuracy,subset_accuracy_low,subset_accuracy_high,micro_f1,macro_f1,agreement"))
    guard case .array(let policies) = report.json["policies"] else { throw UnfitLabels(sentence: "no policies") }
    #expect(policies[0]["subset_accuracy"] == JSONValue(1.0 / 3) && policies[0]["accuracy"] == nil)
    #expect(policies[0]["micro_f1"] == JSONValue(2.0 / 3) && policies[0]["macro_f1"] == 0.5)
    #expect(policies[0]["mcnemar_p"] == JSONValue(0.125) && policies[0]["matthews"] == nil)
  }

  @Test func `A report on numbers speaks of correlations, and of nothing that is right or wrong`() throws {
    let targets = AnswerKeyTests.y.map { LabelTarget.value($0) }
    let key = try AnswerKey(targets, classes: 1)
    let report = report(
      key, dense: AnswerKeyTests.x.map { .value($0) }, policy: AnswerKeyTests.x.map { .value($0 * $0) }, margin: 0.5)
    let difference = try #require(report.policies[0].difference)
    let rows = lines(report.markdown, "| fast")
    #expect(rows[0].contains(" 0.7780 [0.162, 0.958] ") && rows[0].contains("| -0.1428 ["), "\(rows[0])")
    #expect(rows[1].contains(" 0.9013 ") && rows[1].contains(" 7.40 "), "\(rows[1])")
    #expect(report.policies[0].dominatedBy == "null" && report.markdown.contains("is at least as good"))
    #expect(difference.quality.counts == nil && difference.interval.low < difference.interval.value)
    for text in [report.markdown, report.html] {
      for wrong in ["accura", "points", "McNemar", "p Holm", "agreement", "F1"] {
        #expect(!text.contains(wrong), "\(wrong)")
      }
      #expect(text.contains("Spearman") && text.contains("mean absolute difference"))
    }
    let header = report.csv.prefix { $0 != "\r\n" }
    #expect(
      header.contains("pearson,pearson_low,pearson_high,spearman,mean_absolute_difference,")
        && !header.contains("mcnemar"))
    #expect(Set(report.csv.split(separator: "\r\n").map { $0.utf8.count { $0 == UInt8(ascii: ",") } }).count == 1)
    guard case .array(let policies) = report.json["policies"] else { throw UnfitLabels(sentence: "no policies") }
    #expect(policies[0]["pearson_interval"] != nil && policies[0]["spearman"] != nil)
    for key in ["accuracy", "agreement", "mcnemar_p", "mcnemar_p_holm", "macro_f1"] { #expect(policies[0][key] == nil) }
    guard case .array(let lengths)? = policies[0]["lengths"] else { throw UnfitLabels(sentence: "no lengths") }
    #expect(lengths[0]["accuracy"] == nil && lengths[0]["speedup_gflop"] == JSONValue(2.0))
  }

  @Test func `A line of an answer holds lists of labels, or values`() throws {
    let labels = ["a", "b", "c"]
    let set = outcome(.several([0, 2])).line(index: 0, policy: "p", expected: .several([]), labels: labels)
    let value = outcome(.value(0.25)).line(index: 0, policy: "p", expected: .value(3), labels: labels)
    let (first, second) = (
      try JSONReader.read(Array(set.utf8), file: "line"), try JSONReader.read(Array(value.utf8), file: "line")
    )
    #expect(first["labels"] == ["a", "c"] && first["expected"] == [] && first["label"] == nil)
    #expect(second["value"] == 0.25 && second["expected"] == JSONValue(3.0))
  }
}
