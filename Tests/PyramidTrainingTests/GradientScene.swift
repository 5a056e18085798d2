// Small graphs around one operation, over seeded shapes and ragged batches: rows come from tables and a loss is put on
// whatever the operation makes, so that every gradient that the operation has is a gradient of some weight.

import PyramidIR
import PyramidPolicy
import PyramidReference
import PyramidTestSupport
import PyramidTraining

/// A graph under construction, and what it runs on.
struct GradientScene {
  var random: SeededValues
  var builder: GraphBuilder
  var weights: [String: [Float]] = [:]
  let lengths: [Int]
  let ids, positions, segments: ValueID
  /// What attentions made besides a vector: they get losses of their own, since a gradient by scores alone is refused.
  private var contexts: [ValueID] = []
  static let classes = 3

  init(_ seed: String) throws {
    random = SeededValues(seed)
    lengths = [random.integer(in: 1...5), 1, random.integer(in: 2...4)]
    let shape = ModelShape(family: "bert", layers: 2, hidden: 4, heads: 2, intermediate: 4, classes: Self.classes)
    builder = GraphBuilder(Graph(name: "scene", shape: shape, samples: 8, tokens: 64))
    builder.graph.purpose = .train
    ids = try builder.add(.input(.tokenIDs), [], name: "ids")
    positions = try builder.add(.input(.positions), [], name: "positions")
    segments = try builder.add(.input(.segments), [], name: "segments")
    builder.section = .layer(0)
  }

  /// A weight of seeded values around `centre`.
  mutating func weight(_ name: String, _ shape: [Int], around centre: Float = 0) -> WeightID {
    weights[name] = (0..<shape.reduce(1, *)).map { _ in centre + random.unit() }
    return builder.graph.weight(name, TensorType(.f32, shape.map { .fixed($0) }), sources: [name])
  }

  /// Rows f32[T0, width], the sum of two tables; ids repeat.
  mutating func rows(_ name: String, _ width: Int) throws -> ValueID {
    let tables = [weight(name + ".words", [6, width]), weight(name + ".places", [5, width])]
    return try builder.add(.embed, [ids, positions], tables, name: name)
  }

  /// A vector f32[T0]: what attention over some rows hands out.
  mutating func vector(_ name: String) throws -> ValueID {
    let x = try rows(name, 4)
    let made = try attention(.attention(heads: 2, emits: [.received]), [x, x, x], name: name)
    contexts.append(made[0])
    return made[1]
  }

  mutating func attention(_ op: Op, _ operands: [ValueID], name: String = "y") throws -> [ValueID] {
    try builder.addAll(op, operands + [segments], names: [name, name + ".received"])
  }

  mutating func add(_ op: Op, _ inputs: [ValueID], _ weights: [WeightID] = [], name: String = "y") throws -> ValueID {
    try builder.add(op, inputs, weights, name: name)
  }

  mutating func linear(_ x: ValueID, _ width: Int, _ activation: Activation = .none, name: String) throws -> ValueID {
    let depth = builder.graph[x].type.columns
    return try add(
      .linear(activation), [x], [weight(name + ".w", [width, depth]), weight(name + ".b", [width])], name: name)
  }

  /// Three projections of one width of some rows.
  mutating func projections(_ width: Int) throws -> [ValueID] {
    let x = try rows("x", 3)
    return try ["q", "k", "v"].map { try linear(x, width, name: $0) }
  }

  /// The case, with a loss on every row of `y`: towards other rows' probabilities, or the targets of the samples.
  mutating func lossCase(on y: ValueID, prune: PolicyInstance? = nil) throws -> TrainingCase {
    let logits = try linear(y, Self.classes, name: "head")
    let isOfSamples = builder.graph[y].type.rows.dim?.family == .samples
    let targets: ValueID
    if isOfSamples {
      targets = try add(.gradient(.targets(width: Self.classes)), [], name: "targets")
    } else if builder.graph[y].type.rows.dim == .admittedTokens {
      targets = try add(.softmax, [rows("teacher", Self.classes)], name: "targets")
    } else {
      targets = try add(.softmax, [linear(y, Self.classes, name: "teacher")], name: "targets")
    }
    return try lossCase(logits, targets, scale: 0.5, prune: prune)
  }

  mutating func lossCase(
    _ logits: ValueID, _ targets: ValueID, scale: Float, prune: PolicyInstance? = nil
  ) throws -> TrainingCase {
    _ = try add(.gradient(.crossEntropy(scale: scale)), [logits, targets], name: "loss")
    for (number, context) in contexts.enumerated() {
      let logits = try linear(context, Self.classes, name: "context\(number)")
      let targets = try add(.softmax, [rows("teacher\(number)", Self.classes)], name: "targets\(number)")
      _ = try add(.gradient(.crossEntropy(scale: 0.7)), [logits, targets], name: "loss\(number)")
    }
    try builder.graph.verify()
    // Any distribution will do, also one that does not add up to 1.
    let targets = lengths.map { _ in (0..<Self.classes).map { _ in abs(random.unit()) } }
    let tokens = lengths.map { length in (0..<length).map { _ in Int32(random.integer(in: 0...5)) } }
    return TrainingCase(
      builder.graph, weights: weights, batch: ReferenceBatch(tokenIDs: tokens),
      inputs: ReferenceTrainingInputs(targets: targets, random: RandomState(seed: 7, step: 3)), prune: prune)
  }
}

/// Keeps the first token and every other one.
struct KeepEven: PruningPolicy {
  static let name = "keep-even"
  let reads: Set<TokenSignal> = [.position]
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .above(0.5) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for token in scores.indices { scores[token] = token % 2 == 0 ? 1 : 0 }
  }

  static func instance(_ graph: Graph) throws -> PolicyInstance {
    try PolicyType(KeepEven.self).make(PolicySpec(name), model: graph.shape.facts)
  }
}
