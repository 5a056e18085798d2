// The measuring itself. One untimed run gives the answers and warms everything up; then each repetition takes all texts
// one by one, and again in batches, and on every block all contenders take their turn, a different one first each time.

import MagicPyramid
import PyramidEvaluation

/// What was measured: answers and times of all contenders on one workload.
public struct Measurement: Sendable {
  /// The contenders, dense first.
  public let contenders: [Contender]
  /// What they were given.
  public let workload: Workload
  /// Times that everything was measured.
  public let repetitions: Int
  /// Answers, [contender][text].
  public private(set) var outcomes: [[SampleOutcome]] = []
  /// Seconds of blocks at batch 1, [contender][repetition][block].
  public private(set) var singleTimes: [[[Double]]]
  /// Seconds of blocks in batches, [contender][repetition][block].
  public private(set) var batchTimes: [[[Double]]]
  /// Seconds of single texts, [contender][text of any repetition].
  public private(set) var latencies: [[Double]]
  private let progress: @Sendable (String) -> Void

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
    latencies = contenders.map { _ in [] }
    singleTimes = contenders.map { _ in Array(repeating: [], count: repetitions) }
    batchTimes = singleTimes
    for contender in contenders { outcomes.append(try answer(contender)) }
    for repetition in 0..<repetitions {
      try measureSingles(repetition)
      try measureBatches(repetition)
    }
  }

  private func answer(_ contender: Contender) throws -> [SampleOutcome] {
    progress("answers of \(contender.name) ...")
    for encoding in workload.encodings.prefix(8) { _ = try contender.classifier.classify(encodings: [encoding]) }
    return try workload.batchBlocks.flatMap { range in
      try contender.classifier.classify(encodings: Array(workload.encodings[range])).map { SampleOutcome($0) }
    }
  }

  private mutating func measureSingles(_ repetition: Int) throws {
    for (block, range) in workload.singleBlocks.enumerated() {
      report("one by one", repetition, range.lowerBound)
      let inputs = workload.encodings[range].map { [$0] }
      for contender in turns(repetition + block) {
        let classifier = contenders[contender].classifier
        var sum = 0.0
        for input in inputs {
          let clock = Stopwatch()
          _ = try classifier.classify(encodings: input)
          let seconds = clock.seconds
          latencies[contender].append(seconds)
          sum += seconds
        }
        singleTimes[contender][repetition].append(sum)
      }
    }
  }

  private mutating func measureBatches(_ repetition: Int) throws {
    for (block, range) in workload.batchBlocks.enumerated() {
      report("in batches", repetition, range.lowerBound)
      let input = Array(workload.encodings[range])
      for contender in turns(repetition + block) {
        let classifier = contenders[contender].classifier
        let clock = Stopwatch()
        _ = try classifier.classify(encodings: input)
        batchTimes[contender][repetition].append(clock.seconds)
      }
    }
  }

  /// All contenders, `first` of which starts.
  private func turns(_ first: Int) -> [Int] { contenders.indices.map { ($0 + first) % contenders.count } }

  private func report(_ what: String, _ repetition: Int, _ done: Int) {
    progress("repetition \(repetition + 1)/\(repetitions), \(what): \(done)/\(workload.encodings.count)")
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
