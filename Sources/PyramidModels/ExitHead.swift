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

/// An exit head after a layer: `exits.<layer>.dense`, tanh, `exits.<layer>.classifier`, layer counted from 0. A linear one
/// is the classifier alone.
public struct ExitHead: Sendable {
  /// The layer that it reads the [CLS] rows of.
  public let layer: Int
  /// What it reads.
  public let input: HeadInput
  /// Whether it has no dense layer.
  public let isLinear: Bool
  /// What its tensors' names begin with; empty for the head of a model of one task.
  public var prefix = ""

  /// The head of a layer.
  public init(layer: Int, input: HeadInput, isLinear: Bool = false) {
    (self.layer, self.input, self.isLinear) = (layer, input, isLinear)
  }

  /// Canonical names and shapes: dense [hidden, width of the input] with its bias, classifier [classes, hidden] with
  /// its bias; of a linear head classifier [classes, width of the input] with its bias.
  public func tensors(of shape: ModelShape) -> [(name: String, shape: [Int])] {
    let width = input.width(hidden: shape.hidden)
    let dense = [
      ("\(prefix)exits.\(layer).dense.weight", [shape.hidden, width]),
      ("\(prefix)exits.\(layer).dense.bias", [shape.hidden]),
    ]
    return (isLinear ? [] : dense) + [
      ("\(prefix)exits.\(layer).classifier.weight", [shape.classes, isLinear ? width : shape.hidden]),
      ("\(prefix)exits.\(layer).classifier.bias", [shape.classes]),
    ]
  }

  /// Whether a head of a layer is linear, and whether there is one, by which tensors there are; a head of which only a
  /// part is there is missing the rest.
  public static func isLinear(layer: Int, has: (_ tensor: String) -> Bool) -> Bool? {
    func hasPart(_ part: String) -> Bool {
      ["weight", "bias"].contains { has("exits.\(layer).\(part).\($0)") }
    }
    return hasPart("dense") ? false : hasPart("classifier") ? true : nil
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

  /// Appends the head's layers to a graph and returns its logits [B, classes]; `feature` is what it reads, `shape` that of
  /// its task where that is not the graph's.
  public func lower(
    into builder: inout GraphBuilder, reading feature: ValueID, shape: ModelShape? = nil
  ) throws(GraphError) -> ValueID {
    let weights = tensors(of: shape ?? builder.graph.shape).map { name, sizes in
      builder.graph.weight(name, TensorType(.f32, sizes.map { .fixed($0) }), sources: [name])
    }
    let read =
      isLinear ? feature : try builder.add(.linear(.tanh), [feature], Array(weights[..<2]), name: "pooled\(layer)")
    return try builder.add(.linear(.none), [read], Array(weights.suffix(2)), name: "logits\(layer)")
  }
}
