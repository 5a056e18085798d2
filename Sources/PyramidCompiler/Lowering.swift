// Checkpoint -> plain graph: one node for each step of the model as its paper draws it, nothing fused, no policy. What
// the families differ in comes from `FamilyDescription`; everything clever is left to the passes.

import PyramidFormats
import PyramidIR

/// The plain graph of a checkpoint and what the policies may want from it.
public struct LoweredModel: Sendable {
  /// The graph: embeddings, layers, output.
  public var graph: Graph
  /// Layers, from 0, after which the checkpoint has an exit head.
  public let exitHeads: Set<Int>
  /// Learned parameters by tensor name, `prune.thresholds` for one.
  public let learned: [String: [Float]]
  /// Class names in order.
  public let labels: [String]
}

/// Lowers checkpoints.
public struct Lowering {
  /// Most samples that a compiled graph admits at once.
  public static let admittedSamples = 64
  /// Most tokens that a compiled graph admits at once.
  public static let admittedTokens = 8192

  private let configuration: ModelConfiguration
  private let family: FamilyDescription
  private let tensors: TensorCollection
  private let classes: Int
  private var inventory = TensorInventory()
  private var builder: GraphBuilder

  /// Lowers a checkpoint to a graph called `name`. Throws `CompileError` when tensors are missing, unknown or
  /// misshapen.
  public static func lower(_ checkpoint: CheckpointFolder, name: String) throws -> LoweredModel {
    var lowering = try Lowering(checkpoint, name: name)
    return try lowering.run()
  }

  private init(_ checkpoint: CheckpointFolder, name: String) throws {
    let (configuration, tensors) = (checkpoint.configuration, checkpoint.tensors)
    let family = FamilyDescription.of(configuration)
    let classifier = tensors.canonicalNames[family.classifier.weight].flatMap { tensors.shape(of: $0) }
    classes = classifier?.first ?? max(configuration.labels.count, 1)
    (self.configuration, self.tensors, self.family) = (configuration, tensors, family)
    let shape = ModelShape(
      family: family.name, layers: configuration.layers, hidden: configuration.hiddenSize, heads: configuration.heads,
      intermediate: configuration.intermediateSize, classes: classes)
    builder = GraphBuilder(
      Graph(
        name: name, shape: shape, samples: Self.admittedSamples,
        tokens: max(Self.admittedTokens, configuration.maxPositions)))
  }

  private mutating func run() throws -> LoweredModel {
    let segments: ValueID
    var (hidden, inputs) = try lowerEmbeddings()
    segments = inputs.segments
    for number in 0..<configuration.layers {
      builder.section = .layer(number)
      hidden = try lowerLayer(number, hidden, segments)
    }
    builder.section = .output
    let first = try builder.add(.firstRows, [hidden, segments], name: "cls")
    let head = try lowerHead(first)
    try builder.addEffect(.classify, [inputs.samples, head])
    let exitHeads = noteExitHeads()
    let learnedShape = [max(configuration.layers - 1, 0)]
    inventory.allow("prune.thresholds", learnedShape)
    try inventory.check(against: tensors)
    var learned: [String: [Float]] = [:]
    if let original = tensors.canonicalNames["prune.thresholds"] {
      learned["prune.thresholds"] = try tensors.floats(of: original)
    }
    return LoweredModel(
      graph: builder.graph, exitHeads: exitHeads, learned: learned, labels: try configuration.labels(count: classes))
  }

  private mutating func lowerEmbeddings() throws -> (ValueID, (segments: ValueID, samples: ValueID)) {
    let ids = try builder.add(.input(.tokenIDs), [], name: "ids")
    let positions = try builder.add(.input(.positions), [], name: "positions")
    var indices = [ids, positions]
    let width = configuration.embeddingSize
    var tables = [
      weight("embeddings.words", [configuration.vocabularySize, width], [family.words]),
      weight("embeddings.positions", [configuration.maxPositions, width], [family.positions]),
    ]
    if let types = family.types {
      indices.append(try builder.add(.input(.typeIDs), [], name: "types"))
      tables.append(weight("embeddings.types", [configuration.typeVocabularySize, width], [types]))
    }
    let segments = try builder.add(.input(.segments), [], name: "segments")
    let samples = try builder.add(.input(.samples), [], name: "samples")
    let sum = try builder.add(.embed, indices, tables, name: "embedded")
    var hidden = try norm(sum, "embeddings.norm", family.embeddingNorm, width: width, name: "normed")
    if let projection = family.projection {
      hidden = try linear(
        hidden, "embeddings.projection", projection, configuration.hiddenSize, width, name: "projected")
    }
    return (hidden, (segments, samples))
  }

