// `--precision auto`: which parts of a model may be in int8 or bf16 before its answers to labelled texts get worse than
// they may. Every candidate is compiled and asked, as it would run, policies included; no clock has a say, so that the
// same texts choose the same formats on every machine. int8 goes before bf16, and bf16 before f32: of two formats the
// shorter is taken to be the faster one.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats
import PyramidIR

/// Formats found by texts, part by part.
public struct PrecisionSearch: Sendable {
  /// One part of the model, or several that share their weights.
  public struct Choice: Sendable {
    /// The parts.
    public let parts: [ModelPart]
    /// Their format.
    public internal(set) var precision: Precision
    /// How far scores move, in the mean over texts and classes, when these parts alone are in int8; nil where nobody had
    /// to know.
    public internal(set) var change: Double?
  }

  /// The parts in order.
  public private(set) var choices: [Choice]
  /// What was measured.
  public let record: PrecisionRecord

  /// Searches for a compilation, whose options say for what machine; `texts` come from a file with the checksum
  /// `dataChecksum`. All parts start in int8. Where that loses more than `maxDrop`, parts go to f32, the one whose int8
  /// moves the scores most first, until it does not; then each of them, the least first, goes back to the shortest format
  /// that the bar still has room for. Throws `ComparisonError` for a target that this machine does not run.
  public init(
    _ compilation: Compilation, texts: LabelledDataSet, dataChecksum: String, maxDrop: Double, registry: PolicyRegistry,
    options: ClassifierOptions = .init(), progress: @escaping (String) -> Void = { _ in }
  ) throws {
    var trial = try PrecisionTrial(compilation, texts, registry, options, progress)
    var found = trial.groups.map { Choice(parts: $0, precision: .int8, change: nil) }
    let f32 = try trial.answers(found.map { _ in .f32 })
    func fits(_ precisions: [Precision]) throws -> Bool {
      let quality = try trial.answers(precisions).quality
      // The last digit of a mean is not what the bar is about.
      return f32.quality - quality <= maxDrop + 1e-9
    }
    if try !fits(found.map(\.precision)) {
      for index in found.indices {
        var alone = [Precision](repeating: .f32, count: found.count)
        alone[index] = .int8
        found[index].change = try trial.answers(alone).change(from: f32)
      }
      let worstFirst = found.indices.sorted { (found[$0].change!, $1) > (found[$1].change!, $0) }
      var raised: [Int] = []
      for index in worstFirst where try !fits(found.map(\.precision)) {
        found[index].precision = .f32
        raised.append(index)
      }
      for index in raised.reversed() {
        found[index].precision =
          try [Precision.int8, .bf16].first { shorter in
            var precisions = found.map(\.precision)
            precisions[index] = shorter
            return try fits(precisions)
          } ?? .f32
      }
    }
    choices = found
    record = PrecisionRecord(
      measure: trial.measure.key, dataChecksum: dataChecksum, count: texts.rows.count, maxDrop: maxDrop,
      f32: f32.quality, chosen: try trial.answers(found.map(\.precision)).quality,
      int8: try trial.answers(found.map { _ in .int8 }).quality)
  }

  /// The compilation's options with the formats found.
  public func applied(to options: CompileOptions) -> CompileOptions {
    PrecisionTrial.options(options, choices.map { ($0.parts, $0.precision) })
  }

  /// A row for each part, and what it comes to.
  public var markdown: String {
    let rows = choices.map { choice in
      [
        ModelPart.text(choice.parts), choice.precision.rawValue,
        choice.change.map { $0.isFinite ? decimal($0, 5) : "no number" } ?? "-",
      ]
    }
    return markdownTable([["part", "precision", "int8 here alone moves scores by"]] + rows) + record.line + "\n"
  }
}

/// Candidates, compiled and asked; each once.
private struct PrecisionTrial {
  /// What a candidate answered.
  struct Answers {
    let outcomes: [SampleOutcome]
    /// 0 where the measure is not a number, as with equal answers to all texts, which correlate with nothing.
    let quality: Double

    init(_ outcomes: [SampleOutcome], _ estimate: Estimate) {
      (self.outcomes, quality) = (outcomes, estimate.value.isFinite ? estimate.value : 0)
    }

    /// The mean difference of a score; infinite where one is not a number.
    func change(from other: Answers) -> Double {
      let changes = zip(outcomes, other.outcomes).map { mine, other in
        guard case .value(let a) = mine.answer, case .value(let b) = other.answer else {
          return zip(mine.probabilities, other.probabilities).map { Double(abs($0 - $1)) }.mean
        }
        return abs(a - b)
      }
      return changes.allSatisfy(\.isFinite) ? changes.mean : .infinity
    }
  }

  let groups: [[ModelPart]]
  let measure: Measure
  private let compilation: Compilation
  private let registry: PolicyRegistry
  private let options: ClassifierOptions
  private let progress: (String) -> Void
  private let workload: Workload
  private var known: [String: Answers] = [:]

  private static let batch = 32

  init(
    _ compilation: Compilation, _ texts: LabelledDataSet, _ registry: PolicyRegistry, _ options: ClassifierOptions,
    _ progress: @escaping (String) -> Void
  ) throws {
    let target = compilation.options.target
    guard target.isAllowed else {
      throw ComparisonError("precisions are chosen by answers, and this machine does not run \(target.rawValue)")
    }
    (self.compilation, self.registry, self.options, self.progress) = (compilation, registry, options, progress)
    groups = try compilation.graph().precisionGroups
    var plain = compilation
    plain.options = Self.options(compilation.options, groups.map { ($0, .f32) })
    let classifier = try Classifier(model: ModelSource.compiled(plain), registry: registry, options: options)
    workload = try Workload(texts, classifier: classifier, batch: min(Self.batch, classifier.batchLimits.samples))
    let outcomes = try Self.outcomes(of: classifier, workload)
    let headline = workload.key.quality(outcomes).headline
    measure = headline.measure
    known[try plain.graph().description] = Answers(outcomes, headline)
  }

  static func options(_ options: CompileOptions, _ precisions: [([ModelPart], Precision)]) -> CompileOptions {
    var options = options
    options.partPrecisions = [:]
    for (parts, precision) in precisions {
      for part in parts { options.partPrecisions[part] = precision }
    }
    // What no part is chosen for, and the name of the whole: the shortest that there is.
    options.precision = precisions.map(\.1).max() ?? .f32
    return options
  }

  /// The answers of the candidate that has these formats, one for each group.
  mutating func answers(_ precisions: [Precision]) throws -> Answers {
    var candidate = compilation
    candidate.options = Self.options(compilation.options, Array(zip(groups, precisions)))
    // Formats that come to the same kernels are the same candidate.
    let key = try candidate.graph().description
    if let answers = known[key] { return answers }
    let text = Precision.allCases.reversed().map { precision in
      "\(precisions.count { $0 == precision }) in \(precision.rawValue)"
    }.joined(separator: ", ")
    progress("precisions, candidate \(known.count + 1): of \(groups.count) parts \(text) ...")
    let classifier = try Classifier(model: ModelSource.compiled(candidate), registry: registry, options: options)
    let outcomes = try Self.outcomes(of: classifier, workload)
    let answers = Answers(outcomes, workload.key.quality(outcomes).headline)
    known[key] = answers
    return answers
  }

  private static func outcomes(of classifier: Classifier, _ workload: Workload) throws -> [SampleOutcome] {
    try workload.batchBlocks.flatMap { range in
      try workload.answers(of: classifier, to: range).map { SampleOutcome($0.target, $0.answer) }
    }
  }
}
