// How each signal of the tokens that a policy reads comes about in the graph. Only what is read is computed.

import PyramidIR
import PyramidPolicy

extension BoundaryBuilder {
  /// The scores of a kind that the layer's attention hands out, which it is made to do.
  mutating func emitted(_ emission: Emission) throws -> ValueID {
    guard let attention else { throw CompileError("\(emission.rawValue) is not known before layer \(boundary.number)") }
    let node = builder.graph.nodes[attention]
    let known = node.op.attentionOfAll?.emits ?? []
    if let place = known.firstIndex(of: emission) { return node.results[place + 1] }
    let vector = TensorType(.f32, [builder.graph[node.results[0]].type.rows])
    let made = builder.graph.makeValue("\(emission)\(suffix)", vector)
    let all = Array(zip(known, node.results.dropFirst())) + [(emission, made)]
    let emits = Emission.allCases.filter { kind in all.contains { $0.0 == kind } }
    builder.graph.nodes[attention] = builder.graph.makeNode(
      node.op.emitting(emits), node.inputs, node.weights,
      results: [node.results[0]] + emits.flatMap { kind in all.filter { $0.0 == kind }.map(\.1) }, in: node.section)
    return made
  }

  /// Adds what tokens receive in this layer to what they received in those before.
  mutating func addReceived() throws {
    let received = try emitted(.received)
    after.receivedSum =
      try before.receivedSum.map { try builder.add(.add, [$0, received], name: "receivedSum\(suffix)") } ?? received
  }

  /// The value of a token signal.
  mutating func tokenSignal(_ signal: TokenSignal) throws -> ValueID {
    func unknown() -> CompileError { CompileError("\(signal.rawValue) is not known before layer \(boundary.number)") }
    func ofAttention() throws -> Node {
      guard let attention else { throw unknown() }
      return builder.graph.nodes[attention]
    }
    func ofLayer() throws -> ValueID {
      guard let input else { throw unknown() }
      return input
    }
    switch signal {
    case .receivedAttention: return try emitted(.received)
    case .receivedFromOthers: return try emitted(.fromOthers)
    case .receivedAttentionSum:
      guard let sum = after.receivedSum else { throw unknown() }
      return sum
    case .attentionFromCLS: return try early?.fromFirst ?? emitted(.fromFirst)
    case .valueNorm:
      let node = try ofAttention()
      let isJoined = node.op.facts.attention?.projected == 1
      let values = node.inputs[isJoined ? 0 : 2]
      let width = builder.graph[node.results[0]].type.columns
      return try builder.add(
        .rowNorm(first: isJoined ? 2 * width : 0, count: width), [values], name: "valueNorm\(suffix)")
    case .keys:
      let node = try ofAttention()
      let isJoined = node.op.facts.attention?.projected == 1
      let width = builder.graph[node.results[0]].type.columns
      let mean = Op.headMean(first: isJoined ? width : 0, count: width, heads: node.op.facts.attention?.heads ?? 1)
      return try builder.add(mean, [node.inputs[isJoined ? 0 : 1]], name: "keys\(suffix)")
    case .hiddenNorm:
      let input = try ofLayer()
      let width = builder.graph[input].type.columns
      return try builder.add(.rowNorm(first: 0, count: width), [input], name: "hiddenNorm\(suffix)")
    case .position: return before.positions
    case .tokenID: return before.tokenIDs
    case .hidden: return try ofLayer()
    }
  }
}
