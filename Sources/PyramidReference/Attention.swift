// Attention within each sample, one query, head and key at a time. It is separate because both attention operations use
// it and because the attention signals of the pruning policies come from here.

import Glibc
import PyramidIR

/// Where one of q, k and v lies: H columns from `first` in rows of `stride` elements.
struct AttentionOperand {
  /// All elements, row-major.
  let values: [Double]
  /// Elements from one row to the next.
  let stride: Int
  /// First column.
  let first: Int
}

/// One attention over packed samples.
struct Attention {
  let query, key, value: AttentionOperand
  /// H, and the number of heads that divides it.
  let width, heads: Int
  /// First row of each sample, then the number of rows.
  let segments: [Int]
  /// How many tokens each row stands for; nil for one each.
  var sizes: [Double]?
  /// What the probability of a head, a query's row and a key's number in its sample is multiplied by before it meets
  /// the value: dropout; nil for nothing.
  var dropout: ((_ head: Int, _ row: Int, _ key: Int) -> Double)?

  /// The context rows and each token's signals.
  struct Result {
    /// f32[T, H].
    var context: [Double]
    /// Mean over heads of the attention received, f32[T].
    var received: [Double]
    /// Mean over heads of the attention from the sample's first token times the sample's length, f32[T].
    var fromFirst: [Double]
    /// As `received`, without the attention of a token to itself, f32[T].
    var fromOthers: [Double]
    /// Multiplications done for each sample in products of rows.
    var products: [Int]
  }

  func run() -> Result {
    let tokens = segments.last ?? 0
    var context = [Double](repeating: 0, count: tokens * width)
    var received = [Double](repeating: 0, count: tokens)
    var fromFirst = [Double](repeating: 0, count: tokens)
    var fromOthers = fromFirst
    var products = [Int](repeating: 0, count: max(segments.count - 1, 0))
    for sample in products.indices {
      let rows = segments[sample]..<segments[sample + 1]
      for head in 0..<heads {
        for queryRow in rows {
          var probabilities = probabilities(of: queryRow, over: rows, head: head, &products[sample])
          for (keyRow, probability) in zip(rows, probabilities) {
            received[keyRow] += probability
            if queryRow != keyRow { fromOthers[keyRow] += probability }
            if queryRow == rows.lowerBound { fromFirst[keyRow] += probability * Double(rows.count) }
          }
          if let dropout {
            for key in probabilities.indices { probabilities[key] *= dropout(head, queryRow, key) }
          }
          mixValues(probabilities, rows, head: head, into: &context, at: queryRow, &products[sample])
        }
      }
    }
    return Result(
      context: context, received: received.map { $0 / Double(heads) },
      fromFirst: fromFirst.map { $0 / Double(heads) }, fromOthers: fromOthers.map { $0 / Double(heads) },
      products: products)
  }

  /// softmax(q k^T / sqrt(H / heads)) of one query and head over the keys of its sample.
  func probabilities(of queryRow: Int, over rows: Range<Int>, head: Int, _ products: inout Int) -> [Double] {
    let headWidth = width / heads
    let scale = Double(headWidth).squareRoot()
    var scores = [Double](repeating: 0, count: rows.count)
    query.values.withUnsafeBufferPointer { queries in
      key.values.withUnsafeBufferPointer { keys in
        let q = queries.baseAddress! + queryRow * query.stride + query.first + head * headWidth
        for (index, keyRow) in rows.enumerated() {
          let k = keys.baseAddress! + keyRow * key.stride + key.first + head * headWidth
          scores[index] = Arithmetic.dot(q, k, headWidth, &products) / scale + (sizes.map { log($0[keyRow]) } ?? 0)
        }
      }
    }
    scores.withUnsafeMutableBufferPointer { Arithmetic.softmax($0) }
    return scores
  }

  /// The sum of the value rows weighted by probabilities, for one query and head.
  private func mixValues(
    _ probabilities: [Double], _ rows: Range<Int>, head: Int, into context: inout [Double], at queryRow: Int,
    _ products: inout Int
  ) {
    let headWidth = width / heads
    var sums = [Double](repeating: 0, count: headWidth)
    value.values.withUnsafeBufferPointer { values in
      sums.withUnsafeMutableBufferPointer { sums in
        for (probability, valueRow) in zip(probabilities, rows) {
          let v = values.baseAddress! + valueRow * value.stride + value.first + head * headWidth
          for column in sums.indices {
            sums[column] += probability * v[column]
            products += 1
          }
        }
      }
    }
    for column in 0..<headWidth { context[queryRow * width + head * headWidth + column] = sums[column] }
  }
}
