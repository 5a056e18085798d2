// What every contender is given: the texts, cut into blocks. Times are text in, label out, so each contender cuts the
// texts into tokens itself, within its time. A request is a text, or where texts are ranked the whole group that somebody
// asked for. Contenders take turns block by block, so a block
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
  /// The texts, single or in pairs, in the order of the data; those of a group follow its first.
  public let texts: [LabelledDataSet.Row]
  /// What each text's number is in the data.
  public let places: [Int]
  /// What answers are judged by.
  public let key: AnswerKey
  /// What is made of each text.
  public let plan: RecordPlan
  /// Samples in a batch.
  public let batch: Int
  /// Time that tokenising alone takes, in microseconds per text; the times of contenders include it.
  public let tokenizationMicroseconds: Double
  /// Texts that are cut to the model's limit, or are read in windows.
  public let long: Int
  /// Ranges of texts measured request by request at a stretch.
  public let singleBlocks: [Range<Int>]
  /// Ranges of texts handed in together and computed in batches.
  public let batchBlocks: [Range<Int>]
  /// Ranges of texts that are asked for together.
  let requests: [Range<Int>]
  /// Numbers of the texts' groups, where they are ranked.
  private let groups: [Int]?

  private static let requestsPerBlock = 16
  private static let batchesPerBlock = 4

  /// Cuts the texts into blocks. Throws `ComparisonError` when the model admits no batches of `batch` samples, when a
  /// group has no room in one, and where the labels say nothing of its answers; `RuntimeError` where the model can't take
  /// a text.
  public init(_ texts: LabelledDataSet, classifier: Classifier, batch: Int, plan: RecordPlan = .whole) throws {
    guard batch <= classifier.batchLimits.samples else {
      throw ComparisonError(
        "a batch of \(batch): the model admits at most \(classifier.batchLimits.samples) samples in a batch")
    }
    let isGrouped = texts.rows.contains { $0.group != nil }
    let asked =
      isGrouped ? ExactString.groups(texts.rows.map { $0.group ?? $0.text }) : texts.rows.indices.map { [$0] }
    places = asked.flatMap(\.self)
    groups = isGrouped ? asked.enumerated().flatMap { number, group in group.map { _ in number } } : nil
    let rows = places.map { texts.rows[$0] }
    key = try AnswerKey(rows, of: texts.file, classifier.task, classes: classifier.labels.count)
    (file, self.texts, self.plan, self.batch) = (texts.file, rows, plan, batch)
    requests = Self.requests(asked)
    if let largest = requests.map(\.count).max(), largest > batch {
      throw ComparisonError(
        "\(texts.file): a group has \(largest) texts, which are computed in one batch: give a batch of so many, not of "
          + "\(batch)")
    }
    var long = 0
    let time = try ContinuousClock().measure {
      for row in rows {
        let encodings = try plan.encodings(of: TextRecord(row), for: classifier)
        if encodings.count > 1 || encodings[0].isTruncated { long += 1 }
      }
    }
    self.long = long
    tokenizationMicroseconds = time / .microseconds(1) / Double(rows.count)
    singleBlocks = Self.blocks(requests) { requests, _ in requests == Self.requestsPerBlock }
    batchBlocks = Self.blocks(requests) { _, texts in texts >= batch * Self.batchesPerBlock }
  }

  private static func requests(_ groups: [[Int]]) -> [Range<Int>] {
    var end = 0
    return groups.map { group in
      defer { end += group.count }
      return end..<end + group.count
    }
  }

  /// Ranges of whole requests, each ending where it is full.
  private static func blocks(
    _ requests: [Range<Int>], isFull: (_ requests: Int, _ texts: Int) -> Bool
  ) -> [Range<Int>] {
    var blocks: [Range<Int>] = []
    var (first, count) = (0, 0)
    for request in requests {
      count += 1
      guard request == requests.last || isFull(count, request.upperBound - first) else { continue }
      blocks.append(first..<request.upperBound)
      (first, count) = (request.upperBound, 0)
    }
    return blocks
  }

  /// The requests in a block.
  func requests(in block: Range<Int>) -> [Range<Int>] {
    guard groups != nil else { return block.map { $0..<$0 + 1 } }
    return requests.filter { block.lowerBound <= $0.lowerBound && $0.upperBound <= block.upperBound }
  }

  /// The answers of a classifier to the texts of whole requests.
  func answers(of classifier: Classifier, to range: Range<Int>) throws -> [Classification] {
    try classifier.classify(
      texts[range].map { TextRecord($0) }, plan, groups: groups.map { Array($0[range]) }, first: range.lowerBound)
  }
}

extension TextRecord {
  init(_ row: LabelledDataSet.Row) { self.init(text: row.text, pair: row.pair) }
}

extension AnswerKey {
  /// The labels of texts for a model of that task with so many classes. Throws `ComparisonError` where they say nothing of
  /// its answers.
  package init(_ texts: LabelledDataSet, _ task: ModelTask, classes: Int) throws {
    try self.init(texts.rows, of: texts.file, task, classes: classes)
  }

  fileprivate init(_ rows: [LabelledDataSet.Row], of file: String, _ task: ModelTask, classes: Int) throws {
    func refuse(_ problem: String) -> ComparisonError { ComparisonError("\(file): \(problem)") }
    let targets = rows.map(\.target)
    let (groups, isNumber) = (rows.compactMap(\.group), task.labelKind == .value)
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