  private mutating func lowerLayer(_ number: Int, _ x: ValueID, _ segments: ValueID) throws -> ValueID {
    let names = family.layer(number)
    let width = configuration.hiddenSize
    let (l, n) = ("l\(number).", "\(number)")
    let q = try linear(x, l + "query", names.query, width, width, name: "q" + n)
    let k = try linear(x, l + "key", names.key, width, width, name: "k" + n)
    let v = try linear(x, l + "value", names.value, width, width, name: "v" + n)
    let context = try builder.add(
      .attention(heads: configuration.heads, emits: []), [q, k, v, segments], name: "context" + n)
    let projected = try linear(context, l + "attention", names.attentionOutput, width, width, name: "attended" + n)
    let summed = try builder.add(.add, [projected, x], name: "sum" + n)
    let middle = try norm(summed, l + "attention.norm", names.attentionNorm, width: width, name: "middle" + n)
    let wide = try linear(
      middle, l + "intermediate", names.intermediate, configuration.intermediateSize, width, name: "wide" + n)
    let active = try builder.add(.activate(activation), [wide], name: "active" + n)
    let narrow = try linear(
      active, l + "output", names.output, width, configuration.intermediateSize, name: "narrow" + n)
    let sum = try builder.add(.add, [narrow, middle], name: "outer" + n)
    return try norm(sum, l + "output.norm", names.outputNorm, width: width, name: "hidden" + n)
  }

  private mutating func lowerHead(_ first: ValueID) throws -> ValueID {
    let width = configuration.hiddenSize
    let dense = try linear(first, "head.dense", family.headDense, width, width, name: "pooled")
    let activation: PyramidIR.Activation =
      switch family.headActivation {
      case .tanh: .tanh
      case .relu: .relu
      case .gelu: .gelu
      }
    let active = try builder.add(.activate(activation), [dense], name: "pooled.active")
    return try linear(active, "head.classifier", family.classifier, classes, width, name: "logits")
  }

  /// Exit heads are not lowered here, since only `schedule-policies` knows which are wanted; their tensors are checked.
  private mutating func noteExitHeads() -> Set<Int> {
    var found: Set<Int> = []
    for number in 0..<max(configuration.layers - 1, 0) {
      let shapes = ExitHead(layer: number).tensors(hidden: configuration.hiddenSize, classes: classes)
      let isPresent = shapes.contains { tensors.canonicalNames[$0.name] != nil }
      for (name, shape) in shapes {
        if isPresent { inventory.want(name, shape) }
      }
      if isPresent { found.insert(number) }
    }
    return found
  }

  private var activation: PyramidIR.Activation {
    switch configuration.activation {
    case .gelu: .gelu
    case .geluTanh: .geluTanh
    case .relu: .relu
    }
  }

  private mutating func weight(_ name: String, _ shape: [Int], _ sources: [String]) -> WeightID {
    inventory.want(sources[0], shape)
    return builder.graph.weight(name, TensorType(.f32, shape.map { .fixed($0) }), sources: sources)
  }

  private mutating func linear(
    _ x: ValueID, _ symbol: String, _ names: TensorPair, _ columns: Int, _ depth: Int, name: String
  ) throws -> ValueID {
    let w = weight(symbol + ".weight", [columns, depth], [names.weight])
    let b = weight(symbol + ".bias", [columns], [names.bias])
    return try builder.add(.linear(.none), [x], [w, b], name: name)
  }

  private mutating func norm(
    _ x: ValueID, _ symbol: String, _ names: TensorPair, width: Int, name: String
  ) throws -> ValueID {
    let gamma = weight(symbol + ".gamma", [width], [names.weight])
    let beta = weight(symbol + ".beta", [width], [names.bias])
    return try builder.add(.layerNorm(epsilon: Float(configuration.layerNormEpsilon)), [x], [gamma, beta], name: name)
  }
}

/// An intermediate classifier's tensors: `exits.<layer>.dense` and `exits.<layer>.classifier`, layer from 0, tanh
/// between them.
struct ExitHead {
  let layer: Int
  var dense: TensorPair { TensorPair("exits.\(layer).dense") }
  var classifier: TensorPair { TensorPair("exits.\(layer).classifier") }

  func tensors(hidden: Int, classes: Int) -> [(name: String, shape: [Int])] {
    [
      (dense.weight, [hidden, hidden]), (dense.bias, [hidden]), (classifier.weight, [classes, hidden]),
      (classifier.bias, [classes]),
    ]
  }
}
