// A comparison as a test makes it: policies on a model and labelled texts, measured once and then asked. An expectation
// that is not met throws, which Swift Testing and XCTest both report; too few texts is an error of another type, since it
// says nothing against the policy.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats
import PyramidPolicy

/// Policies that were run on the same texts as the dense model.
///
/// ```swift
/// let comparison = try PolicyComparison(
///   ["mine: exit=lead(threshold=0.5)", "control: exit=fixed-layer(layer=2)"], types: [Lead.self],
///   model: PyramidFixtures.dbpedia14, texts: PyramidFixtures.dbpedia14Texts)
/// try comparison.expectLoss(of: "mine", atMost: 1)
/// try comparison.expectFewerOperations(of: "mine", than: "control", atEqualLoss: 1)
/// ```
public struct PolicyComparison: Sendable {
  /// What was measured; its `markdown` is the table that a failure prints.
  public let report: ComparisonReport
  private let outcomes: [String: [SampleOutcome]]
  private let key: AnswerKey

  /// How a comparison is run.
  public struct Options: Sendable {
    /// Only the first texts; nil for all.
    public var limit: Int?
    /// Times that everything is timed; 0 for answers and operations only, which takes seconds and is the same each time.
    public var repetitions = 0
    /// Texts in a batch.
    public var batch = 32
    /// Threads to compute with; nil for the machine's.
    public var threads: Int?
    /// Number format that a checkpoint is compiled with.
    public var precision: Precision?
    /// Seeds that a policy which draws at random and names no seed runs under: the contender `random` becomes
    /// `random, seed 1` and so on, and an expectation about `random` is one about each of them.
    public var seeds = 3

    /// The defaults.
    public init() {}
  }

  /// Runs `policies`, each as `mp-compare --policy` takes it, `NAME: exit=SPEC prune=SPEC`, on a checkpoint folder or a
  /// compiled model. `types` are policies that are not built in; `texts` is a file of labelled texts. Throws what reading,
  /// compiling and running throw.
  public init(
    _ policies: [String], types: [any Policy.Type] = [], model: String, texts: String, _ options: Options = Options()
  ) throws {
    let registry = try PolicyRegistry(PolicyCatalogue.registry().all + types.map { try PolicyType($0) })
    var choices = ClassifierOptions()
    (choices.threads, choices.batchSamples) = (options.threads, options.batch)
    let source = try ModelSource(path: model, precision: options.precision, registry: registry, options: choices)
    let list = try ContenderList(
      of: [source], policies.map { try PolicyOption($0) }, seeds: options.seeds, nulls: nil)
    let first = list.contenders[0].classifier
    let rows = try LabelledDataSet(
      path: texts, labels: first.labels, kind: first.task.labelKind, limit: options.limit)
    let workload = try Workload(rows, classifier: first, batch: options.batch)
    var measuring = MeasurementOptions()
    (measuring.repetitions, measuring.isTimed) = (max(options.repetitions, 1), options.repetitions > 0)
    measuring.threads = ThreadCount.choose(requested: options.threads)
    let measurement = try Measurement(list.contenders, workload, measuring)
    report = try ComparisonReport(measurement, source: source, command: "a test", threads: options.threads)
    outcomes = Dictionary(
      uniqueKeysWithValues: zip(measurement.contenders, measurement.measured).map { ($0.name, $1.outcomes) })
    key = workload.key
  }

  // MARK: What may be expected

  /// That a contender is not worse than another by more than so many points (hundredths) of accuracy, or of Pearson's
  /// correlation where answers are numbers, as far as these texts tell: the upper end of the interval of the loss counts,
  /// not the loss that was seen.
  public func expectLoss(
    of name: String, against other: String = "dense", atMost points: Double, confidence: Double = 0.95
  ) throws {
    try forEach(name, other) { name, other in
      let difference = difference(name, other, confidence)
      let interval = difference.interval
      let unit = key.kind == .one ? "points" : "points of \(measure)"
      let seen =
        "\(name) loses \(decimal(-100 * interval.value, 2)) \(unit) against \(other) "
        + "(\(decimal(-100 * interval.high, 2)) to \(decimal(-100 * interval.low, 2))), at most \(points) expected"
      switch difference.verdict(margin: points / 100) {
      case .notWorse: return
      case .worse: throw fails(seen)
      case .inconclusive:
        throw tooFew(seen, difference.textsNeeded(margin: points / 100))
      }
    }
  }

  /// That a contender executes fewer operations than another and is not worse than it by more than so many points.
  public func expectFewerOperations(
    of name: String, than other: String = "dense", atEqualLoss points: Double = 0.5, confidence: Double = 0.95
  ) throws {
    try expectLoss(of: name, against: other, atMost: points, confidence: confidence)
    try forEach(name, other) { name, other in
      let ratio = PairedRatio(baseline: [operations(other)], contender: [operations(name)])
        .interval(confidence: confidence)
      let seen =
        "\(other) executes \(decimal(ratio.value, 2)) times the operations of \(name) "
        + "(\(decimal(ratio.low, 2)) to \(decimal(ratio.high, 2))), more than 1 expected"
      if ratio.high <= 1 { throw fails(seen) }
      if ratio.low <= 1 { throw tooFew(seen, nil) }
    }
  }

