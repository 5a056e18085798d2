// A whole classifier with seeded weights, lowered the plain way or the fused way, with exits and pruning at each
// boundary if asked. It stands in for the compiler, which this module must not need.

import PyramidIR
import PyramidPolicy
import PyramidReference

/// Numbers in -1 ..< 1 that depend on a name only.
struct SeededValues {
  private var state: UInt64

  init(name: String) {
    state = name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
  }
}

/// Sizes and policies of a test model.
struct ModelRecipe {
  var layers = 3, hidden = 8, heads = 2, intermediate = 16, classes = 3, vocabulary = 40
  var isFused = false
  var exit: (name: String, reads: [ExitSignal])?
  var prune: (name: String, reads: [TokenSignal])?
  /// Whether samples may leave before the first layer, by a head that reads pairs; with an exit policy only.
  var hasEntry = false

  /// The model's facts as policies see them.
  var facts: ModelFacts { ModelFacts(layers: layers, classes: classes, heads: heads) }

  func graph() throws -> Graph {
    var lowering = try ModelLowering(self)
    for layer in 0..<layers { try lowering.add(layer: layer) }
    try lowering.finish()
    try lowering.builder.graph.verify()
    return lowering.builder.graph
  }

  /// Seeded values of a weight, made source by source, so that joined weights equal their parts.
  static func values(of weight: Weight) -> [Float] {
    let count = weight.type.extents.reduce(1) { product, extent in
      if case .fixed(let count) = extent { product * count } else { product }
    }
    return weight.sources.flatMap { source in
      var random = SeededValues(name: source)
      return (0..<count / weight.sources.count).map { _ in random.next() }
    }
  }

  func interpreter(exit: PolicyInstance? = nil, prune: PolicyInstance? = nil) throws -> ReferenceInterpreter {
    try ReferenceInterpreter(graph: graph(), weight: Self.values, policies: PolicyPair(exit: exit, prune: prune))
  }

  /// Samples of given lengths with seeded token ids.
  func batch(_ lengths: [Int], seed: String = "batch") -> ReferenceBatch {
    var random = SeededValues(name: seed)
    return ReferenceBatch(
      tokenIDs: lengths.map { length in
        (0..<length).map { _ in Int32(abs(random.next()) * Float(vocabulary - 1)) }
      })
  }
}

/// Lowers a recipe, layer by layer.
private struct ModelLowering {
  let recipe: ModelRecipe
  var builder: GraphBuilder
  var x, segments, samples, ids, positions: ValueID
  var earlier: [ValueID] = []

  init(_ recipe: ModelRecipe) throws {
    self.recipe = recipe
    let shape = ModelShape(
      family: "bert", layers: recipe.layers, hidden: recipe.hidden, heads: recipe.heads,
      intermediate: recipe.intermediate, classes: recipe.classes)
    var builder = GraphBuilder(Graph(name: "model", shape: shape, samples: 64, tokens: 1024))
    builder.graph.policies.exit = recipe.exit.map { PolicySpec(name: $0.name) }
    builder.graph.policies.prune = recipe.prune.map { PolicySpec(name: $0.name) }
    if recipe.hasEntry { builder.section = .entry }
    ids = try builder.add(.input(.tokenIDs), [], name: "ids")
    positions = try builder.add(.input(.positions), [], name: "positions")
    var types = try builder.add(.input(.typeIDs), [], name: "types")
    segments = try builder.add(.input(.segments), [], name: "segments")
    samples = try builder.add(.input(.samples), [], name: "samples")
    self.builder = builder
    x = ids
    if recipe.hasEntry, let exit = recipe.exit {
      let keep = try addEntry(exit.name, reads: exit.reads)
      types = try self.builder.add(.compact, [types, keep], name: "types")
      self.builder.section = .embeddings
    }
    let tables = [
      matrix("words", recipe.vocabulary, recipe.hidden), matrix("places", 256, recipe.hidden),
      matrix("types", 2, recipe.hidden),
    ]
    let sum = try self.builder.add(.embed, [ids, positions, types], tables, name: "embedded")
    x = try self.builder.add(.layerNorm(epsilon: 1e-12), [sum], norm("embeddings"), name: "x")
  }

