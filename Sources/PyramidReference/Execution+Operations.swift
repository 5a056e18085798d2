// What each operation computes, one case of one switch each. Fused operations call the parts they are made of.

import PyramidIR

extension Execution {
  /// Computes the results of a node, in order.
  mutating func evaluate(_ node: Node) throws(ReferenceError) -> [ReferenceTensor] {
    switch node.op {
    case .input(let kind): return [try result(node, .integers(input(kind)))]
    case .embed: return [try result(node, embed(node))]
    case .linear(let activation):
      return [try result(node, Arithmetic.activate(linear(node), activation))]
    case .linearAddNorm(let epsilon):
      let sum = zip(try linear(node), try operand(node, 1).doubles).map { $0 + $1 }
      return [try result(node, norm(node, rounded(sum), gammaAt: 2, epsilon))]
    case .activate(let activation):
      return [try result(node, Arithmetic.activate(operand(node, 0).doubles, activation))]
    case .gate(let activation): return [try result(node, gate(node, activation))]
    case .rotate(let rotation): return [try result(node, rotate(node, rotation))]
    case .relativeAttention(let relative, let emits): return try attend(node, relative, emits)
    case .add:
      return [try result(node, zip(try operand(node, 0).doubles, try operand(node, 1).doubles).map { $0 + $1 })]
    case .layerNorm(let epsilon):
      return [try result(node, norm(node, operand(node, 0).doubles, gammaAt: 0, epsilon))]
    case .attention(let heads, let emits):
      return try attend(
        node, separateOperands(node), segments: operand(node, 3), sizes: optionalOperand(node, 4), heads: heads, emits)
    case .attentionQKV(let heads, let emits):
      let joined = try operand(node, 0)
      let values = try joined.doubles
      let width = joined.columns / 3
      let operands = (0..<3).map { AttentionOperand(values: values, stride: 3 * width, first: $0 * width) }
      return try attend(
        node, operands, segments: operand(node, 1), sizes: optionalOperand(node, 2), heads: heads, emits)
    case .firstAttention(let heads, let emits):
      let rows = try firstAttention(node, heads: heads)
      let first = try result(node, .floats(rows.flatMap(\.context)))
      return emits.isEmpty ? [first] : [first, try result(node, .floats(rows.flatMap(\.fromFirst)), at: 1)]
    case .firstRows: return [try result(node, firstRows(operand(node, 0), operand(node, 1)))]
    case .bagLogits(let skip, let separator):
      return [try result(node, bagLogits(node, skip: skip, separator: separator))]
    case .segmentMean: return [try result(node, segmentMeans(operand(node, 0), operand(node, 1)))]
    case .concat:
      let (left, right) = (try operand(node, 0), try operand(node, 1))
      let (a, b) = (try left.doubles, try right.doubles)
      var rows: [Double] = []
      for row in 0..<left.rows {
        rows += a[row * left.columns..<(row + 1) * left.columns]
        rows += b[row * right.columns..<(row + 1) * right.columns]
      }
      return [try result(node, rows)]
    case .softmax: return [try result(node, eachRow(operand(node, 0)) { Arithmetic.softmax($0) })]
    case .rowNorm(let first, let count):
      let norms = try eachRow(operand(node, 0)) { [Arithmetic.norm($0.dropFirst(first).prefix(count))] }
      return [try result(node, norms)]
    case .decideExit: return [try definition(node, decideExit(node))]
    case .headMean(let first, let count, let heads):
      let width = count / heads
      let means = try eachRow(operand(node, 0)) { row in
        let columns = Array(row.dropFirst(first).prefix(count))
        return (0..<width).map { column in
          (0..<heads).reduce(0.0) { $0 + columns[$1 * width + column] } / Double(heads)
        }
      }
      return [try result(node, means)]
    case .decidePrune: return try decidePrune(node)
    case .pool: return [try result(node, pool(node))]
    case .keepSamples:
      return [try definition(node, tokens(ofSamples: operand(node, 1), in: operand(node, 0)))]
    case .compact: return [try result(node, compact(operand(node, 0), operand(node, 1)))]
    case .compactSegments:
      let stay = node.inputs.count == 3 ? try operand(node, 2) : nil
      return [try result(node, .integers(compactSegments(operand(node, 0), keep: operand(node, 1), stay: stay)))]
    case .classify:
      try classify(operand(node, 0), operand(node, 1))
      return []
    case .gradient(let op): return try evaluate(op, node)
    }
  }

