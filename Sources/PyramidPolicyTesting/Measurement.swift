// The measuring itself. One untimed run gives the answers and warms everything up; then each repetition takes all texts
// one by one, and again in batches, and on every block all contenders take their turn, a different one first each time.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats

/// What was measured: answers and times of all contenders on one workload.
public struct Measurement: Sendable {
  /// The contenders, dense first.
  public let contenders: [Contender]
  /// What they were given.
  public let workload: Workload
  /// Times that everything was measured.
  public let repetitions: Int
  /// Answers and times of each contender.
  public private(set) var measured: [MeasuredContender]
  private let progress: @Sendable (String) -> Void
  private let clock = ContinuousClock()

  /// Measures, at least one contender and one repetition; `progress` is told what is being done. Throws what
  /// classifying throws.
  public init(
    _ contenders: [Contender], _ workload: Workload, repetitions: Int,
    progress: @escaping @Sendable (String) -> Void = { _ in }
  ) throws {
    self.contenders = contenders
    self.workload = workload
    self.repetitions = repetitions
    self.progress = progress
    measured = contenders.map { _ in MeasuredContender(repetitions: repetitions) }
    for index in contenders.indices { measured[index].outcomes = try answers(of: contenders[index]) }
    for repetition in 0..<repetitions {
      try measureSingles(repetition)
      try measureBatches(repetition)
    }
  }

  private func answers(of contender: Contender) throws -> [SampleOutcome] {
    progress("answers of \(contender.name) ...")
    for text in workload.texts.prefix(8) { _ = try contender.classifier.classify(rows: [text]) }
    return try workload.batchBlocks.flatMap { range in
      try contender.classifier.classify(rows: workload.texts[range]).map { SampleOutcome($0) }
    }
  }

  private mutating func measureSingles(_ repetition: Int) throws {
    for (block, range) in workload.singleBlocks.enumerated() {
      report("one by one", repetition, range.lowerBound)
      for contender in turns(repetition + block) {
        let times = try range.map { try seconds(of: contender, workload.texts[$0...$0]) }
        measured[contender].latencies += times
        measured[contender].singles[repetition].append(times.reduce(0, +))
      }
    }
  }

  private mutating func measureBatches(_ repetition: Int) throws {
    for (block, range) in workload.batchBlocks.enumerated() {
      report("in batches", repetition, range.lowerBound)
      for contender in turns(repetition + block) {
        measured[contender].batches[repetition].append(try seconds(of: contender, workload.texts[range]))
      }
    }
  }

  /// Text in, label out.
  private func seconds(of contender: Int, _ rows: ArraySlice<LabelledDataSet.Row>) throws -> Double {
    let classifier = contenders[contender].classifier
    return try clock.measure { _ = try classifier.classify(rows: rows) } / .seconds(1)
  }

  /// All contenders, `first` of which starts.
  private func turns(_ first: Int) -> [Int] { contenders.indices.map { ($0 + first) % contenders.count } }

  private func report(_ what: String, _ repetition: Int, _ done: Int) {
    progress("repetition \(repetition + 1)/\(repetitions), \(what): \(done)/\(workload.texts.count)")
  }
}

extension Classifier {
  fileprivate func classify(rows: ArraySlice<LabelledDataSet.Row>) throws -> [Classification] {
    try classify(encodings: rows.map { encode($0.text, pair: $0.pair) })
  }
}

extension SampleOutcome {
  fileprivate init(_ classification: Classification) {
    let answer = classification.answer
    self.init(
      label: classification.labelIndex, exitLayer: answer.exitLayer, tokensAlive: answer.tokensAlive,
      operations: answer.operations.executed, paperOperations: answer.operations.paper)
  }
}
