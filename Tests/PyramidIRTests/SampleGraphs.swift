// The graphs that the tests of this module share: a two-layer BERT of tiny width, built with GraphBuilder the way the
// compiler lowers a checkpoint, without policies and with an exit and a pruning policy between its layers.

import PyramidIR
import PyramidPolicy

/// Hidden width 8, 2 heads, feed-forward width 16, 3 classes.
struct SampleModel {
  static let shape = ModelShape(family: "bert", layers: 2, hidden: 8, heads: 2, intermediate: 16, classes: 3)

  var builder: GraphBuilder
  var samples: ValueID
  var segments: ValueID
  var hidden: ValueID

  /// The embeddings of the model.
  private init() throws {
    var builder = GraphBuilder(Graph(name: "tiny", shape: Self.shape, samples: 4, tokens: 32))
    let ids = try builder.add(.input(.tokenIDs), [], name: "ids")
    let positions = try builder.add(.input(.positions), [], name: "positions")
    let types = try builder.add(.input(.typeIDs), [], name: "types")
    segments = try builder.add(.input(.segments), [], name: "segments")
    samples = try builder.add(.input(.samples), [], name: "samples")
    let tables = [("word", 50), ("position", 16), ("type", 2)].map { name, rows in
      builder.graph.weight(
        "embeddings.\(name)", TensorType(.f32, [.fixed(rows), .fixed(8)]),
        sources: ["embeddings.\(name)_embeddings.weight"])
    }
    let sum = try builder.add(.embed, [ids, positions, types], tables, name: "e")
    let norm = Self.norm(&builder, "embeddings.norm")
    hidden = try builder.add(.layerNorm(epsilon: 1e-12), [sum], norm, name: "h0")
    self.builder = builder
  }

  /// Without policies.
  static func plain() throws -> Graph {
    var model = try SampleModel()
    try model.addLayer(0)
    try model.addLayer(1)
    try model.finish()
    return model.builder.graph
  }

  /// With `@entropy` and `@received-attention` after layer 0.
  static func pyramid() throws -> Graph {
    var model = try SampleModel()
    model.builder.graph.policies = PolicyPair(
      exit: try PolicySpec("entropy(threshold=0.1)"),
      prune: try PolicySpec("received-attention(thresholds=#prune.thresholds, scale=1)"))
    let received = try model.addLayer(0, emits: [.received])
    try model.addBoundary(0, received: received[0])
    try model.addLayer(1)
    try model.finish()
    return model.builder.graph
  }

  private static func norm(_ builder: inout GraphBuilder, _ name: String) -> [WeightID] {
    ["gamma", "beta"].map {
      builder.graph.weight("\(name).\($0)", TensorType(.f32, [.fixed(8)]), sources: ["\(name).\($0)"])
    }
  }

  private mutating func linear(
    _ x: ValueID, _ weight: String, _ rows: Int, _ columns: Int, _ activation: Activation = .none, name: String
  ) throws -> ValueID {
    let matrix = builder.graph.weight(
      "\(weight).weight", TensorType(.f32, [.fixed(rows), .fixed(columns)]), sources: ["\(weight).weight"])
    let bias = builder.graph.weight("\(weight).bias", TensorType(.f32, [.fixed(rows)]), sources: ["\(weight).bias"])
    return try builder.add(.linear(activation), [x], [matrix, bias], name: name)
  }

  @discardableResult
  private mutating func addLayer(_ number: Int, emits: [Emission] = []) throws -> [ValueID] {
    builder.section = .layer(number)
    let prefix = "l\(number)"
    let parts = try ["q", "k", "v"].map { try linear(hidden, "\(prefix).\($0)", 8, 8, name: "\($0)\(number)") }
    let attended = try builder.addAll(
      .attention(heads: 2, emits: emits), parts + [segments], names: ["a\(number)"] + emits.map { _ in "recv\(number)" }
    )
    let projected = try linear(attended[0], "\(prefix).o", 8, 8, name: "o\(number)")
    let sum = try builder.add(.add, [projected, hidden], name: "s\(number)")
    let mid = try builder.add(
      .layerNorm(epsilon: 1e-12), [sum], Self.norm(&builder, "\(prefix).norm1"), name: "m\(number)")
    let up = try linear(mid, "\(prefix).up", 16, 8, name: "u\(number)")
    let active = try builder.add(.activate(.gelu), [up], name: "g\(number)")
    let down = try linear(active, "\(prefix).down", 8, 16, name: "d\(number)")
    let second = try builder.add(.add, [down, mid], name: "t\(number)")
    hidden = try builder.add(
      .layerNorm(epsilon: 1e-12), [second], Self.norm(&builder, "\(prefix).norm2"), name: "h\(number + 1)")
    return Array(attended.dropFirst())
  }

  private mutating func addHead(_ prefix: String, _ suffix: String) throws -> ValueID {
    let first = try builder.add(.firstRows, [hidden, segments], name: "cls\(suffix)")
    let dense = try linear(first, "\(prefix).dense", 8, 8, .tanh, name: "dense\(suffix)")
    return try linear(dense, "\(prefix).classifier", 3, 8, name: "logits\(suffix)")
  }

  private mutating func addBoundary(_ layer: Int, received: ValueID) throws {
    let logits = try addHead("exits.\(layer)", "\(layer)")
    let probabilities = try builder.add(.softmax, [logits], name: "p\(layer)")
    let stay = try builder.add(
      .decideExit(policy: "entropy", at: .after(layer), reads: [.probabilities]), [samples, logits, probabilities],
      name: "stay\(layer)")
    let keep = try builder.add(
      .decidePrune(policy: "received-attention", at: .after(layer), reads: [.receivedAttention], afterExit: true),
      [segments, stay, received], name: "keep\(layer)")
    hidden = try builder.add(.compact, [hidden, keep], name: "x\(layer + 1)")
    samples = try builder.add(.compact, [samples, stay], name: "samples\(layer + 1)")
    segments = try builder.add(.compactSegments, [segments, keep, stay], name: "segments\(layer + 1)")
  }

  private mutating func finish() throws {
    builder.section = .output
    let logits = try addHead("pooler", "")
    try builder.addEffect(.classify, [samples, logits])
  }
}

/// The smallest graph that the verifier accepts: one layer without feed-forward, one head.
let smallestText = """
  graph @small version 1 {
    model bert {layers 1, hidden 4, heads 1, intermediate 4, classes 2}
    dim B0 <= 2
    dim T0 <= 8
    weight #word : f32[9, 4] = "word"
    weight #place : f32[8, 4] = "place"
    weight #w : f32[2, 4] = "w"
    weight #b : f32[2] = "b"

    embeddings {
      %ids = input token-ids : i32[T0]
      %positions = input positions : i32[T0]
      %segments = input segments : i32[B0 + 1]
      %samples = input samples : i32[B0]
      %h = embed %ids, %positions, #word, #place : f32[T0, 4]
    }
    layer 0 {
      %a = attention %h, %h, %h, %segments {heads 1} : f32[T0, 4]
    }
    output {
      %cls = first_rows %a, %segments : f32[B0, 4]
      %logits = linear %cls, #w, #b : f32[B0, 2]
      classify %samples, %logits
    }
  }
  """
