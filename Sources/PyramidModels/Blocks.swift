// The blocks that families build their graphs of: one node for each step of the model as its paper draws it, nothing
// fused, no policy. Everything clever is left to the passes. Each block notes the tensors that it wants.

import PyramidIR

/// The values that a batch brings.
struct ModelInputs {
  let tokenIDs, positions, segments, samples: ValueID
  /// nil for a family without token types.
  let types: ValueID?
}

/// The tensors of a post-norm encoder layer, each a prefix of `.weight` and `.bias`.
struct PostNormLayer { let query, key, value, attention, attentionNorm, intermediate, output, outputNorm: String }

/// A plain graph under construction.
struct ModelBuilder {
  /// The sizes.
  let configuration: ModelConfiguration
  /// The tensors that the blocks so far want.
  var inventory = TensorInventory()
  /// The graph so far.
  var builder: GraphBuilder

  /// The batch's inputs.
  mutating func inputs(hasTypes: Bool) throws -> ModelInputs {
    let tokenIDs = try builder.add(.input(.tokenIDs), [], name: "ids")
    let positions = try builder.add(.input(.positions), [], name: "positions")
    let types = hasTypes ? try builder.add(.input(.typeIDs), [], name: "types") : nil
    let segments = try builder.add(.input(.segments), [], name: "segments")
    let samples = try builder.add(.input(.samples), [], name: "samples")
    return ModelInputs(tokenIDs: tokenIDs, positions: positions, segments: segments, samples: samples, types: types)
  }

  /// Sum of word, position and, where there are any, type embeddings, normalised: [T, embeddingSize]. A position is the
  /// token's place in its sample, counted from 0; its row is as far from the table's first row for positions.
  mutating func embeddings(_ inputs: ModelInputs) throws -> ValueID {
    let width = configuration.embeddingSize
    var indices = [inputs.tokenIDs, inputs.positions]
    var tables = [
      weight("embeddings.words", [configuration.vocabularySize, width], "embeddings.word_embeddings.weight"),
      weight(
        "embeddings.positions", [configuration.maxPositions, width], "embeddings.position_embeddings.weight",
        from: configuration.firstPosition),
    ]
    if let types = inputs.types {
      indices.append(types)
      tables.append(
        weight(
          "embeddings.types", [configuration.typeVocabularySize, width], "embeddings.token_type_embeddings.weight"))
    }
    let sum = try builder.add(.embed, indices, tables, name: "embedded")
    return try norm(sum, "embeddings.norm", "embeddings.LayerNorm", width: width, name: "normed")
  }

  /// From the width of the embeddings to the hidden width.
  mutating func projection(_ x: ValueID, tensor: String) throws -> ValueID {
    try linear(
      x, "embeddings.projection", tensor, configuration.hiddenSize, configuration.embeddingSize, name: "projected")
  }

