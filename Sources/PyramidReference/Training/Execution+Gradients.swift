// What the backward operations compute: each the derivative of its forward one, written from the formula and not from
// the kernel.

import Glibc
import PyramidIR

extension Execution {
  mutating func differentiate(_ op: GradientOp, _ node: Node) throws(ReferenceError) -> [ReferenceTensor] {
    switch op {
    case .linearInputGradient: return [try result(node, linearInputGradient(node))]
    case .linearWeightGradient:
      try addLinearWeightGradient(node)
      return []
    case .activationGradient(let activation):
      let (x, dy) = (try operand(node, 0).doubles, try operand(node, 1).doubles)
      return [try result(node, zip(x, dy).map { $1 * Arithmetic.derivative($0, activation) })]
    case .layerNormGradient(let epsilon): return [try result(node, layerNormGradient(node, Double(epsilon)))]
    case .attentionGradient(let heads, let rate, let stream):
      return try attentionGradient(node, heads: heads, dropout: attentionDropout(rate, stream, heads: heads))
    case .embedGradient:
      let (dy, values) = (try operand(node, node.inputs.count - 1), try operand(node, node.inputs.count - 1).doubles)
      for (place, table) in node.weights.enumerated() {
        for (row, id) in try operand(node, place).integers.enumerated() {
          add(Array(values[row * dy.columns..<(row + 1) * dy.columns]), to: table, at: Int(id) * dy.columns)
        }
      }
      return []
    case .firstRowsGradient: return [try spread(node) { $0 == $1.lowerBound ? 1 : 0 }]
    case .segmentMeanGradient: return [try spread(node) { 1 / Double($1.count) }]
    case .compactGradient:
      let (dy, rows) = (try operand(node, 0), try operand(node, 2).rows)
      let values = try dy.doubles
      var sums = [Double](repeating: 0, count: rows * dy.columns)
      for (row, place) in try operand(node, 1).integers.enumerated() {
        for column in 0..<dy.columns { sums[Int(place) * dy.columns + column] += values[row * dy.columns + column] }
      }
      return [try result(node, sums)]
    case .crossEntropyGradient(let scale):
      let (targets, columns) = (try operand(node, 1).doubles, try operand(node, 1).columns)
      let shares = try eachRow(operand(node, 0)) { Arithmetic.softmax($0) }
      return [
        try result(
          node,
          shares.indices.map { index in
            let start = index - index % columns
            return Double(scale) * (shares[index] * targets[start..<start + columns].reduce(0, +) - targets[index])
          })
      ]
    case .rowDot:
      let (x, columns) = (try operand(node, 0).doubles, try operand(node, 0).columns)
      let products = zip(x, try operand(node, 1).doubles).map { $0 * $1 }
      return [
        try result(node, (0..<x.count / columns).map { products[$0 * columns..<($0 + 1) * columns].reduce(0, +) })
      ]
    case .softKeepGradient(let layer, let temperature):
      var gradient = zip(try operand(node, 0).doubles, try operand(node, 1).doubles).map { m, dm in
        dm * m * (1 - m) / Double(temperature)
      }
      for sample in try samples(operand(node, 2)) { gradient[sample.lowerBound] = 0 }
      for thresholds in node.weights { add([-gradient.reduce(0, +)], to: thresholds, at: layer) }
      return [try result(node, gradient)]
    case .meanRowsPenaltyGradient(let scale):
      let shares = try samples(operand(node, 0)).flatMap { sample in
        sample.map { _ in Double(scale) / Double(sample.count) }
      }
      return [try result(node, shares)]
    case .targets, .features, .columns, .dropout, .dropoutAttention, .softKeep, .scaleRows, .meanRowsPenalty,
      .crossEntropy:
      throw ReferenceError("\(node.op.mnemonic) is not a backward operation")
    }
  }

  private func linearInputGradient(_ node: Node) throws(ReferenceError) -> [Double] {
    let (columns, depth) = (try operand(node, 0).columns, graph[node.weights[0]].type.columns)
    let w = weight(node, 0)
    return try eachRow(operand(node, 0)) { dy in
      var dx = [Double](repeating: 0, count: depth)
      for (column, gradient) in zip(0..<columns, dy) {
        for k in 0..<depth { dx[k] += gradient * Double(w[column * depth + k]) }
      }
      return dx
    }
  }

