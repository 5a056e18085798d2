// ModernBERT (Warner et al. 2024): norms before attention and feed-forward, rotary positions, a gated feed-forward, and
// attention that sees a window in all layers but every few. Positions are embedded nowhere. The last layer's rows are
// normalised; the head reads the first of them or their mean: dense, activation, norm, classifier.

import PyramidFormats
import PyramidIR

/// What config.json says about layers and head.
struct ModernBERTDetails: Sendable, Equatable {
  /// By layer: how far away a key may be that a query sees, nil for any, and the base of the frequencies.
  var layers: [Layer]
  var normBias, attentionBias, feedForwardBias, headBias: Bool
  /// Whether the head reads the mean of the rows.
  var poolsMean: Bool
  var headActivation: Activation

  struct Layer: Sendable, Equatable {
    var window: Int?
    var base: Float
  }
}

/// `ModernBertForSequenceClassification`.
enum ModernBERT: ModelFamily {
  static let name = "modernbert"
  static let prefix = "model"
  static let keys = ConfigurationKeys(
    activation: "hidden_activation", types: nil, epsilon: "norm_eps",
    dropout: DropoutKeys(
      hidden: "mlp_dropout", attention: "attention_dropout", hiddenRate: 0, attentionRate: 0),
    defaults: ConfigurationDefaults(vocabulary: 50_368, layers: 22, intermediate: 1152, padToken: 50_283))
  static let classifier = "classifier"
  static let architecture = "ModernBertForSequenceClassification"
  static let unprefixed: Set<String> = ["head", "classifier"]

  static func refine(_ configuration: inout ModelConfiguration, _ root: JSONField) throws(FormatError) {
    if try root.optional("norm_eps") == nil { configuration.layerNormEpsilon = 1e-5 }
    if try root.optional("max_position_embeddings") == nil { configuration.maxPositions = 8192 }
    let headSize = configuration.hiddenSize / configuration.heads
    if let field = try root.optional("head_dim"), try field.integer(in: 1...65_536) != headSize {
      throw field.failure("expected \(headSize), found \(field.found): heads share the width")
    }
    guard headSize % 2 == 0 else {
      throw FormatError(
        file: root.file, place: "num_attention_heads", problem: "heads of \(headSize) columns can't be turned in pairs")
    }
    func flag(_ key: String) throws(FormatError) -> Bool { try root.optional(key)?.bool() ?? false }
    let pooling = try root.optional("classifier_pooling")?.string() ?? "cls"
    guard pooling == "cls" || pooling == "mean" else {
      throw try root.required("classifier_pooling").failure("expected \"cls\" or \"mean\", found \(pooling.quoted)")
    }
    let activation = try ModelConfiguration.activation(root, "classifier_activation")
    configuration.details = .modernBERT(
      ModernBERTDetails(
        layers: try layers(root, configuration.layers), normBias: try flag("norm_bias"),
        attentionBias: try flag("attention_bias"), feedForwardBias: try flag("mlp_bias"),
        headBias: try flag("classifier_bias"), poolsMean: pooling == "mean", headActivation: activation ?? .gelu))
  }

  /// `layer_types`, or every few layers, with the bases of `rope_parameters`, or of version 4's keys.
  private static func layers(_ root: JSONField, _ count: Int) throws(FormatError) -> [ModernBERTDetails.Layer] {
    let width = try root.optional("local_attention")?.integer(in: 0...ModelConfiguration.Bound.positions) ?? 128
    guard width >= 2 else { throw try root.required("local_attention").failure("expected a window of at least 2") }
    let every = try root.optional("global_attn_every_n_layers")?.integer(in: 1...65_536) ?? 3
    var isLocal = (0..<count).map { $0 % every != 0 }
    if let field = try root.optional("layer_types") {
      let types = try field.elements()
      guard types.count >= count else { throw field.failure("\(types.count) layers, expected \(count)") }
      for (number, type) in types.prefix(count).enumerated() {
        switch try type.string() {
        case "sliding_attention": isLocal[number] = true
        case "full_attention": isLocal[number] = false
        default: throw type.failure("expected \"sliding_attention\" or \"full_attention\", found \(type.found)")
        }
      }
    }
    let global = try base(root, "full_attention", "global_rope_theta", 160_000)
    let local = try base(root, "sliding_attention", "local_rope_theta", 10_000)
    return isLocal.map { ModernBERTDetails.Layer(window: $0 ? width / 2 : nil, base: $0 ? local : global) }
  }

  private static func base(
    _ root: JSONField, _ type: String, _ oldKey: String, _ standard: Float
  ) throws(FormatError) -> Float {
    if let field = try root.optional("rope_scaling") {
      throw field.failure("scaled rotary positions are not supported")
    }
    let parameters = try root.optional("rope_parameters")?.optional(type)
    if let kind = try parameters?.optional("rope_type"), try kind.string() != "default" {
      throw kind.failure("expected \"default\", found \(kind.found)")
    }
    // Where both are there, the old key is not read.
    let current = try parameters?.optional("rope_theta")
    let old = try root.optional(oldKey)
    guard let field = current ?? old else { return standard }
    let base = Float(try field.double())
    guard base > 1, base.isFinite else { throw field.failure("expected a number above 1, found \(field.found)") }
    return base
  }

