// How a record becomes samples for the model, and how their answers become one: as it is, in overlapping windows, or
// once for each label of a zero-shot question. What reads records, streams or groups, asks this and knows no kinds.

import PyramidFormats
import PyramidIR
import PyramidRuntime
import PyramidText

/// What is made of each record.
public enum RecordPlan: Sendable {
  /// One sample, cut to the model's limit.
  case whole
  /// Windows of a text that is over the limit.
  case windows(TextWindows)
  /// One sample for each candidate label.
  case zeroShot(ZeroShot)

  /// The classes that answers name.
  func labels(of classifier: Classifier) -> [String] {
    if case .zeroShot(let question) = self { question.candidates } else { classifier.labels }
  }

  /// What labels of records are compared with.
  func labelKind(of classifier: Classifier) -> LabelKind {
    if case .zeroShot(let question) = self { question.isMulti ? .several : .one } else { classifier.task.labelKind }
  }

  /// The samples of a record, at least one; throws what is wrong with it, as the end of a sentence.
  package func encodings(of record: TextRecord, for classifier: Classifier) throws(RuntimeError) -> [Encoding] {
    let pair = record.pair?.isEmpty == true ? nil : record.pair
    if pair != nil, !classifier.acceptsPairs { throw RuntimeError("is a pair, and the model takes single texts only") }
    var encodings: [Encoding]
    switch self {
    case .whole: encodings = [classifier.encode(record.text, pair: pair)]
    case .windows(let windows): encodings = try windows.encodings(of: record.text, pair: pair, classifier)
    case .zeroShot(let question):
      guard pair == nil else { throw RuntimeError("is a pair, and zero-shot labels are the second texts") }
      encodings = question.hypotheses.map { classifier.encode(record.text, pair: $0) }
    }
    for encoding in encodings {
      if let problem = classifier.problem(of: encoding) { throw RuntimeError(problem) }
    }
    return encodings
  }

  /// The answer to a record from those to its samples.
  func classification(_ answers: [Answer], of encodings: [Encoding], by classifier: Classifier) -> Classification {
    switch self {
    case .whole: classifier.classification(answers[0], of: encodings[0])
    case .windows(let windows):
      classifier.classification(
        Answer(joining: answers, logits: windows.aggregate(answers.map(\.logits))), of: encodings[0],
        windows: answers.count)
    case .zeroShot(let question): question.classification(answers, of: encodings, by: classifier)
    }
  }
}

extension Classifier {
  /// The answers to the samples of each record. With `groups`, which has a number for each record, samples of records of
  /// one number that follow each other are one group.
  func answers(to records: [[Encoding]], groups: [Int]?) throws -> [[Answer]] {
    var batch = PackedBatch()
    for (number, encodings) in records.enumerated() {
      let joins = groups.map { number > 0 && $0[number] == $0[number - 1] } ?? false
      for encoding in encodings { batch.append(encoding, joinsGroup: joins) }
    }
    var answers = try run(batch)[...]
    try model.checkUnchanged()
    return records.map { encodings in
      defer { answers = answers.dropFirst(encodings.count) }
      return Array(answers.prefix(encodings.count))
    }
  }

  /// Classifies records as `plan` says; `groups` as above. Throws `RuntimeError` where the model can't take a record, its
  /// answer is not a number, or the policy compares the pairs of a group and there are none; the first record is number
  /// `first`, counted from 0, of those that errors count.
  package func classify(
    _ records: [TextRecord], _ plan: RecordPlan, groups: [Int]? = nil, first: Int = 0
  ) throws -> [Classification] {
    if groups == nil { try refuseGroupPolicy() }
    var encodings: [[Encoding]] = []
    for (index, record) in records.enumerated() {
      do throws(RuntimeError) { encodings.append(try plan.encodings(of: record, for: self)) } catch {
        throw RuntimeError("text \(first + index + 1) \(error.description)")
      }
    }
    let answers = try answers(to: encodings, groups: groups)
    return try checked(zip(answers, encodings).map { plan.classification($0, of: $1, by: self) }, first: first)
  }
}

extension Answer {
  /// One answer for several samples of a record: the latest exit, and the sums of tokens and operations.
  init(joining parts: [Answer], logits: [Float]) {
    self = parts[0]
    self.logits = logits
    exitLayer = parts.map(\.exitLayer).max() ?? 0
    tokensAlive = (0..<max(exitLayer, 1)).map { layer in
      parts.reduce(0) { $0 + (layer < $1.tokensAlive.count ? $1.tokensAlive[layer] : 0) }
    }
    operations = parts.reduce(into: OperationCount()) { $0.add($1.operations) }
  }
}