  private mutating func addLinearWeightGradient(_ node: Node) throws(ReferenceError) {
    let (x, dy) = (try operand(node, 0), try operand(node, 1))
    let (xs, dys) = (try x.doubles, try dy.doubles)
    var (dw, db) = ([Double](repeating: 0, count: dy.columns * x.columns), [Double](repeating: 0, count: dy.columns))
    for row in 0..<x.rows {
      for column in 0..<dy.columns {
        let gradient = dys[row * dy.columns + column]
        db[column] += gradient
        for k in 0..<x.columns { dw[column * x.columns + k] += gradient * xs[row * x.columns + k] }
      }
    }
    add(dw, to: node.weights[0])
    add(db, to: node.weights[1])
  }

  /// With n = (x - mean) / deviation and g = gamma dy: dx = (g - mean(g) - n mean(g n)) / deviation.
  private mutating func layerNormGradient(_ node: Node, _ epsilon: Double) throws(ReferenceError) -> [Double] {
    let (gamma, width) = (weight(node, 0), try operand(node, 0).columns)
    let (x, dy) = (try operand(node, 0).doubles, try operand(node, 1).doubles)
    var dx: [Double] = []
    var (dgamma, dbeta) = ([Double](repeating: 0, count: width), [Double](repeating: 0, count: width))
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(width) }
    for start in stride(from: 0, to: x.count, by: width) {
      let (row, gradient) = (Array(x[start..<start + width]), dy[start..<start + width])
      let centre = mean(row)
      let deviation = (mean(row.map { ($0 - centre) * ($0 - centre) }) + epsilon).squareRoot()
      let normed = row.map { ($0 - centre) / deviation }
      let scaled = zip(gamma, gradient).map { Double($0) * $1 }
      let (bias, slope) = (mean(scaled), mean(zip(scaled, normed).map { $0 * $1 }))
      dx += zip(scaled, normed).map { ($0 - bias - $1 * slope) / deviation }
      for (column, value) in gradient.enumerated() {
        dgamma[column] += value * normed[column]
        dbeta[column] += value
      }
    }
    if node.weights.count == 2 {
      add(dgamma, to: node.weights[0])
      add(dbeta, to: node.weights[1])
    }
    return dx
  }

  private func attentionGradient(
    _ node: Node, heads: Int, dropout: @escaping (Int, Int, Int) -> Double
  ) throws(ReferenceError) -> [ReferenceTensor] {
    let operands = try separateOperands(node)
    let (dy, rows) = (try operand(node, 4), try operand(node, 4).rows)
    let attention = Attention(
      query: operands[0], key: operands[1], value: operands[2], width: dy.columns, heads: heads,
      segments: try offsets(operand(node, 3), over: rows), dropout: dropout)
    let received = node.inputs.count == 6 ? try operand(node, 5).doubles : [Double](repeating: 0, count: rows)
    let gradients = attention.gradients(try dy.doubles, received: received)
    return [
      try result(node, gradients.query), try result(node, gradients.key, at: 1),
      try result(node, gradients.value, at: 2),
    ]
  }

  /// The row of a sample in each of its tokens' rows, times a share that depends on row and sample.
  private func spread(_ node: Node, _ share: (Int, Range<Int>) -> Double) throws(ReferenceError) -> ReferenceTensor {
    let (dy, columns) = (try operand(node, 0).doubles, try operand(node, 0).columns)
    var rows: [Double] = []
    for (sample, tokens) in try samples(operand(node, 1)).enumerated() {
      for token in tokens {
        rows += dy[sample * columns..<(sample + 1) * columns].map { $0 * share(token, tokens) }
      }
    }
    return try result(node, rows)
  }
}

extension Arithmetic {
  /// The derivative of an activation.
  static func derivative(_ x: Double, _ activation: Activation) -> Double {
    switch activation {
    case .none: return 1
    case .relu: return x > 0 ? 1 : 0
    case .tanh: return 1 - tanh(x) * tanh(x)
    case .sigmoid: return (1 - tanh(x / 2) * tanh(x / 2)) / 4
    case .gelu: return (1 + erf(x / 2.0.squareRoot())) / 2 + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
    case .geluTanh:
      let scale = (2 / Double.pi).squareRoot()
      let t = tanh(scale * (x + 0.044715 * x * x * x))
      return (1 + t) / 2 + x / 2 * (1 - t * t) * scale * (1 + 3 * 0.044715 * x * x)
    }
  }
}
