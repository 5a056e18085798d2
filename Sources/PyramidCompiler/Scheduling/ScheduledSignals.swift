// How each signal of the tokens that a policy reads comes about in the graph. Only what is read is computed.

import PyramidIR
import PyramidPolicy

extension Boundary {
  /// Makes the layer's attention hand out the scores that the signals need.
  mutating func emitAttention(for reads: [TokenSignal]) throws {
    guard let attention else { return }
    let emits = [(TokenSignal.receivedAttention, Emission.received), (.attentionFromCLS, .fromFirst)]
      .filter { reads.contains($0.0) }.map(\.1)
    let node = builder.graph.nodes[attention]
    let vector = TensorType(.f32, [builder.graph[node.results[0]].type.rows])
    let scores = emits.map { builder.graph.makeValue("\($0)\(layer)", vector) }
    builder.graph.nodes[attention] = builder.graph.makeNode(
      node.op.emitting(emits), node.inputs, [], results: [node.results[0]] + scores, in: node.section)
  }

  /// The value of a token signal.
  mutating func tokenSignal(_ signal: TokenSignal) throws -> ValueID {
    func ofAttention() throws -> Node {
      if let attention { return builder.graph.nodes[attention] }
      throw CompileError("\(signal.rawValue) is not known before layer \(layer)")
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
        .rowNorm(first: isJoined ? 2 * width : 0, count: width), [values], name: "valueNorm\(layer)")
    case .hiddenNorm:
      let width = builder.graph[input].type.columns
      return try builder.add(.rowNorm(first: 0, count: width), [input], name: "hiddenNorm\(layer)")
    case .position: return before.positions
    case .tokenID: return before.tokenIDs
    case .hidden: return input
    }
  }
}
