// Where the rows of each layer lie in a forward graph, pruned or not: what a layer's attention reads, and with which
// offsets. Exit heads and stop-gradients are both put there, so one place knows how to find it.

import PyramidIR
import PyramidModels

/// The values that enter a layer.
struct LayerPassage {
  /// Rows that the layer's attention is projected from [T, hidden].
  let rows: ValueID
  /// Offsets of the samples in them [B + 1].
  let segments: ValueID
}

extension Graph {
  /// What enters the layers, in order, and last what the output section reads. Throws for a graph without them.
  func layerPassages() throws(TrainingError) -> [LayerPassage] {
    var passages: [LayerPassage] = []
    for layer in 0..<shape.layers {
      guard let attention = nodes.first(where: { $0.section == .layer(layer) && $0.attendsToAll }),
        let segments = attention.inputs.first(where: { self[$0].type.element == .i32 }),
        let projection = producer(of: attention.inputs[0]), case .linear = projection.op
      else { throw TrainingError("graph @\(name): layer \(layer) has no attention that gradients are known of") }
      passages.append(LayerPassage(rows: projection.inputs[0], segments: segments))
    }
    guard let output = nodes.first(where: { $0.section == .output && $0.op == .firstRows }) else {
      throw TrainingError("graph @\(name): the output section does not start at the first rows")
    }
    return passages + [LayerPassage(rows: output.inputs[0], segments: output.inputs[1])]
  }
}

extension Node {
  /// Whether all tokens attend to each other here.
  var attendsToAll: Bool {
    if case .gradient(.dropoutAttention) = op { return true }
    return op.attentionOfAll != nil
  }
}