  /// That a contender is more accurate than another, a control, by more than chance: McNemar's exact test, or where
  /// answers are numbers the interval of the difference in Pearson's correlation.
  public func expectMoreAccurate(
    _ name: String, than other: String, confidence: Double = 0.95
  ) throws {
    try forEach(name, other) { name, other in
      let difference = difference(name, other, confidence)
      let (seen, isSeen): (String, Bool)
      if let counts = difference.counts {
        seen =
          "\(name) alone is right on \(counts.gained) texts, \(other) alone on \(counts.lost) of "
          + "\(counts.count) (p = \(decimal(counts.mcnemar, 3)))"
        isSeen = counts.mcnemar <= 1 - confidence
      } else {
        let interval = difference.interval
        seen =
          "\(name) has \(decimal(interval.value, 4)) (\(decimal(interval.low, 4)) to \(decimal(interval.high, 4))) more "
          + "of \(measure) than \(other)"
        isSeen = interval.low > 0 || interval.high < 0
      }
      if !isSeen { throw tooFew("\(seen): no difference to be seen", difference.textsNeeded(margin: 0)) }
      if difference.interval.value < 0 {
        throw fails("\(seen): it is \(difference.counts == nil ? "worse" : "less accurate")")
      }
    }
  }

  /// That of the operations saved against dense, at least this share became saved time: speed-up in time over speed-up in
  /// executed operations, the worse of batch 1 and batches. Wants a comparison with `repetitions`.
  public func expectTimeSaved(by name: String, atLeast share: Double) throws {
    try forEach(name, "dense") { name, _ in
      guard let comparison = report.policies.first(where: { $0.name == name })?.comparison,
        let latency = comparison.latency, let throughput = comparison.throughput
      else { throw ComparisonError("\(name) was not timed: give the comparison repetitions") }
      let slower = latency.value < throughput.value ? latency : throughput
      let saved = comparison.operations.value
      let seen =
        "\(name): \(decimal(slower.value, 2)) times as fast as dense (\(decimal(slower.low, 2)) to "
        + "\(decimal(slower.high, 2))) with \(decimal(saved, 2)) times fewer operations, a share of \(share) expected"
      if slower.high < share * saved { throw fails(seen) }
      if slower.low < share * saved { throw tooFew("\(seen); more repetitions may tell", nil) }
    }
  }

  // MARK: Contenders

  /// Every pair of contenders that the names mean: a policy that draws at random has one for each seed.
  private func forEach(_ name: String, _ other: String, _ body: (String, String) throws -> Void) throws {
    for name in try contenders(name) { for other in try contenders(other) { try body(name, other) } }
  }

  private func contenders(_ name: String) throws -> [String] {
    let all = ([report.dense] + report.policies).map(\.name)
    let found = all.filter { $0 == name || $0.starts(with: "\(name), seed ") }
    if found.isEmpty {
      throw ComparisonError("there is no contender '\(name)'; there are \(all.joined(separator: ", "))")
    }
    return found
  }

  private func difference(_ name: String, _ other: String, _ confidence: Double) -> QualityDifference {
    key.difference(outcomes[name] ?? [], from: outcomes[other] ?? [], confidence: confidence)
  }

  private func operations(_ name: String) -> [Double] { (outcomes[name] ?? []).map { Double($0.operations) } }

  private var measure: String { report.dense.answers.quality.headline.measure.name }

  private func fails(_ sentence: String) -> ExpectationFailure {
    ExpectationFailure(sentence: sentence, table: report.markdown)
  }

  private func tooFew(_ sentence: String, _ needed: Int?) -> ExpectationInconclusive {
    ExpectationInconclusive(sentence: sentence, texts: key.targets.count, textsNeeded: needed, table: report.markdown)
  }
}

/// What was expected of a policy is not so, as far as these texts tell.
public struct ExpectationFailure: Error, CustomStringConvertible {
  /// What was seen, and what was expected.
  public let sentence: String
  /// The comparison as Markdown.
  public let table: String

  /// The sentence, then the table.
  public var description: String { "\(sentence)\n\n\(table)" }
}

/// These texts can't tell whether it is so.
public struct ExpectationInconclusive: Error, CustomStringConvertible {
  /// What was seen, and what was expected.
  public let sentence: String
  /// Texts of the comparison.
  public let texts: Int
  /// About how many texts of this kind would tell (with a power of 80%); nil where no number can be named.
  public let textsNeeded: Int?
  /// The comparison as Markdown.
  public let table: String

  /// The sentence, how many texts it takes, then the table.
  public var description: String {
    let needed = textsNeeded.map { ", about \($0) would tell" } ?? ""
    return "inconclusive: \(sentence): \(texts) texts can't tell\(needed)\n\n\(table)"
  }
}
