// Attention in which positions count, one query, head and key at a time: every key is scored by every term, and those
// outside the window then get the probability 0. Separate from Attention.swift, which plain attention needs no more than.

import Glibc
import PyramidIR

/// One `relative_attention` over packed samples.
struct RelativeAttentionRun {
  let relative: RelativeAttention
  /// Queries lie in rows of tokens, or of samples where only first tokens attend.
  let query, key, value: AttentionOperand
  /// H.
  let width: Int
  /// First row of each sample, then the number of rows.
  let segments: [Int]
  /// Place of each row's token in its text.
  let positions: [Int32]
  /// How many tokens each row stands for; nil for one each.
  let sizes: [Double]?
  /// One for each term.
  let tables: [[Float]]

  func run() -> Attention.Result {
    let (tokens, heads) = (segments.last ?? 0, relative.heads)
    let samples = max(segments.count - 1, 0)
    let isOfFirst = relative.form == .first
    var result = Attention.Result(
      context: [Double](repeating: 0, count: (isOfFirst ? samples : tokens) * width),
      received: [Double](repeating: 0, count: tokens), fromFirst: [Double](repeating: 0, count: tokens),
      fromOthers: [Double](repeating: 0, count: tokens), products: [Int](repeating: 0, count: samples))
    for sample in 0..<samples {
      let rows = segments[sample]..<segments[sample + 1]
      for head in 0..<heads {
        for row in isOfFirst ? rows.prefix(1) : rows {
          let queryRow = isOfFirst ? sample : row
          let shares = probabilities(queryRow, at: row, over: rows, head: head, &result.products[sample])
          for (keyRow, share) in zip(rows, shares) {
            result.received[keyRow] += share / Double(heads)
            if row != keyRow { result.fromOthers[keyRow] += share / Double(heads) }
            if row == rows.lowerBound { result.fromFirst[keyRow] += share * Double(rows.count) / Double(heads) }
          }
          mix(shares, rows, head: head, into: &result.context, at: queryRow, &result.products[sample])
        }
      }
    }
    return result
  }

  /// What the query in a row, whose token is in row `place` of all tokens, gives to the keys of its sample.
  private func probabilities(
    _ row: Int, at place: Int, over rows: Range<Int>, head: Int, _ products: inout Int
  ) -> [Double] {
    let headWidth = width / relative.heads
    let scale = Double(relative.squaredScale(headSize: headWidth)).squareRoot()
    let q = vector(query, row, head)
    var scores = rows.map { keyRow in
      let k = vector(key, keyRow, head)
      var score = dot(q, k, &products) / scale + (sizes.map { log($0[keyRow]) } ?? 0)
      let distance = Int(positions[place]) - Int(positions[keyRow])
      for (term, table) in zip(relative.terms, tables) {
        let bucket = relative.buckets?.row(of: distance) ?? 0
        func row() -> [Double] {
          (0..<headWidth).map { Double(table[bucket * width + head * headWidth + $0]) }
        }
        switch term {
        case .bias: score += Double(table[bucket * relative.heads + head])
        case .queryProduct: score += dot(q, row(), &products) / scale
        case .keyProduct: score += dot(k, row(), &products) / scale
        }
      }
      if let window = relative.window, abs(distance) > window { return -Double.infinity }
      return score
    }
    scores.withUnsafeMutableBufferPointer { Arithmetic.softmax($0) }
    return scores
  }

  private func vector(_ operand: AttentionOperand, _ row: Int, _ head: Int) -> [Double] {
    let start = row * operand.stride + operand.first + head * (width / relative.heads)
    return Array(operand.values[start..<start + width / relative.heads])
  }

  private func dot(_ a: [Double], _ b: [Double], _ products: inout Int) -> Double {
    products += a.count
    return zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// The sum of the value rows weighted by probabilities, for one query and head.
  private func mix(
    _ shares: [Double], _ rows: Range<Int>, head: Int, into context: inout [Double], at row: Int, _ products: inout Int
  ) {
    let start = row * width + head * (width / relative.heads)
    for (share, valueRow) in zip(shares, rows) {
      for (column, number) in vector(value, valueRow, head).enumerated() {
        context[start + column] += share * number
        products += 1
      }
    }
  }
}

extension Execution {
  /// Turns the pairs of each head's columns by the angles of the row's position.
  func rotate(_ node: Node, _ rotation: Rotation) throws(ReferenceError) -> [Double] {
    let (x, positions) = (try operand(node, 0), try operand(node, 1).integers)
    var values = try x.doubles
    let half = rotation.size / 2
    for (row, position) in positions.enumerated() {
      for head in stride(from: 0, to: rotation.columns, by: rotation.size) {
        for pair in 0..<half {
          let low = row * x.columns + head + pair
          let angle = Double(rotation.angle(position: position, pair: pair))
          let (a, b) = (values[low], values[low + half])
          (values[low], values[low + half]) = (a * cos(angle) - b * sin(angle), b * cos(angle) + a * sin(angle))
        }
      }
    }
    return values
  }

  /// A(left half) * right half of each row.
  func gate(_ node: Node, _ activation: Activation) throws(ReferenceError) -> [Double] {
    let x = try operand(node, 0)
    let width = x.columns / 2
    return try eachRow(x) { row in
      let active = Arithmetic.activate(Array(row.prefix(width)), activation)
      return zip(active, row.dropFirst(width)).map { $0 * $1 }
    }
  }

  /// Attention in which positions count, and what it emits.
  mutating func attend(
    _ node: Node, _ relative: RelativeAttention, _ emits: [Emission]
  ) throws(ReferenceError) -> [ReferenceTensor] {
    let place = relative.positions
    let keys = try operand(node, relative.form == .first ? 1 : 0)
    let width = relative.form == .joined ? keys.columns / 3 : keys.columns
    let parts = try (0..<3).map { part throws(ReferenceError) in
      let tensor = try operand(node, relative.form == .joined ? 0 : part)
      return AttentionOperand(
        values: try tensor.doubles, stride: tensor.columns, first: relative.form == .joined ? part * width : 0)
    }
    let offsets = try offsets(operand(node, place + 1), over: keys.rows)
    guard let dim = keys.type.rows.dim else { throw ReferenceError("%k has no dim as rows") }
    try noteTokens(entering: node.section, rows: dim)
    let output = RelativeAttentionRun(
      relative: relative, query: parts[0], key: parts[1], value: parts[2], width: width, segments: offsets,
      positions: try operand(node, place).integers, sizes: try optionalOperand(node, place + 2)?.doubles,
      tables: node.weights.indices.map { weight(node, $0) }
    ).run()
    let rows = try dims.rows(of: dim)
    for (start, products) in zip(offsets, output.products) where products > 0 {
      answers[rows[start].sample].executedMatrixOperations += 2 * products
    }
    return try results(node, output, emits)
  }
}
