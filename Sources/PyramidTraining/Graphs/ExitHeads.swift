// Exit heads in a graph that is to train. `schedule-policies` builds them where a policy decides; here nobody decides,
// and their logits are wanted for losses.

import PyramidCompiler
import PyramidIR
import PyramidModels

extension Graph {
  /// The graph with an exit head after each of some layers, counted from 0, the last one not among them; and their
  /// logits, f32[B0, C], in the order of `layers`. A head reads the [CLS] rows that enter the next layer.
  public func addingExitHeads(after layers: [Int]) throws -> (graph: Graph, logits: [ValueID]) {
    var graph = self
    var logits: [ValueID] = []
    for layer in layers {
      guard let end = graph.nodes.lastIndex(where: { $0.section == .layer(layer) }),
        let (hidden, segments) = graph.entering(layer: layer + 1)
      else { throw DifferentiationError(description: "graph @\(name): no layer comes after layer \(layer)") }
      let (nodes, made) = try graph.makeNodes(in: .layer(layer)) { builder in
        let first = try builder.add(.firstRows, [hidden, segments], name: "cls\(layer)")
        return try ExitHead(layer: layer).lower(into: &builder, first: first)
      }
      graph.nodes.insert(contentsOf: nodes, at: end + 1)
      logits.append(made)
    }
    return (graph, logits)
  }

  /// What a layer's queries are projected from, and the offsets of its samples.
  private func entering(layer: Int) -> (hidden: ValueID, segments: ValueID)? {
    guard let attention = nodes.first(where: { $0.section == .layer(layer) && $0.op.attentionOfAll != nil }),
      attention.inputs.count == 4, let projection = producer(of: attention.inputs[0]), !projection.inputs.isEmpty
    else { return nil }
    return (projection.inputs[0], attention.inputs[3])
  }
}
