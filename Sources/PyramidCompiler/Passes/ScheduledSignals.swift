// How each signal that a policy reads comes about in the graph, and the exit head. Only what is read is computed.

import PyramidIR
import PyramidModels
import PyramidPolicy

extension Boundary {
  /// The layer's exit head on the [CLS] rows.
  mutating func addHead(_ first: ValueID) throws -> ValueID {
    try ExitHead(layer: layer).lower(into: &builder, first: first)
  }

  /// Makes the layer's attention hand out the scores that the signals need.
  mutating func emitAttention(for reads: [Signal]) throws {
    guard let attention else { return }
    let emits = [(Signal.receivedAttention, Emission.received), (.attentionFromCLS, .fromFirst)]
      .filter { reads.contains($0.0) }.map(\.1)
    let node = builder.graph.nodes[attention]
    let op: Op =
      switch node.op {
      case .attention(let heads, _): .attention(heads: heads, emits: emits)
      case .attentionQKV(let heads, _): .attentionQKV(heads: heads, emits: emits)
      default: node.op
      }
    let vector = TensorType(.f32, [builder.graph[node.results[0]].type.rows])
    let scores = emits.map { builder.graph.makeValue("\($0.valueName)\(layer)", vector) }
    builder.graph.nodes[attention] = builder.graph.makeNode(
      op, node.inputs, [], results: [node.results[0]] + scores, in: node.section)
  }

  /// The rows that an attention's queries are projected from.
  static func input(of attention: Node, in graph: Graph) -> ValueID {
    let query = attention.inputs[0]
    guard let producer = graph.nodes.last(where: { $0.results.contains(query) }), case .linear = producer.op else {
      return query
    }
    return producer.inputs[0]
  }

  /// The value of a token signal.
  mutating func tokenSignal(_ signal: Signal) throws -> ValueID {
    switch signal {
    case .hiddenNorm:
      let width = builder.graph[input].type.columns
      return try builder.add(.rowNorm(first: 0, count: width), [input], name: "hiddenNorm\(layer)")
    case .position: return before.positions
    case .tokenID: return before.tokenIDs
    case .hidden: return input
    case .receivedAttention, .attentionFromCLS, .valueNorm: return try attentionSignal(signal)
    case .logits, .probabilities, .tokensAlive, .earlierProbabilities:
      throw CompileError("a pruning policy can't read \(signal.rawValue)")
    }
  }

  /// The value of a signal that comes with the layer's attention.
  private mutating func attentionSignal(_ signal: Signal) throws -> ValueID {
    if signal == .attentionFromCLS, let early { return early.fromFirst }
    guard let node = attention.map({ builder.graph.nodes[$0] }) else {
      throw CompileError("\(signal.rawValue) is not known before layer \(layer)")
    }
    switch signal {
    case .receivedAttention: return node.results[1]
    case .valueNorm:
      if case .attentionQKV = node.op {
        let width = builder.graph[node.inputs[0]].type.columns / 3
        return try builder.add(.rowNorm(first: 2 * width, count: width), [node.inputs[0]], name: "valueNorm\(layer)")
      }
      let width = builder.graph[node.inputs[2]].type.columns
      return try builder.add(.rowNorm(first: 0, count: width), [node.inputs[2]], name: "valueNorm\(layer)")
    default: return node.results[node.results.count - 1]
    }
  }
}

extension Emission {
  fileprivate var valueName: String {
    switch self {
    case .received: "received"
    case .fromFirst: "fromFirst"
    }
  }
}
