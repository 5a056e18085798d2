// How each signal of the tokens that a policy reads comes about in the graph. Only what is read is computed.

import PyramidIR
import PyramidPolicy

extension TokenSignal {
  /// What is known of a token before anything is embedded.
  static let atEntry: [TokenSignal] = [.position, .tokenID]
}

extension BoundaryBuilder {
  /// Makes the layer's attention hand out the scores that the signals need.
  mutating func emitAttention(for reads: [TokenSignal]) throws {
    guard let attention else { return }
    let emits = [(TokenSignal.receivedAttention, Emission.received), (.attentionFromCLS, .fromFirst)]
      .filter { reads.contains($0.0) }.map(\.1)
    let node = builder.graph.nodes[attention]
    let vector = TensorType(.f32, [builder.graph[node.results[0]].type.rows])
    let scores = emits.map { builder.graph.makeValue("\($0)\(suffix)", vector) }
    builder.graph.nodes[attention] = builder.graph.makeNode(
      node.op.emitting(emits), node.inputs, [], results: [node.results[0]] + scores, in: node.section)
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
    case .receivedAttention: return try ofAttention().results[1]
    case .attentionFromCLS: return try early?.fromFirst ?? ofAttention().results.last!
    case .valueNorm:
      let node = try ofAttention()
      let isJoined = node.inputs.count == 2
      let values = node.inputs[isJoined ? 0 : 2]
      let width = builder.graph[node.results[0]].type.columns
      return try builder.add(
        .rowNorm(first: isJoined ? 2 * width : 0, count: width), [values], name: "valueNorm\(suffix)")
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