  /// The entry's head and exit, and the ids that are left; the tokens that stay.
  private mutating func addEntry(_ name: String, reads: [ExitSignal]) throws -> ValueID {
    let tables = [
      matrix("entry.table", recipe.vocabulary, recipe.classes), matrix("entry.pairs", 32, recipe.classes),
      vector("entry.bias", recipe.classes),
    ]
    let logits = try builder.add(
      .bagLogits(skip: [0, 3], separator: 3), [ids, segments], tables, name: "entry.logits")
    let stay = try decideExit(.entry, logits, first: nil, name: name, reads: reads)
    let keep = try builder.add(.keepSamples, [segments, stay], name: "keep")
    ids = try builder.add(.compact, [ids, keep], name: "ids")
    positions = try builder.add(.compact, [positions, keep], name: "positions")
    segments = try builder.add(.compactSegments, [segments, keep, stay], name: "segments")
    samples = try builder.add(.compact, [samples, stay], name: "samples")
    earlier = try earlier.map { try builder.add(.compact, [$0, stay], name: "earlier") }
    return keep
  }

  mutating func matrix(_ name: String, _ rows: Int, _ columns: Int, sources: [String]? = nil) -> WeightID {
    builder.graph.weight(name, TensorType(.f32, [.fixed(rows), .fixed(columns)]), sources: sources ?? [name])
  }

  mutating func vector(_ name: String, _ count: Int, sources: [String]? = nil) -> WeightID {
    builder.graph.weight(name, TensorType(.f32, [.fixed(count)]), sources: sources ?? [name])
  }

  mutating func dense(_ name: String, _ rows: Int, _ columns: Int) -> [WeightID] {
    [matrix("\(name).weight", rows, columns), vector("\(name).bias", rows)]
  }

  mutating func norm(_ name: String) -> [WeightID] {
    [vector("\(name).gamma", recipe.hidden), vector("\(name).beta", recipe.hidden)]
  }

  mutating func add(layer: Int) throws {
    builder.section = .layer(layer)
    let emitted = try attend(layer)
    try addAndNorm(layer, "attention.output", from: emitted.context, depth: recipe.hidden)
    let width = recipe.intermediate
    let weights = dense("l\(layer).up", width, recipe.hidden)
    let up: ValueID
    if recipe.isFused {
      up = try builder.add(.linear(.gelu), [x], weights, name: "up")
    } else {
      let product = try builder.add(.linear(.none), [x], weights, name: "up.linear")
      up = try builder.add(.activate(.gelu), [product], name: "up")
    }
    try addAndNorm(layer, "down", from: up, depth: width)
    if layer + 1 < recipe.layers { try addBoundary(layer, received: emitted.received) }
  }

  private mutating func attend(_ layer: Int) throws -> (context: ValueID, received: ValueID) {
    let names = ["context", "received"]
    let size = recipe.hidden
    let parts = ["q", "k", "v"].map { "l\(layer).\($0)" }
    let results: [ValueID]
    if recipe.isFused {
      let weights = [
        matrix("l\(layer).qkv.weight", 3 * size, size, sources: parts.map { "\($0).weight" }),
        vector("l\(layer).qkv.bias", 3 * size, sources: parts.map { "\($0).bias" }),
      ]
      let joined = try builder.add(.linear(.none), [x], weights, name: "qkv")
      results = try builder.addAll(
        .attentionQKV(heads: recipe.heads, emits: [.received]), [joined, segments], names: names)
    } else {
      var operands: [ValueID] = []
      for part in parts {
        operands.append(try builder.add(.linear(.none), [x], dense(part, size, size), name: part))
      }
      results = try builder.addAll(
        .attention(heads: recipe.heads, emits: [.received]), operands + [segments], names: names)
    }
    return (results[0], results[1])
  }