  static func build(_ model: inout ModelBuilder) throws {
    guard case .modernBERT(let details) = model.configuration.details else { return }
    let inputs = try model.inputs(hasTypes: false)
    let (width, vocabulary) = (model.configuration.hiddenSize, model.configuration.vocabularySize)
    let words = model.weight("embeddings.words", [vocabulary, width], "embeddings.tok_embeddings.weight")
    let embedded = try model.builder.add(.embed, [inputs.tokenIDs], [words], name: "embedded")
    var hidden = try model.norm(
      embedded, "embeddings.norm", "embeddings.norm", width: width, hasBias: details.normBias, name: "normed")
    for number in 0..<model.configuration.layers { hidden = try model.preNormLayer(number, hidden, inputs, details) }
    try model.modernHead(hidden, inputs, details)
  }
}

extension ModelBuilder {
  /// Norm (but in layer 0), attention, residual; norm, gated feed-forward, residual: [T, hidden].
  fileprivate mutating func preNormLayer(
    _ number: Int, _ x: ValueID, _ inputs: ModelInputs, _ details: ModernBERTDetails
  ) throws -> ValueID {
    builder.section = .layer(number)
    let (width, wide) = (configuration.hiddenSize, configuration.intermediateSize)
    let (l, n, prefix) = ("l\(number).", "\(number)", "layers.\(number).")
    let normed =
      number == 0
      ? x
      : try norm(x, l + "norm", prefix + "attn_norm", width: width, hasBias: details.normBias, name: "normed" + n)
    let context = try attention(number, normed, inputs, details)
    let projected = try linear(
      context, l + "attention", prefix + "attn.Wo", width, width, hasBias: details.attentionBias, name: "attended" + n)
    let middle = try builder.add(.add, [projected, x], name: "middle" + n)
    let narrowed = try norm(
      middle, l + "middle.norm", prefix + "mlp_norm", width: width, hasBias: details.normBias, name: "narrowed" + n)
    let both = try linear(
      narrowed, l + "intermediate", prefix + "mlp.Wi", 2 * wide, width, hasBias: details.feedForwardBias,
      name: "wide" + n)
    let gated = try builder.add(.gate(configuration.activation), [both], name: "gated" + n)
    let narrow = try linear(
      gated, l + "output", prefix + "mlp.Wo", width, wide, hasBias: details.feedForwardBias, name: "narrow" + n)
    return try builder.add(.add, [narrow, middle], name: "hidden" + n)
  }

  /// Queries and keys turned by their positions, then attention: [T, hidden].
  private mutating func attention(
    _ number: Int, _ x: ValueID, _ inputs: ModelInputs, _ details: ModernBERTDetails
  ) throws -> ValueID {
    let (width, heads, layer) = (configuration.hiddenSize, configuration.heads, details.layers[number])
    let tensor = "layers.\(number).attn.Wqkv"
    inventory.want(tensor + ".weight", [3 * width, width])
    if details.attentionBias { inventory.want(tensor + ".bias", [3 * width]) }
    let rotation = Rotation(size: width / heads, columns: width, base: layer.base)
    let parts = try ["query", "key", "value"].enumerated().map { place, name in
      let (first, end) = (place * width, (place + 1) * width)
      let w = derived(
        "l\(number).\(name).weight", [width, width], .tensor(tensor + ".weight", first: first, end: end))
      let b = derived(
        "l\(number).\(name).bias", [width],
        details.attentionBias ? .tensor(tensor + ".bias", first: first, end: end) : .zeros(width))
      let short = "\(name.prefix(1))\(number)"
      let made = try builder.add(.linear(.none), [x], [w, b], name: short)
      return place == 2 ? made : try builder.add(.rotate(rotation), [made, inputs.positions], name: short + ".turned")
    }
    guard let window = layer.window else {
      return try builder.add(.attention(heads: heads, emits: []), parts + [inputs.segments], name: "context\(number)")
    }
    let relative = RelativeAttention(heads: heads, window: window)
    return try builder.add(
      .relativeAttention(relative, emits: []), parts + [inputs.positions, inputs.segments], name: "context\(number)")
  }

  /// The norm of the last rows, and the head.
  fileprivate mutating func modernHead(
    _ hidden: ValueID, _ inputs: ModelInputs, _ details: ModernBERTDetails
  ) throws {
    builder.section = .output
    let (width, classes) = (configuration.hiddenSize, builder.graph.shape.classes)
    func final(_ x: ValueID, in model: inout ModelBuilder) throws -> ValueID {
      try model.norm(x, "final.norm", "final_norm", width: width, hasBias: details.normBias, name: "final")
    }
    let pooled: ValueID
    if details.poolsMean {
      let rows = try final(hidden, in: &self)
      pooled = try builder.add(.segmentMean, [rows, inputs.segments], name: "pooled")
    } else {
      let first = try builder.add(.firstRows, [hidden, inputs.segments], name: "cls")
      pooled = try final(first, in: &self)
    }
    let dense = try linear(
      pooled, "head.dense", "head.dense", width, width, isHead: true, hasBias: details.headBias, name: "dense")
    let active = try builder.add(.activate(details.headActivation), [dense], name: "dense.active")
    let normed = try norm(
      active, "head.norm", "head.norm", width: width, hasBias: details.normBias, name: "dense.normed")
    let logits = try linear(normed, "head.classifier", "classifier", classes, width, isHead: true, name: "logits")
    try builder.addEffect(.classify, [inputs.samples, logits])
  }
}
