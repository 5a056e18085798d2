// The graph: a preamble (facts, policies, dims, weights, and what the last passes add) and nodes in program order. It
// is a value: a pass edits its own copy. Editing operations are in Graph+Editing.swift, construction in
// GraphBuilder.swift.

import PyramidPolicy

/// Where in the model a node belongs; sections follow each other in this order.
public enum Section: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// What is decided before anything is embedded.
  case entry
  case embeddings
  case layer(Int)
  case output
  /// What training graphs end with: all backward nodes.
  case gradients

  public var description: String {
    switch self {
    case .entry: "entry"
    case .embeddings: "embeddings"
    case .layer(let number): "layer \(number)"
    case .output: "output"
    case .gradients: "gradients"
    }
  }
}

/// The sizes of the model that the graph computes, for paper counts and for policies.
public struct ModelShape: Hashable, Sendable {
  /// The `model_type` of its config.json.
  public let family: String
  /// Encoder layers, width, attention heads, width of the feed-forward layer, logits.
  public let layers, hidden, heads, intermediate, classes: Int
  /// What the logits are.
  public let task: ModelTask
  /// The tasks of a graph that answers several, whose classes add up to `classes`; empty for one.
  public internal(set) var tasks: [TaskShape]

  /// A shape; sizes are positive.
  public init(
    family: String, layers: Int, hidden: Int, heads: Int, intermediate: Int, classes: Int,
    task: ModelTask = .classification, tasks: [TaskShape] = []
  ) {
    (self.task, self.tasks) = (task, tasks)
    self.family = family
    self.layers = layers
    self.hidden = hidden
    self.heads = heads
    self.intermediate = intermediate
    self.classes = classes
  }

  /// What policies may know of the model.
  public var facts: ModelFacts {
    ModelFacts(layers: layers, classes: classes, heads: heads, hidden: hidden, answers: task.answers)
  }
}

/// How a weight lies in the artefact.
public enum WeightLayout: Hashable, Sendable {
  /// Row-major, as in the checkpoint.
  case plain
  /// A linear layer's matrix in column panels of this many output columns.
  case panels(Int)
}

/// A weight symbol: its type, the checkpoint tensors that it is made of (joined along axis 0) and its layout.
public struct Weight: Hashable, Sendable {
  /// Name without `#`, unique.
  public var name: String
  /// Logical type; layout does not change it.
  public var type: TensorType
  /// Canonical names of the checkpoint's tensors, in order.
  public var sources: [String]
  /// Layout in the artefact.
  public var layout: WeightLayout = .plain
  /// Number format in the artefact; the logical type stays f32.
  public var precision: Precision = .f32

  /// A weight of plain layout in f32.
  public init(name: String, type: TensorType, sources: [String]) {
    self.name = name
    self.type = type
    self.sources = sources
  }
}

extension Weight {
  /// The first axis, which is always fixed.
  public var rowCount: Int {
    if case .fixed(let count) = type.rows { count } else { 0 }
  }
}

/// A value: name, type, and the buffer slot that `plan-memory` gave it.
public struct Value: Hashable, Sendable {
  /// Name without `%`, unique among values in use.
  public var name: String
  /// Element and axes.
  public var type: TensorType
  /// Index into `Graph.slots`; nil before planning, and for inputs, which the caller provides.
  public var slot: Int?
}

/// One node.
public struct Node: Hashable, Sendable {
  /// Stable identity.
  public let id: NodeID
  /// What it does.
  public var op: Op
  /// Values read, in the order the op documents.
  public var inputs: [ValueID]
  /// Weights read, in the order the op documents.
  public var weights: [WeightID]
  /// Values made.
  public let results: [ValueID]
  /// Where it belongs.
  public var section: Section
  /// The kernel that `choose-kernels` picked; nil before, and for what needs none.
  public var kernel: Kernel?

  /// The kernel as text writes it: `mnemonic.set[.precision]`.
  public var kernelName: String? { kernel.map { op.mnemonic + $0.suffix } }
}

/// One buffer of the memory plan: bytes for each row of a dim of the family. A `B` slot has one row more than the dim's
/// bound so that offsets fit.
public struct Slot: Hashable, Sendable {
  /// Which admitted dim scales it.
  public let family: DimFamily
  /// Bytes for one row.
  public var bytesPerRow: Int

  /// A slot.
  public init(family: DimFamily, bytesPerRow: Int) {
    self.family = family
    self.bytesPerRow = bytesPerRow
  }
}

/// What a graph is for; the rules on its sections and answers depend on it.
public enum Purpose: String, Hashable, Sendable, CaseIterable {
  /// Answers every sample.
  case classify
  /// Computes losses and the gradients of weights by them; answers nothing.
  case train
}

/// A lowered classifier.
public struct Graph: Sendable {
  /// Name without `@`.
  public var name: String
  /// Model sizes.
  public var shape: ModelShape
  /// What it is for.
  public var purpose = Purpose.classify
  /// `sha256:...` of the checkpoint's weights, when known.
  public var checkpoint: String?
  /// Instruction set that kernels were chosen for; nil before `choose-kernels`.
  public var target: InstructionSet?
  /// The policies woven in, or to be.
  public var policies = PolicyPair<PolicySpec>()
  /// Where policies are to be woven in; nil for every boundary at which they are active, and once they are woven in.
  public var placement: PolicyPlacement?
  /// Declared dims, `B0` and `T0` first.
  public var dims: [DimDeclaration] = []
  /// Weight symbols.
  public var weights: [Weight] = []
  /// All values ever made; only those that a node makes are alive.
  public var values: [Value] = []
  /// Program order.
  public var nodes: [Node] = []
  /// Memory plan; empty before `plan-memory`.
  public var slots: [Slot] = []
  /// Operation counts; empty before `count-operations`.
  public var costs: [SectionCost] = []
  var nextSerial = 0
  /// The names of the first `namedValues` values: `uniqueName` would else look at all of them for every new one.
  var valueNames: Set<String> = []
  var namedValues = 0

  /// An empty graph that admits up to `samples` samples of up to `tokens` tokens together.
  public init(name: String, shape: ModelShape, samples: Int, tokens: Int) {
    self.name = name
    self.shape = shape
    dims = [
      DimDeclaration(.admittedSamples, bound: .constant(samples)),
      DimDeclaration(.admittedTokens, bound: .constant(tokens)),
    ]
  }

  /// The value of a handle.
  public subscript(value: ValueID) -> Value {
    get { values[value.index] }
    set {
      values[value.index] = newValue
      if value.index < namedValues { valueNames.insert(newValue.name) }
    }
  }

  /// The weight of a handle.
  public subscript(weight: WeightID) -> Weight {
    get { weights[weight.index] }
    set { weights[weight.index] = newValue }
  }

  /// The constant that bounds a family's admitted dim; 0 when it is not declared.
  public func admitted(_ family: DimFamily) -> Int {
    for declaration in dims where declaration.dim == Dim(family, 0) {
      if case .constant(let count) = declaration.bound { return count }
    }
    return 0
  }
}
