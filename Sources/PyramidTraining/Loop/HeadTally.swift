// What heads do on dev, counted batch by batch, and as text and JSON.

import Glibc
import PyramidFormats

/// Hits and losses of heads.
struct HeadTally {
  private let heads: [String]
  private var hits: [Int]
  private var losses: [Double]
  private var samples = 0

  init(heads: [String]) {
    self.heads = heads
    hits = [Int](repeating: 0, count: heads.count)
    losses = [Double](repeating: 0, count: heads.count)
  }

  /// Counts a batch: logits [B, classes] of every head.
  mutating func count(_ logits: [[Float]], labels: [Int]) {
    precondition(logits.count == heads.count, "\(logits.count) heads answered, expected \(heads.count)")
    samples += labels.count
    for (head, logits) in logits.enumerated() {
      let classes = logits.count / labels.count
      for (sample, label) in labels.enumerated() {
        let row = logits[sample * classes..<(sample + 1) * classes]
        // The first of the largest; not `max`, which has no answer to a number that is none.
        let place = row.indices.reduce(row.startIndex) { row[$1] > row[$0] ? $1 : $0 }
        let largest = row[place]
        if place - row.startIndex == label { hits[head] += 1 }
        let sum = row.reduce(0.0) { $0 + exp(Double($1 - largest)) }
        losses[head] += log(sum) - Double(row[row.startIndex + label] - largest)
      }
    }
  }

  /// What every head did; nothing before the first batch.
  var results: [HeadResult] {
    heads.indices.map {
      HeadResult(
        head: heads[$0], accuracy: Double(hits[$0]) / Double(max(samples, 1)),
        loss: losses[$0] / Double(max(samples, 1)))
    }
  }
}

extension HeadResult {
  init(_ root: JSONField) throws(FormatError) {
    head = try root.required("head").string()
    accuracy = try root.required("accuracy").double()
    loss = try root.required("loss").double()
  }

  static func json(_ results: [HeadResult]) -> JSONValue {
    .array(results.map { ["head": .string($0.head), "accuracy": JSONValue($0.accuracy), "loss": JSONValue($0.loss)] })
  }

  /// `head 1 81.20%, 2 90.10%` and the last one's loss.
  static func text(_ results: [HeadResult]) -> String {
    let heads = results.map { "\($0.head): \(decimal(100 * $0.accuracy, 2))%" }.joined(separator: ", ")
    return "dev accuracy \(heads)" + (results.last.map { ", loss \(decimal($0.loss, 4))" } ?? "")
  }
}
