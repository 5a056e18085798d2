// The intermediate classifier of a layer: its tensors' names and shapes, and its nodes. One definition, because the
// lowering checks the tensors, `schedule-policies` builds the nodes, and training fits the weights.

import PyramidIR

/// What the exit heads of a checkpoint read: `magic_pyramid.head_input` in config.json.
public enum HeadInput: String, Hashable, Sendable, CaseIterable {
  /// The [CLS] row of the layer's output, [hidden].
  case first
  /// That row, then the mean of the rows alive at the layer's input, special tokens included, [2 hidden]. Of a layer
  /// that is pruned before it runs, these are the rows that [CLS] attends to: those that entered.
  case firstAndMean = "first+mean"

  /// The width of what a head reads.
  public func width(hidden: Int) -> Int { self == .first ? hidden : 2 * hidden }
}

/// An exit head after a layer: `exits.<layer>.dense`, tanh, `exits.<layer>.classifier`, layer counted from 0.
public struct ExitHead: Sendable {
  /// The layer that it reads the [CLS] rows of.
  public let layer: Int
  /// What it reads.
  public let input: HeadInput

  /// The head of a layer.
  public init(layer: Int, input: HeadInput) { (self.layer, self.input) = (layer, input) }

  /// Canonical names and shapes: dense [hidden, width of the input] with its bias, classifier [classes, hidden] with
  /// its bias.
  public func tensors(of shape: ModelShape) -> [(name: String, shape: [Int])] {
    [
      ("exits.\(layer).dense.weight", [shape.hidden, input.width(hidden: shape.hidden)]),
      ("exits.\(layer).dense.bias", [shape.hidden]),
      ("exits.\(layer).classifier.weight", [shape.classes, shape.hidden]),
      ("exits.\(layer).classifier.bias", [shape.classes]),
    ]
  }

  /// Appends what the head reads to a graph and returns it [B, width of the input]; `first` are the [CLS] rows of the
  /// layer's output [B, hidden], `layerInput` the rows that it attends to [T, hidden], `segments` their offsets [B + 1].
  public func feature(
    into builder: inout GraphBuilder, first: ValueID, layerInput: ValueID, segments: ValueID
  ) throws(GraphError) -> ValueID {
    if input == .first { return first }
    let mean = try builder.add(.segmentMean, [layerInput, segments], name: "mean\(layer)")
    return try builder.add(.concat, [first, mean], name: "head\(layer)")
  }

  /// Appends the head's layers to a graph and returns its logits [B, classes]; `feature` is what it reads.
  public func lower(into builder: inout GraphBuilder, reading feature: ValueID) throws(GraphError) -> ValueID {
    let weights = tensors(of: builder.graph.shape).map { name, sizes in
      builder.graph.weight(name, TensorType(.f32, sizes.map { .fixed($0) }), sources: [name])
    }
    let pooled = try builder.add(.linear(.tanh), [feature], Array(weights[..<2]), name: "pooled\(layer)")
    return try builder.add(.linear(.none), [pooled], Array(weights[2...]), name: "logits\(layer)")
  }
}
