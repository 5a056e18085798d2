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
  /// How many tokens each row of x stands for; nil for one each.
  let sizes: [Float]?

  /// What one sample comes to.
  struct Result {
    /// f32[H].
    var context: [Float] = []
    /// For each token the mean over heads of its attention weight, times their number.
    var fromFirst: [Float] = []
    /// Multiplications done in products of rows.
    var products = 0
  }

  /// The result of one sample, whose tokens are `rows`.
  func row(of sample: Int, over rows: Range<Int>) -> Result {
    let headWidth = width / heads
    var result = Result()
    var weights = [Double](repeating: 0, count: rows.count)
    for head in 0..<heads {
      let columns = head * headWidth..<(head + 1) * headWidth
      var u = [Double](repeating: 0, count: depth)
      for column in columns {
        add(Double(queries[sample * width + column]), of: keyWeight, column, to: &u, &result.products)
      }
      var shares = rows.map { dot(u, x, $0, &result.products) / Double(headWidth).squareRoot() }
      if let sizes { for (index, row) in rows.enumerated() { shares[index] += log(Double(sizes[row])) } }
      shares.withUnsafeMutableBufferPointer { Arithmetic.softmax($0) }
      for (index, share) in shares.enumerated() { weights[index] += share }
      var z = [Double](repeating: 0, count: depth)
      for (row, share) in zip(rows, shares) { add(share, of: x, row, to: &z, &result.products) }
      for column in columns {
        result.context.append(Float(dot(z, valueWeight, column, &result.products) + Double(valueBias[column])))
      }
    }
    result.fromFirst = weights.map { Float($0 * Double(rows.count) / Double(heads)) }
    return result
  }

  /// sum += factor * row of a matrix of K columns.
  private func add(_ factor: Double, of matrix: [Float], _ row: Int, to sum: inout [Double], _ products: inout Int) {
    for k in 0..<depth {
      sum[k] += factor * Double(matrix[row * depth + k])
      products += 1
    }
  }

  /// The product of K numbers with a row of a matrix.
  private func dot(_ vector: [Double], _ matrix: [Float], _ row: Int, _ products: inout Int) -> Double {
    var sum = 0.0
    for k in 0..<depth {
      sum += vector[k] * Double(matrix[row * depth + k])
      products += 1
    }
    return sum
  }
}
