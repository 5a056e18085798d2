// The arithmetic of rows, in Double: what an operation makes is rounded to f32 once, at its end, so that the oracle is
// more exact than the kernels it judges (and not at all in a graph that trains). Each output element is one sum in an
// order that depends on the row's width only: a sample's bits can't depend on its batch mates.

import CPyramidReference
import Glibc
import PyramidIR

enum Arithmetic {
  /// Four sums in fixed order: products of f32 are exact in Double, and four chains keep the adder busy. Adds the
  /// multiplications done to `products`: that is what operation counts are checked against.
  static func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int, _ products: inout Int) -> Double
  {
    var sums = (0.0, 0.0, 0.0, 0.0)
    var index = 0
    while index + 4 <= count {
      sums.0 += a[index] * b[index]
      sums.1 += a[index + 1] * b[index + 1]
      sums.2 += a[index + 2] * b[index + 2]
      sums.3 += a[index + 3] * b[index + 3]
      products += 4
      index += 4
    }
    while index < count {
      sums.0 += a[index] * b[index]
      products += 1
      index += 1
    }
    return (sums.0 + sums.1) + (sums.2 + sums.3)
  }

  /// x W^T + b for x of `rows` rows, W [N, K] and b [N]; [rows, N], and the multiplications that each row took.
  ///
  /// Each sum runs from the first element to the last. Rows stand side by side in blocks, and columns are taken some at
  /// a time for all blocks, so that their weights come from memory once.
  static func linear(_ x: [Double], rows: Int, weight: [Float], bias: [Float]) -> (values: [Double], products: [Int]) {
    let (width, lanes, columnsAtOnce) = (bias.count, Int(mp_reference_lanes), 32)
    let depth = width == 0 ? 0 : weight.count / width
    let blocks = stride(from: 0, to: rows, by: lanes).map { first in
      let rows = first..<min(first + lanes, rows)
      return (rows: rows, values: sideBySide(x, rows, depth: depth))
    }
    var values = [Double](repeating: 0, count: rows * width)
    var products = [Int](repeating: 0, count: rows)
    var sums = [Double](repeating: 0, count: columnsAtOnce * lanes)
    for start in stride(from: 0, to: width, by: columnsAtOnce) {
      let columns = start..<min(start + columnsAtOnce, width)
      let weights = weight[columns.lowerBound * depth..<columns.upperBound * depth].map { Double($0) }
      for block in blocks {
        let count = mp_reference_sums(block.values, weights, columns.count, depth, &sums)
        for (lane, row) in block.rows.enumerated() {
          for (index, column) in columns.enumerated() {
            values[row * width + column] = sums[index * lanes + lane] + Double(bias[column])
          }
          products[row] += count
        }
      }
    }
    return (values, products)
  }

  /// [depth][lanes]: lane r of element k is element k of the r-th of the rows, and zero where there is no such row.
  private static func sideBySide(_ x: [Double], _ rows: Range<Int>, depth: Int) -> [Double] {
    let lanes = Int(mp_reference_lanes)
    var values = [Double](repeating: 0, count: depth * lanes)
    for (lane, row) in rows.enumerated() {
      for k in 0..<depth { values[k * lanes + lane] = x[row * depth + k] }
    }
    return values
  }

  /// Elementwise activation.
  static func activate(_ x: [Double], _ activation: Activation) -> [Double] {
    switch activation {
    case .none: return x
    case .relu: return x.map { $0 < 0 ? 0 : $0 }
    case .tanh: return x.map { tanh($0) }
    case .sigmoid: return x.map { 1 / (1 + exp(-$0)) }
    case .gelu: return x.map { $0 * (1 + erf($0 / 2.0.squareRoot())) / 2 }
    case .geluTanh:
      return x.map { $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) / 2 }
    }
  }

  /// (x - mean) / sqrt(variance + epsilon) * gamma + beta over each row; the variance divides by the width.
  static func layerNorm(_ x: [Double], gamma: [Float], beta: [Float], epsilon: Float) -> [Double] {
    let width = gamma.count
    var result = x
    for start in stride(from: 0, to: x.count, by: max(width, 1)) {
      let row = x[start..<start + width]
      let mean = row.reduce(0, +) / Double(width)
      let centred = row.map { $0 - mean }
      let variance = centred.reduce(0) { $0 + $1 * $1 } / Double(width)
      let scale = 1 / (variance + Double(epsilon)).squareRoot()
      for (column, value) in centred.enumerated() {
        result[start + column] = value * scale * Double(gamma[column]) + Double(beta[column])
      }
    }
    return result
  }

  /// exp(x - max) / sum, in place. A NaN, or +infinity, makes the whole row NaN.
  static func softmax(_ row: UnsafeMutableBufferPointer<Double>) {
    var largest = -Double.infinity
    for value in row where value > largest { largest = value }
    var sum = 0.0
    for index in row.indices {
      row[index] = exp(row[index] - largest)
      sum += row[index]
    }
    for index in row.indices { row[index] /= sum }
  }

  /// Softmax of one row.
  static func softmax(_ row: ArraySlice<Double>) -> [Double] {
    var values = Array(row)
    values.withUnsafeMutableBufferPointer { softmax($0) }
    return values
  }

  /// Softmax of one row of f32.
  static func softmax(_ row: ArraySlice<Float>) -> [Float] { softmax(row.map { Double($0) }[...]).map { Float($0) } }

  /// Euclidean norm of a row.
  static func norm(_ row: ArraySlice<Double>) -> Double { row.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  /// Index of the largest value, the lowest on ties. NaN is larger than nothing, so a row of NaN answers 0.
  static func argmax(_ row: [Float]) -> Int {
    var best = 0
    for index in row.indices where row[index] > row[best] || (row[best].isNaN && !row[index].isNaN) { best = index }
    return best
  }
}