  private func input(_ kind: InputKind) -> [Int32] {
    switch kind {
    case .tokenIDs: return batch.tokenIDs.flatMap { $0 }
    case .positions: return batch.tokenIDs.flatMap { $0.indices.map { Int32($0) } }
    case .typeIDs: return batch.typeIDs.flatMap { $0 }
    case .segments:
      var offsets: [Int32] = [0]
      for tokens in batch.tokenIDs { offsets.append(offsets.last! + Int32(tokens.count)) }
      return offsets
    case .samples: return batch.tokenIDs.indices.map { Int32($0) }
    }
  }

  /// The sum of one row of each table.
  private func embed(_ node: Node) throws(ReferenceError) -> [Double] {
    let width = graph[node.weights[0]].type.columns
    var sum = [Double](repeating: 0, count: try operand(node, 0).rows * width)
    for index in node.inputs.indices {
      let table = weight(node, index)
      let rows = width == 0 ? 0 : table.count / width
      for (token, id) in try operand(node, index).integers.enumerated() {
        guard id >= 0, id < rows else {
          throw ReferenceError("index \(id) does not lie in the \(rows) rows of #\(graph[node.weights[index]].name)")
        }
        for column in 0..<width { sum[token * width + column] += Double(table[Int(id) * width + column]) }
      }
    }
    return sum
  }

  /// The entry's head as its definition says: first the tokens that count, then the pairs among them.
  private func bagLogits(_ node: Node, skip: [Int32], separator: Int32) throws(ReferenceError) -> [Double] {
    let ids = try operand(node, 0).integers
    let offsets = try offsets(operand(node, 1), over: ids.count)
    let bias = weight(node, node.weights.count - 1)
    let tables = (0..<node.weights.count - 1).map { weight(node, $0) }
    let rows = tables.map { $0.count / bias.count }
    if let id = ids.first(where: { $0 < 0 || $0 >= rows[0] }) {
      throw ReferenceError("id \(id) does not lie in the \(rows[0]) rows of #\(graph[node.weights[0]].name)")
    }
    return zip(offsets, offsets.dropFirst()).flatMap { start, end in
      let texts = ids[start..<end].split(separator: separator).map { $0.filter { !skip.contains($0) } }
      let pairs = texts.flatMap { text in
        zip(text, text.dropFirst()).map { Int((UInt64($0) &* 1_000_003 &+ UInt64($1)) % UInt64(rows[rows.count - 1])) }
      }
      let read = [texts.joined().map { Int($0) }, pairs]
      let count = max(read[0].count, 1)
      return bias.indices.map { column -> Double in
        let sum = zip(tables, read).reduce(0.0) { sum, part in
          part.1.reduce(sum) { $0 + Double(part.0[$1 * bias.count + column]) }
        }
        return sum / Double(count) + Double(bias[column])
      }
    }
  }

  /// The products and the bias, rounded as a layer's result is before anything that is fused to it.
  private mutating func linear(_ node: Node) throws(ReferenceError) -> [Double] {
    let x = try operand(node, 0)
    let (values, products) = Arithmetic.linear(
      try x.doubles, rows: x.rows, weight: weight(node, 0), bias: weight(node, 1))
    if let dim = x.type.rows.dim { try count(products, inRowsOf: dim) }
    return rounded(values)
  }

  private func norm(_ node: Node, _ x: [Double], gammaAt first: Int, _ epsilon: Float) -> [Double] {
    Arithmetic.layerNorm(x, gamma: weight(node, first), beta: weight(node, first + 1), epsilon: epsilon)
  }

  /// q, k and v where each is a value of its own.
  func separateOperands(_ node: Node) throws(ReferenceError) -> [AttentionOperand] {
    try operands(node).prefix(3).map { tensor throws(ReferenceError) in
      AttentionOperand(values: try tensor.doubles, stride: tensor.columns, first: 0)
    }
  }

