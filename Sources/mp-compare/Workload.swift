// What every contender is given: the texts as tokens, cut into blocks. Contenders take turns block by block, so a block
// is what is measured at a stretch: long enough that the clock and the change of models don't matter, short enough that
// the machine's mood doesn't.

import MagicPyramid
import PyramidEvaluation

/// Encoded texts and the blocks that they are measured in.
struct Workload {
  /// The data set's path.
  let file: String
  /// The texts as tokens, in the order of the data.
  let encodings: [Encoding]
  /// Their classes.
  let labels: [Int]
  /// Samples in a batch.
  let batch: Int
  /// Time that tokenising took, in microseconds a text.
  let tokenizationMicroseconds: Double
  /// Ranges of texts measured one by one at a stretch.
  let singleBlocks: [Range<Int>]
  /// Ranges of texts handed in together and computed in batches.
  let batchBlocks: [Range<Int>]

  private static let samplesPerBlock = 16
  private static let batchesPerBlock = 4

  /// Tokenises the texts. Throws when the model admits no batches of `batch` samples.
  init(_ texts: LabelledDataSet, classifier: Classifier, batch: Int) throws {
    guard batch <= classifier.batchLimits.samples else {
      throw OutputError(
        file: "--batch \(batch)",
        problem: "the model admits at most \(classifier.batchLimits.samples) samples in a batch")
    }
    file = texts.file
    self.batch = batch
    let clock = Stopwatch()
    encodings = texts.rows.map { classifier.encode($0.text, pair: $0.pair) }
    tokenizationMicroseconds = clock.seconds * 1e6 / Double(texts.rows.count)
    labels = texts.rows.map(\.label)
    singleBlocks = Self.blocks(of: Self.samplesPerBlock, in: texts.rows.count)
    batchBlocks = Self.blocks(of: batch * Self.batchesPerBlock, in: texts.rows.count)
  }

  /// Texts that were cut to the model's limit.
  var truncated: Int { encodings.count { $0.isTruncated } }

  private static func blocks(of size: Int, in count: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }
}
