// The intermediate classifier of a layer: its tensors' names and shapes, and its nodes. One definition, because the
// lowering checks the tensors, `schedule-policies` builds the nodes, and training fits the weights.

import PyramidIR

/// An exit head after a layer: `exits.<layer>.dense`, tanh, `exits.<layer>.classifier`, layer counted from 0.
public struct ExitHead: Sendable {
  /// The layer that it reads the [CLS] rows of.
  public let layer: Int

  /// The head of a layer.
  public init(layer: Int) { self.layer = layer }

  /// Canonical names and shapes: dense [hidden, hidden] with its bias, classifier [classes, hidden] with its bias.
  public func tensors(of shape: ModelShape) -> [(name: String, shape: [Int])] {
    [
      ("exits.\(layer).dense.weight", [shape.hidden, shape.hidden]), ("exits.\(layer).dense.bias", [shape.hidden]),
      ("exits.\(layer).classifier.weight", [shape.classes, shape.hidden]),
      ("exits.\(layer).classifier.bias", [shape.classes]),
    ]
  }

  /// Appends the head's nodes to a graph and returns its logits [B, classes]; `first` are the [CLS] rows [B, hidden].
  public func lower(into builder: inout GraphBuilder, first: ValueID) throws(GraphError) -> ValueID {
    let weights = tensors(of: builder.graph.shape).map { name, sizes in
      builder.graph.weight(name, TensorType(.f32, sizes.map { .fixed($0) }), sources: [name])
    }
    let pooled = try builder.add(.linear(.tanh), [first], Array(weights[..<2]), name: "pooled\(layer)")
    return try builder.add(.linear(.none), [pooled], Array(weights[2...]), name: "logits\(layer)")
  }
}
