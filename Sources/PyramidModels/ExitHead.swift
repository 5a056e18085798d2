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
/// is the classifier alone. One that adds the entry has `exits.<layer>.entry` besides, a linear layer over the logits of the
/// entry's head, whose result is added to its own logits: with a multiple of the identity that is the geometric mean of
/// both heads' probabilities (the ensembles of Zero Time Waste, Wolczyk et al. 2021, 2106.05409, of two heads).
public struct ExitHead: Sendable {
  /// The layer that it reads the [CLS] rows of.
  public let layer: Int
  /// What it reads.
  public let input: HeadInput
  /// Whether it has no dense layer.
  public let isLinear: Bool
  /// Whether it adds what the entry's head said.
  public let addsEntry: Bool
  /// What its tensors' names begin with; empty for the head of a model of one task.
  public var prefix = ""

  /// The head of a layer.
  public init(layer: Int, input: HeadInput, isLinear: Bool = false, addsEntry: Bool = false) {
    (self.layer, self.input, self.isLinear, self.addsEntry) = (layer, input, isLinear, addsEntry)
  }

  /// The canonical name of a part of what is added of the entry, `weight` or `bias`, in a model of one task.
  public static func entryTensor(layer: Int, _ part: String) -> String { "exits.\(layer).entry.\(part)" }

  /// Whether a head of a layer adds the entry, by which tensors there are.
  public static func addsEntry(layer: Int, has: (_ tensor: String) -> Bool) -> Bool {
    ["weight", "bias"].contains { has(entryTensor(layer: layer, $0)) }
  }

  /// Canonical names and shapes of what is added of the entry: weight [classes, classes], bias [classes].
  public func entryTensors(of shape: ModelShape) -> [(name: String, shape: [Int])] {
    [
      (prefix + Self.entryTensor(layer: layer, "weight"), [shape.classes, shape.classes]),
      (prefix + Self.entryTensor(layer: layer, "bias"), [shape.classes]),
    ]
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

  /// Appends the head's layers to a graph and returns its logits [B, classes]; `feature` is what it reads, `entry` the
  /// logits of the entry's head [B, classes] where it adds them, `shape` that of its task where that is not the graph's.
  public func lower(
    into builder: inout GraphBuilder, reading feature: ValueID, entry: ValueID? = nil, shape: ModelShape? = nil
  ) throws(GraphError) -> ValueID {
    let shape = shape ?? builder.graph.shape
    func weights(_ tensors: [(name: String, shape: [Int])]) -> [WeightID] {
      tensors.map { name, sizes in
        builder.graph.weight(name, TensorType(.f32, sizes.map { .fixed($0) }), sources: [name])
      }
    }
    let own = weights(tensors(of: shape))
    let read = isLinear ? feature : try builder.add(.linear(.tanh), [feature], Array(own[..<2]), name: "pooled\(layer)")
    let logits = try builder.add(.linear(.none), [read], Array(own.suffix(2)), name: "logits\(layer)")
    guard addsEntry, let entry else { return logits }
    let share = try builder.add(.linear(.none), [entry], weights(entryTensors(of: shape)), name: "entryShare\(layer)")
    return try builder.add(.add, [logits, share], name: "mixed\(layer)")
  }
}
