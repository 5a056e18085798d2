// One model under the clock: made-up batches of any shape, and the time that one run of them takes. Both commands
// measure through this, so that a table and a comparison with other runtimes mean the same time: ids in, logits out.

import MagicPyramid

/// A classifier whose runs are timed.
struct TimedModel {
  let classifier: Classifier
  private let clock = ContinuousClock()
  private let table = AnswerTable()

  /// The kernels that it runs on.
  var instructionSet: InstructionSet { classifier.model.instructionSet }

  /// Samples of the given lengths, with ids that are spread over the vocabulary: rows of the embedding table come from
  /// memory as those of a text do. Throws `RuntimeError` when they are more than the model admits in one batch.
  func batch(lengths: [Int]) throws -> PackedBatch {
    let limits = classifier.batchLimits
    guard lengths.count <= limits.samples, lengths.allSatisfy({ (1...limits.tokens).contains($0) }),
      lengths.reduce(0, +) <= limits.tokens
    else {
      throw RuntimeError(
        "a batch is up to \(limits.samples) samples of together up to \(limits.tokens) tokens, none empty")
    }
    let vocabulary = max(classifier.tokenizer.rules.vocabulary.count, 1)
    var batch = PackedBatch()
    for (sample, length) in lengths.enumerated() {
      let ids = (0..<length).map { token in Int32((sample * 7919 + token * 104_729) % vocabulary) }
      batch.append(tokenIDs: ids, typeIDs: repeatElement(0, count: length))
    }
    return batch
  }

  /// Operations that one run of a batch executes.
  func operations(_ batch: PackedBatch) throws -> Int {
    try classifier.run(batch).reduce(into: OperationCount()) { $0.add($1.operations) }.executed
  }

  /// Seconds of one run of a batch.
  func time(_ batch: PackedBatch) throws -> Double {
    try clock.measure { try classifier.run(batch, into: table) } / .seconds(1)
  }

  /// The label of a text, and the seconds from the one to the other.
  func answer(to text: String) throws -> (label: String, seconds: Double) {
    let start = clock.now
    let label = try classifier.classify([text])[0].label
    return (label, start.duration(to: clock.now) / .seconds(1))
  }

  /// The ids of texts, cut one by one, and the seconds that it took.
  func tokens(of texts: [String]) -> (ids: [[Int32]], seconds: Double) {
    var encodings: [Encoding] = []
    let time = clock.measure { encodings = texts.map { classifier.encode($0) } }
    return (encodings.map(\.ids), time / .seconds(1))
  }

  /// Seconds of consecutive runs: at least `least`, then until `duration` seconds have passed, but at most `most`.
  func times(_ batch: PackedBatch, least: Int, most: Int, duration: Double = 0) throws -> [Double] {
    var times: [Double] = []
    let start = clock.now
    while times.count < most, times.count < least || start.duration(to: clock.now) < .seconds(duration) {
      times.append(try time(batch))
    }
    return times
  }
}
