// Attention of a sample's first token alone, in the re-associated order that its operation is defined by: no keys and
// values. Separate from Attention.swift, with which it shares no step but the softmax.

import Glibc
import PyramidIR

/// One `first_attention` over packed samples.
struct FirstAttention {
  /// f32[B, H] and f32[T, K].
  let queries, x: [Float]
  /// H, K, and the number of heads that divides H.
  let width, depth, heads: Int
  /// f32[H, K] both, and f32[H].
  let keyWeight, valueWeight, valueBias: [Float]

  /// The result of one sample, whose tokens are `rows`.
  func row(of sample: Int, over rows: Range<Int>) -> [Float] {
    let headWidth = width / heads
    var result: [Float] = []
    for head in 0..<heads {
      let columns = head * headWidth..<(head + 1) * headWidth
      var u = [Double](repeating: 0, count: depth)
      for column in columns {
        let q = Double(queries[sample * width + column])
        for k in 0..<depth { u[k] += q * Double(keyWeight[column * depth + k]) }
      }
      var shares = rows.map { row in
        (0..<depth).reduce(0.0) { $0 + u[$1] * Double(x[row * depth + $1]) } / Double(headWidth).squareRoot()
      }
      shares.withUnsafeMutableBufferPointer { Arithmetic.softmax($0) }
      var z = [Double](repeating: 0, count: depth)
      for (row, share) in zip(rows, shares) {
        for k in 0..<depth { z[k] += share * Double(x[row * depth + k]) }
      }
      for column in columns {
        let sum = (0..<depth).reduce(0.0) { $0 + z[$1] * Double(valueWeight[column * depth + $1]) }
        result.append(Float(sum + Double(valueBias[column])))
      }
    }
    return result
  }
}
