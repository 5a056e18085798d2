// Soft pruning, the second stage of Learned Token Pruning (Kim et al. 2022, section 3.3): no token dies, but its row is
// multiplied by a soft mask after each layer but the last, and thresholds are learned with the model.

import PyramidCompiler
import PyramidIR

extension Graph {
  /// The thresholds' symbol, [layers - 1], relative to uniform attention: `prune.thresholds`.
  static let thresholds = "prune.thresholds"

  /// A plain graph with the output of each layer but the last multiplied by
  /// sigmoid((attention received - threshold) / temperature), and a loss of `penalty` times the mean of each mask.
  public func softlyPruned(temperature: Float, penalty: Float) throws -> Graph {
    var graph = self
    let boundaries = shape.layers - 1
    guard boundaries > 0 else { return graph }
    graph.purpose = .train
    graph.nodes.removeAll { $0.op == .classify }
    let thresholds = graph.weight(Self.thresholds, TensorType(.f32, [.fixed(boundaries)]), sources: [Self.thresholds])
    for layer in 0..<boundaries {
      guard let place = graph.nodes.lastIndex(where: { $0.section == .layer(layer) }),
        let attention = graph.nodes.firstIndex(where: { $0.section == .layer(layer) && $0.op.attentionOfAll != nil }),
        let hidden = graph.nodes[place].results.first,
        let segments = graph.nodes[attention].attendedSegments
      else { throw DifferentiationError(description: "graph @\(name): layer \(layer) has no attention") }
      let received = graph.emitReceived(at: attention, name: "received\(layer)")
      let (nodes, alive) = try graph.makeNodes(in: .layer(layer)) { builder in
        let mask = try builder.add(
          .gradient(.softKeep(layer: layer, temperature: temperature)), [received, segments], [thresholds],
          name: "mask\(layer)")
        try builder.add(.gradient(.meanRowsPenalty(scale: penalty)), [mask, segments], name: "penalty\(layer)")
        return try builder.add(.gradient(.scaleRows), [hidden, mask], name: "alive\(layer)")
      }
      graph.insert(nodes, after: place, replacing: hidden, by: alive)
    }
    return graph
  }

  /// Makes a plain attention hand out what each token receives, and returns that.
  mutating func emitReceived(at index: Int, name: String) -> ValueID {
    let node = nodes[index]
    let received = makeValue(name, TensorType(.f32, [self[node.results[0]].type.rows]))
    nodes[index] = makeNode(
      node.op.emitting([.received]), node.inputs, [], results: [node.results[0], received], in: node.section)
    return received
  }
}
