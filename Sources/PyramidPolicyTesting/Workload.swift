// What every contender is given: the texts, cut into blocks. Times are text in, label out, so each contender cuts the
// texts into tokens itself, within its time. Contenders take turns block by block, so a block
// is what is measured at a stretch: long enough that the clock and the change of models don't matter, short enough that
// what else the machine does meanwhile matters little.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats
import PyramidIR

/// Texts and the blocks that they are measured in.
public struct Workload: Sendable {
  /// The data set's path.
  public let file: String
  /// The texts, single or in pairs, in the order of the data.
  public let texts: [LabelledDataSet.Row]
  /// What answers are judged by.
  public let key: AnswerKey
  /// Samples in a batch.
  public let batch: Int
  /// Time that tokenising alone takes, in microseconds per text; the times of contenders include it.
  public let tokenizationMicroseconds: Double
  /// Texts that are cut to the model's limit.
  public let truncated: Int
  /// Ranges of texts measured one by one at a stretch.
  public let singleBlocks: [Range<Int>]
  /// Ranges of texts handed in together and computed in batches.
  public let batchBlocks: [Range<Int>]

  private static let samplesPerBlock = 16
  private static let batchesPerBlock = 4

  /// Cuts the texts into blocks. Throws `ComparisonError` when the model admits no batches of `batch` samples, and where
  /// the labels say nothing of its answers.
  public init(_ texts: LabelledDataSet, classifier: Classifier, batch: Int) throws {
    guard batch <= classifier.batchLimits.samples else {
      throw ComparisonError(
        "a batch of \(batch): the model admits at most \(classifier.batchLimits.samples) samples in a batch")
    }
    key = try AnswerKey(texts, classifier.task, classes: classifier.labels.count)
    file = texts.file
    self.batch = batch
    self.texts = texts.rows
    var truncated = 0
    let time = ContinuousClock().measure {
      truncated = texts.rows.count { classifier.encode($0.text, pair: $0.pair).isTruncated }
    }
    self.truncated = truncated
    tokenizationMicroseconds = time / .microseconds(1) / Double(texts.rows.count)
    singleBlocks = Self.blocks(of: Self.samplesPerBlock, in: texts.rows.count)
    batchBlocks = Self.blocks(of: batch * Self.batchesPerBlock, in: texts.rows.count)
  }

  private static func blocks(of size: Int, in count: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }
}

extension AnswerKey {
  /// The labels of texts for a model of that task with so many classes. Throws `ComparisonError` where they say nothing of
  /// its answers.
  package init(_ texts: LabelledDataSet, _ task: ModelTask, classes: Int) throws {
    func refuse(_ problem: String) -> ComparisonError { ComparisonError("\(texts.file): \(problem)") }
    let targets = texts.rows.map(\.target)
    let (groups, isNumber) = (texts.rows.compactMap(\.group), task.labelKind == .value)
    if !isNumber, !groups.isEmpty {
      throw refuse("groups are for models that rank by a number; this one is for \(task.rawValue)")
    }
    guard AnswerKey.kind(of: targets[0]) == task.labelKind else {
      throw refuse("its labels were not read as \(task.rawValue) wants them: give LabelledDataSet the task's labelKind")
    }
    if isNumber, classes != 1 { throw refuse("has a number a text, and the model answers with \(classes)") }
    do {
      try self.init(targets, classes: classes, groups: groups.isEmpty ? nil : groups)
    } catch { throw refuse(error.sentence) }
  }
}
