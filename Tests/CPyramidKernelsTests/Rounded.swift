// The rule by which operands of a reduced precision are rounded, once more and in plain Swift: what the kernels are
// compared with.
import CPyramidKernels

/// What a precision makes of weights and inputs.
enum Rounded {
  static func bf16(_ x: Float) -> Float {
    let bits = x.bitPattern
    return Float(bitPattern: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) & 0xffff_0000)
  }

  /// Rows of x [..][columns] as whole numbers and one scale per row.
  static func int8(_ x: [Float], columns: Int, isInput: Bool) -> (numbers: [Float], scales: [Float]) {
    var numbers: [Float] = [], scales: [Float] = []
    for start in stride(from: 0, to: x.count, by: columns) {
      let row = Array(x[start..<start + columns])
      let size = row.reduce(0) { max($0, abs($1)) }
      if isInput {
        let inverse = size > 1e-30 ? 127 / size : 0
        numbers += row.map { ($0 * inverse).rounded(.toNearestOrEven) }
        scales.append(size / 127)
      } else {
        let best = weightScales(row, largest: size).min { loss(of: $0, in: row) < loss(of: $1, in: row) }!
        numbers += weights(row, scale: best)
        scales.append(best)
      }
    }
    return (numbers, scales)
  }

  /// The scales to choose from, the one that cuts nothing first: where two are alike, the first is taken.
  private static func weightScales(_ row: [Float], largest: Float) -> [Float] {
    let pairs = stride(from: 1, to: row.count, by: 2).map { abs(row[$0 - 1] + row[$0]) }
    let least = largest / 127, most = (pairs.max() ?? 0) / 128
    return most <= least ? [least] : [most] + (0..<4).map { least + (most - least) * Float($0) / 4 }
  }

  /// A row rounded, with every even place and its neighbour at most 128 in sum.
  private static func weights(_ row: [Float], scale: Float) -> [Float] {
    guard scale >= 1e-37 else { return row.map { _ in 0 } }
    var numbers = row.map { min(max($0 / scale, -127), 127).rounded(.toNearestOrEven) }
    for second in stride(from: 1, to: numbers.count, by: 2) {
      let sum = numbers[second - 1] + numbers[second], excess = abs(sum) - 128
      guard excess > 0 else { continue }
      numbers[second - 1] -= (sum < 0 ? -1 : 1) * (excess / 2).rounded(.up)
      numbers[second] -= (sum < 0 ? -1 : 1) * (excess / 2).rounded(.down)
    }
    return numbers
  }

  /// Half of what is cut from both weights of a pair, and what rounding is expected to lose, both squared.
  private static func loss(of scale: Float, in row: [Float]) -> Double {
    stride(from: 1, to: row.count, by: 2).reduce(Double(row.count) * Double(scale) * Double(scale) / 12) {
      sum, second in
      let excess = Double(max(abs(row[second - 1] + row[second]) - 128 * scale, 0))
      return sum + 0.5 * excess * excess
    }
  }

  /// x W^T + bias with both operands in a precision.
  static func linear(
    _ precision: mp_precision, _ x: [Float], _ weight: [Float], _ bias: [Float]?, rows: Int, depth: Int, columns: Int
  ) -> [Double] {
    if precision == MP_PRECISION_BF16 {
      return Reference.linear(x.map(bf16), weight.map(bf16), bias, rows: rows, depth: depth, columns: columns)
    }
    let (inputs, inputScales) = int8(x, columns: depth, isInput: true)
    let (weights, weightScales) = int8(weight, columns: depth, isInput: false)
    let sums = Reference.linear(inputs, weights, nil, rows: rows, depth: depth, columns: columns)
    return sums.enumerated().map { index, sum in
      let (row, column) = (index / columns, index % columns)
      return sum * Double(inputScales[row]) * Double(weightScales[column]) + (bias.map { Double($0[column]) } ?? 0)
    }
  }
}