  private mutating func addAndNorm(_ layer: Int, _ name: String, from input: ValueID, depth: Int) throws {
    let weights = dense("l\(layer).\(name)", recipe.hidden, depth)
    let scale = norm("l\(layer).\(name).norm")
    if recipe.isFused {
      x = try builder.add(.linearAddNorm(epsilon: 1e-12), [input, x], weights + scale, name: "x")
    } else {
      let product = try builder.add(.linear(.none), [input], weights, name: "product")
      let sum = try builder.add(.add, [product, x], name: "sum")
      x = try builder.add(.layerNorm(epsilon: 1e-12), [sum], scale, name: "x")
    }
  }

  /// Head, exit, pruning and compaction, as far as the recipe has them.
  private mutating func addBoundary(_ layer: Int, received: ValueID) throws {
    let stay = try recipe.exit.map { try addExit(layer, name: $0.name, reads: $0.reads) }
    let keep: ValueID
    if let prune = recipe.prune {
      let signals: [ValueID] = prune.reads.map { signal in
        switch signal {
        case .position: positions
        case .tokenID: ids
        case .hidden: x
        default: received
        }
      }
      keep = try builder.add(
        .decidePrune(policy: prune.name, at: .after(layer), reads: prune.reads, afterExit: stay != nil),
        [segments] + (stay.map { [$0] } ?? []) + signals, name: "keep")
    } else if let stay {
      keep = try builder.add(.keepSamples, [segments, stay], name: "keep")
    } else {
      return
    }
    x = try builder.add(.compact, [x, keep], name: "x")
    ids = try builder.add(.compact, [ids, keep], name: "ids")
    positions = try builder.add(.compact, [positions, keep], name: "positions")
    segments = try builder.add(.compactSegments, [segments, keep] + (stay.map { [$0] } ?? []), name: "segments")
    guard let stay else { return }
    samples = try builder.add(.compact, [samples, stay], name: "samples")
    earlier = try earlier.map { try builder.add(.compact, [$0, stay], name: "earlier") }
  }

  private mutating func addExit(_ layer: Int, name: String, reads: [ExitSignal]) throws -> ValueID {
    let first = try builder.add(.firstRows, [x, segments], name: "first")
    let logits = try head("exits.\(layer)", first)
    return try decideExit(.after(layer), logits, first: first, name: name, reads: reads)
  }

  private mutating func decideExit(
    _ boundary: Boundary, _ logits: ValueID, first: ValueID?, name: String, reads: [ExitSignal]
  ) throws -> ValueID {
    let probabilities = try builder.add(.softmax, [logits], name: "probabilities")
    let signals = reads.flatMap { signal -> [ValueID] in
      switch signal {
      case .probabilities: [probabilities]
      // The rows after a layer stand for those before it: which ones a policy is handed is the compiler's to say.
      case .hidden, .earlierHidden: first.map { [$0] } ?? []
      case .tokensAlive: [segments]
      case .earlierProbabilities: earlier
      case .logits, .tokenIDs, .groupLogits: []
      }
    }
    earlier.append(probabilities)
    return try builder.add(
      .decideExit(policy: name, at: boundary, reads: reads), [samples, logits] + signals, name: "stay")
  }

  private mutating func head(_ name: String, _ first: ValueID) throws -> ValueID {
    let size = recipe.hidden
    let pooled = try builder.add(.linear(.tanh), [first], dense("\(name).dense", size, size), name: "pooled")
    return try builder.add(
      .linear(.none), [pooled], dense("\(name).classifier", recipe.classes, size), name: "logits")
  }

  mutating func finish() throws {
    builder.section = .output
    let first = try builder.add(.firstRows, [x, segments], name: "first")
    try builder.addEffect(.classify, [samples, head("pooler", first)])
  }
}