  mutating func attend(
    _ node: Node, _ operands: [AttentionOperand], segments: ReferenceTensor, sizes: ReferenceTensor? = nil, heads: Int,
    _ emits: [Emission], dropout: ((Int, Int, Int) -> Double)? = nil
  ) throws(ReferenceError) -> [ReferenceTensor] {
    guard let dim = graph[node.results[0]].type.rows.dim else { throw ReferenceError("attention has no rows") }
    let rows = try dims.rows(of: dim)
    let offsets = try self.offsets(segments, over: rows.count)
    try noteTokens(entering: node.section, rows: dim)
    let attention = Attention(
      query: operands[0], key: operands[1], value: operands[2],
      width: graph[node.results[0]].type.columns, heads: heads, segments: offsets, sizes: try sizes?.doubles,
      dropout: dropout)
    let output = attention.run()
    for (start, products) in zip(offsets, output.products) where products > 0 {
      answers[rows[start].sample].executedMatrixOperations += 2 * products
    }
    return try results(node, output, emits)
  }

  /// What an attention comes to, as the node's results.
  func results(
    _ node: Node, _ output: Attention.Result, _ emits: [Emission]
  ) throws(ReferenceError) -> [ReferenceTensor] {
    var results = [try result(node, output.context)]
    for (index, emission) in emits.enumerated() {
      switch emission {
      case .received: results.append(try result(node, output.received, at: index + 1))
      case .fromFirst: results.append(try result(node, output.fromFirst, at: index + 1))
      case .fromOthers: results.append(try result(node, output.fromOthers, at: index + 1))
      }
    }
    return results
  }

  /// The attention of each sample's first token, as its definition says.
  private mutating func firstAttention(_ node: Node, heads: Int) throws(ReferenceError) -> [FirstAttention.Result] {
    let (query, x) = (try operand(node, 0), try operand(node, 1))
    let offsets = try offsets(operand(node, 2), over: x.rows)
    if let dim = x.type.rows.dim { try noteTokens(entering: node.section, rows: dim) }
    let attention = FirstAttention(
      queries: try query.floats, x: try x.floats, width: query.columns, depth: x.columns, heads: heads,
      keyWeight: weight(node, 0), valueWeight: weight(node, 1), valueBias: weight(node, 2),
      sizes: try optionalOperand(node, 3)?.floats)
    let rows = (0..<query.rows).map { attention.row(of: $0, over: offsets[$0]..<offsets[$0 + 1]) }
    if let dim = query.type.rows.dim { try count(rows.map(\.products), inRowsOf: dim) }
    return rows
  }

  /// The mean of each sample's rows.
  private func segmentMeans(_ x: ReferenceTensor, _ segments: ReferenceTensor) throws(ReferenceError) -> [Double] {
    let offsets = try offsets(segments, over: x.rows)
    let values = try x.doubles
    var means: [Double] = []
    for (sample, (start, end)) in zip(offsets, offsets.dropFirst()).enumerated() {
      guard start < end else { throw ReferenceError("sample \(sample) of %segments has no token") }
      means += (0..<x.columns).map { column in
        (start..<end).reduce(0.0) { $0 + values[$1 * x.columns + column] } / Double(end - start)
      }
    }
    return means
  }

  func eachRow(_ x: ReferenceTensor, _ body: (ArraySlice<Double>) -> [Double]) throws(ReferenceError) -> [Double] {
    let values = try x.doubles
    return (0..<x.rows).flatMap { body(values[$0 * x.columns..<($0 + 1) * x.columns]) }
  }

  /// The last head answers the samples that are left.
  private mutating func classify(_ samples: ReferenceTensor, _ logits: ReferenceTensor) throws(ReferenceError) {
    let last = graph.shape.layers
    for (row, sample) in try sampleNumbers(samples).enumerated() {
      let values = try logits.row(row)
      answers[sample].headLogits[last] = values
      try answer(sample, values, at: last)
    }
  }
}
