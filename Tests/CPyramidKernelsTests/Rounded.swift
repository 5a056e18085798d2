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
    var numbers = x, scales: [Float] = []
    for row in stride(from: 0, to: x.count, by: columns) {
      let size = x[row..<row + columns].reduce(0) { max($0, abs($1)) }
      let scale = size / 127, inverse = size > 1e-30 ? 127 / size : 0
      scales.append(scale)
      for c in row..<row + columns {
        let scaled = isInput ? x[c] * inverse : (scale < 1e-37 ? 0 : x[c] / scale)
        numbers[c] = scaled.rounded(.toNearestOrEven)
      }
    }
    return (numbers, scales)
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