  /// Attention, residual, norm; feed-forward, residual, norm (Vaswani et al. 2017, as BERT has it): [T, hidden]. Layers that
  /// name the same `symbols` share their weights. With `relative`, positions count in attention.
  mutating func postNormLayer(
    _ number: Int, _ x: ValueID, _ inputs: ModelInputs, tensors: PostNormLayer, symbols: String? = nil,
    relative: (op: RelativeAttention, tables: [WeightID])? = nil
  ) throws -> ValueID {
    builder.section = .layer(number)
    let (width, wideWidth) = (configuration.hiddenSize, configuration.intermediateSize)
    let (l, n) = ("\(symbols ?? "l\(number)").", "\(number)")
    let q = try linear(x, l + "query", tensors.query, width, width, name: "q" + n)
    let k = try linear(x, l + "key", tensors.key, width, width, name: "k" + n)
    let v = try linear(x, l + "value", tensors.value, width, width, name: "v" + n)
    let context =
      try relative.map {
        try builder.add(
          .relativeAttention($0.op, emits: []), [q, k, v, inputs.positions, inputs.segments], $0.tables,
          name: "context" + n)
      }
      ?? builder.add(
        .attention(heads: configuration.heads, emits: []), [q, k, v, inputs.segments], name: "context" + n)
    let projected = try linear(context, l + "attention", tensors.attention, width, width, name: "attended" + n)
    let summed = try builder.add(.add, [projected, x], name: "sum" + n)
    let middle = try norm(summed, l + "attention.norm", tensors.attentionNorm, width: width, name: "middle" + n)
    let wide = try linear(middle, l + "intermediate", tensors.intermediate, wideWidth, width, name: "wide" + n)
    let activation = configuration.activation
    let active = activation == .none ? wide : try builder.add(.activate(activation), [wide], name: "active" + n)
    let narrow = try linear(active, l + "output", tensors.output, width, wideWidth, name: "narrow" + n)
    let sum = try builder.add(.add, [narrow, middle], name: "outer" + n)
    return try norm(sum, l + "output.norm", tensors.outputNorm, width: width, name: "hidden" + n)
  }

  /// The classification head on the [CLS] rows, and the answers: dense layer, activation, classifier.
  mutating func classify(
    _ hidden: ValueID, _ inputs: ModelInputs, dense: String, activation: Activation, classifier: String
  ) throws {
    builder.section = .output
    let (width, classes) = (configuration.hiddenSize, builder.graph.shape.classes)
    let first = try builder.add(.firstRows, [hidden, inputs.segments], name: "cls")
    let pooled = try linear(first, "head.dense", dense, width, width, isHead: true, name: "pooled")
    let active = try builder.add(.activate(activation), [pooled], name: "pooled.active")
    let logits = try linear(active, "head.classifier", classifier, classes, width, isHead: true, name: "logits")
    try builder.addEffect(.classify, [inputs.samples, logits])
  }

  /// A weight that is not simply a tensor; whoever asks for it notes the tensors.
  mutating func derived(_ name: String, _ shape: [Int], _ expression: TensorExpression) -> WeightID {
    builder.graph.weight(name, TensorType(.f32, shape.map { .fixed($0) }), sources: [expression.source])
  }

  /// A weight of the tensor's rows from `firstRow` on; `shape` is without the rows before.
  mutating func weight(
    _ name: String, _ shape: [Int], _ tensor: String, from firstRow: Int = 0, isHead: Bool = false
  ) -> WeightID {
    inventory.want(tensor, [shape[0] + firstRow] + shape.dropFirst(), isHead: isHead)
    return derived(name, shape, .tensor(tensor, first: firstRow))
  }

  /// A linear layer; the bias of one that has none is zero.
  mutating func linear(
    _ x: ValueID, _ symbol: String, _ tensor: String, _ columns: Int, _ depth: Int, isHead: Bool = false,
    hasBias: Bool = true, name: String
  ) throws -> ValueID {
    let w = weight(symbol + ".weight", [columns, depth], tensor + ".weight", isHead: isHead)
    let b =
      hasBias
      ? weight(symbol + ".bias", [columns], tensor + ".bias", isHead: isHead)
      : derived(symbol + ".bias", [columns], .zeros(columns))
    return try builder.add(.linear(.none), [x], [w, b], name: name)
  }

  /// A layer norm; the bias of one that has none is zero.
  mutating func norm(
    _ x: ValueID, _ symbol: String, _ tensor: String, width: Int, hasBias: Bool = true, name: String
  ) throws -> ValueID {
    let gamma = weight(symbol + ".gamma", [width], tensor + ".weight")
    let beta =
      hasBias
      ? weight(symbol + ".beta", [width], tensor + ".bias") : derived(symbol + ".beta", [width], .zeros(width))
    return try builder.add(.layerNorm(epsilon: Float(configuration.layerNormEpsilon)), [x], [gamma, beta], name: name)
  }
}
