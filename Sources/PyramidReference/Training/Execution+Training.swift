// What the operations of training graphs compute: all of them in one switch, forward here, backward in
// Execution+Gradients.swift. Slow and obvious, in double precision.

import Glibc
import PyramidIR

extension Execution {
  mutating func evaluate(_ op: GradientOp, _ node: Node) throws(ReferenceError) -> [ReferenceTensor] {
    switch op {
    case .targets(let width): return [try source(node, training.targets, width)]
    case .features(let width): return [try source(node, training.features, width)]
    case .columns(let first, let count):
      return [try result(node, eachRow(operand(node, 0)) { Array($0.dropFirst(first).prefix(count)) })]
    case .dropout(let rate, let stream):
      let factor = dropout(rate, stream)
      return [try result(node, operand(node, 0).doubles.enumerated().map { $1 * factor(UInt64($0)) })]
    case .dropoutAttention(let heads, let rate, let stream, let emits):
      return try attend(
        node, separateOperands(node), segments: operand(node, 3), heads: heads, emits,
        dropout: attentionDropout(rate, stream, heads: heads))
    case .softKeep(let layer, let temperature):
      let (score, threshold) = (try operand(node, 0), Double(weight(node, 0)[layer]))
      var mask = try score.doubles.map { 1 / (1 + exp(-($0 - threshold) / Double(temperature))) }
      for first in try offsets(operand(node, 1), over: score.rows).dropLast() { mask[first] = 1 }
      return [try result(node, mask)]
    case .scaleRows:
      let (x, m) = (try operand(node, 0), try operand(node, 1).doubles)
      return [try result(node, x.doubles.enumerated().map { $1 * m[$0 / x.columns] })]
    case .meanRowsPenalty(let scale):
      let m = try operand(node, 0).doubles
      return [try result(node, samples(operand(node, 1)).map { Double(scale) * m[$0].reduce(0, +) / Double($0.count) })]
    case .crossEntropy(let scale):
      let targets = try operand(node, 1).doubles
      let logarithms = try eachRow(operand(node, 0)) { row in
        let largest = row.max() ?? 0
        let sum = log(row.reduce(0) { $0 + exp($1 - largest) })
        return row.map { $0 - largest - sum }
      }
      let terms = zip(targets, logarithms).map { -Double(scale) * $0 * $1 }
      let columns = try operand(node, 0).columns
      return [
        try result(node, stride(from: 0, to: terms.count, by: columns).map { terms[$0..<$0 + columns].reduce(0, +) })
      ]
    case .linearInputGradient, .linearWeightGradient, .activationGradient, .layerNormGradient, .attentionGradient,
      .embedGradient, .firstRowsGradient, .segmentMeanGradient, .compactGradient, .crossEntropyGradient, .rowDot,
      .softKeepGradient, .meanRowsPenaltyGradient:
      return try differentiate(op, node)
    }
  }

  private func source(_ node: Node, _ rows: [[Float]], _ width: Int) throws(ReferenceError) -> ReferenceTensor {
    guard rows.count == answers.count, rows.allSatisfy({ $0.count == width }) else {
      throw ReferenceError("\(rows.count) rows were brought, expected \(answers.count) of \(width)")
    }
    return try result(node, rows.joined().map { Double($0) })
  }

  /// What the element of a counter is multiplied by.
  func dropout(_ rate: Float, _ stream: Int) -> (UInt64) -> Double {
    let (key, threshold) = (training.random.key(stream: stream), RandomState.threshold(rate: rate))
    return { RandomState.keeps($0, key: key, threshold: threshold) ? 1 / (1 - Double(rate)) : 0 }
  }

  func attentionDropout(_ rate: Float, _ stream: Int, heads: Int) -> (Int, Int, Int) -> Double {
    let factor = dropout(rate, stream)
    return { head, row, key in factor(UInt64((row * heads + head) * 4096 + key)) }
  }

  /// The rows of each sample, which has at least one.
  func samples(_ segments: ReferenceTensor) throws(ReferenceError) -> [Range<Int>] {
    let offsets = try offsets(segments)
    guard zip(offsets, offsets.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw ReferenceError("segments \(offsets) have a sample without tokens")
    }
    return zip(offsets, offsets.dropFirst()).map { $0..<$1 }
  }
}
