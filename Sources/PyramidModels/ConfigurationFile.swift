// config.json -> ModelConfiguration, for all families.
//
// The names and defaults are those of Hugging Face `transformers`' configuration classes, also where a key is missing. What
// would change the model's results and is not implemented (decoders, relative positions, pruned heads, quantisation) is
// an error rather than ignored.

import PyramidFormats
import PyramidIR
import PyramidText

/// The names under which a family's config.json keeps its sizes.
struct ConfigurationKeys {
  var hidden = "hidden_size"
  /// nil where embeddings are as wide as the layers.
  var embedding: String?
  var layers = "num_hidden_layers"
  var heads = "num_attention_heads"
  var intermediate = "intermediate_size"
  var activation = "hidden_act"
  /// nil where there are no token types.
  var types: String? = "type_vocab_size"
  /// nil where the epsilon of the norms is always 1e-12.
  var epsilon: String? = "layer_norm_eps"
  var dropout = DropoutKeys()
  /// What holds where a key is missing.
  var defaults = ConfigurationDefaults()
  /// Of groups of layers that share weights, and of layers in a group; nil where each layer has its own.
  var groups: String?, inner: String?
  /// Whether the position after that of padding is a text's first.
  var startsPositionsAfterPadding = false
}

/// The sizes of a family's configuration class.
struct ConfigurationDefaults {
  var vocabulary = 30522
  /// Of families whose embeddings may be narrower.
  var embedding = 128
  var hidden = 768
  var layers = 12
  var heads = 12
  var intermediate = 3072
  var activation = Activation.gelu
  var padToken = 0
}

extension ModelConfiguration {
  /// The largest sizes accepted: above any published encoder; no product of two overflows, and all layers soon compile.
  enum Bound {
    static let hidden = 65_536
    static let layers = 128
    static let intermediate = 1_048_576
    static let positions = 1_048_576
    static let types = 1024
    static let labels = 1_000_000
  }

  /// Reads and checks the content of a config.json; `name` is the model's name for people.
  public init(reading root: JSONField, name: String) throws(FormatError) {
    let family = try ModelFamilies.family(of: root)
    try ModelConfiguration.refuseUnsupported(root)
    let keys = family.keys
    let (defaults, standard) = (keys.defaults, ConfigurationKeys())
    /// A size under its family's name or, as `transformers` allows, under that of most families.
    func size(_ key: String, _ other: String? = nil, in bound: Int, else standard: Int) throws(FormatError) -> Int {
      if let field = try root.optional(key) { return try field.integer(in: 1...bound) }
      guard let other, let field = try root.optional(other) else { return standard }
      return try field.integer(in: 1...bound)
    }
    let hidden = try size(keys.hidden, standard.hidden, in: Bound.hidden, else: defaults.hidden)
    let heads = try size(keys.heads, standard.heads, in: Bound.hidden, else: defaults.heads)
    guard hidden % heads == 0 else {
      throw FormatError(
        file: root.file, place: keys.heads, problem: "\(heads) heads do not divide \(keys.hidden) \(hidden)")
    }
    let vocabulary = try size("vocab_size", in: Vocabulary.maximumCount, else: defaults.vocabulary)
    let embedding = try keys.embedding.map { (key) throws(FormatError) in
      try size(key, in: Bound.hidden, else: defaults.embedding)
    }
    let types = try keys.types.map { (key) throws(FormatError) in try size(key, in: Bound.types, else: 2) }
    let positions = try size("max_position_embeddings", in: Bound.positions, else: 512)
    // A negative one counts from the end of the table, as PyTorch has it.
    let padToken = try root.optional("pad_token_id")?.integer(in: -vocabulary...vocabulary - 1) ?? defaults.padToken
    let firstPosition =
      keys.startsPositionsAfterPadding
      ? try ModelConfiguration.position(after: padToken, root, positions: positions) : 0
    let layers = try size(keys.layers, standard.layers, in: Bound.layers, else: defaults.layers)
    let sharing = try ModelConfiguration.sharing(root, keys, layers: layers)
    try self.init(
      file: root.file, family: family.name, name: name,
      architecture: root.optional("architectures")?.elements().first?.string(),
      hiddenSize: hidden, embeddingSize: embedding ?? hidden, layers: layers * (sharing?.inner ?? 1), sharing: sharing,
      heads: heads, intermediateSize: size(keys.intermediate, in: Bound.intermediate, else: defaults.intermediate),
      vocabularySize: vocabulary, maxPositions: positions - firstPosition, firstPosition: firstPosition,
      typeVocabularySize: types ?? 0,
      layerNormEpsilon: ModelConfiguration.epsilon(root, keys.epsilon),
      activation: ModelConfiguration.activation(root, keys.activation) ?? defaults.activation,
      labels: ModelConfiguration.labels(root), problemType: ModelConfiguration.problemType(root),
      scoreFunction: ModelConfiguration.scoreFunction(root),
      padTokenID: padToken,
      dropout: DropoutRates(reading: root, keys.dropout), headInput: ModelConfiguration.headInput(root))
    if let field = try root.optional("magic_pyramid")?.optional("tasks") {
      for (name, task) in try field.members() {
        tasks[name] = try TaskLabels(
          labels: ModelConfiguration.labels(task), problemType: ModelConfiguration.problemType(task))
      }
    }
    try family.refine(&self, root)
  }

  /// The row of a text's first position, which follows that of padding.
  private static func position(after padToken: Int, _ root: JSONField, positions: Int) throws(FormatError) -> Int {
    if try root.object()["pad_token_id"] == .null {
      throw FormatError(
        file: root.file, place: "pad_token_id", problem: "expected a number: a text's positions start after padding's")
    }
    guard padToken >= -1, positions > padToken + 1 else {
      throw FormatError(
        file: root.file, place: "max_position_embeddings",
        problem: "\(positions) positions, but a text's first one is number \(padToken + 1), after that of pad_token_id")
    }
    return padToken + 1
  }

  private static func refuseUnsupported(_ root: JSONField) throws(FormatError) {
    if let field = try root.optional("quant_mode"), try field.bool() {
      throw field.failure("expected false: quantised checkpoints are not supported; use the original one")
    }
    for key in ["is_decoder", "add_cross_attention", "is_encoder_decoder"] {
      if let field = try root.optional(key), try field.bool() {
        throw field.failure("expected false: decoders are not supported")
      }
    }
    if let field = try root.optional("position_embedding_type"), try field.string() != "absolute" {
      throw field.failure("expected \"absolute\", found \(field.found)")
    }
    if let field = try root.optional("pruned_heads"), try field.object().count > 0 {
      throw field.failure("checkpoints with pruned heads are not supported")
    }
    if let field = try root.optional("quantization_config") {
      throw field.failure("quantised checkpoints are not supported; use the original one")
    }
  }

  private static func epsilon(_ root: JSONField, _ key: String?) throws(FormatError) -> Double {
    guard let key, let field = try root.optional(key) else { return 1e-12 }
    let epsilon = try field.double()
    guard epsilon > 0, epsilon <= 1 else {
      throw field.failure("expected a number above 0 and at most 1, found \(field.found)")
    }
    return epsilon
  }

  /// The names of `transformers`' ACT2FN for functions that there are kernels for.
  private static let activations: KeyValuePairs<String, Activation> = [
    "gelu": .gelu, "gelu_python": .gelu, "gelu_new": .geluTanh, "gelu_fast": .geluTanh, "gelu_accurate": .geluTanh,
    "gelu_pytorch_tanh": .geluTanh, "gelu_python_tanh": .geluTanh, "relu": .relu, "tanh": .tanh, "linear": .none,
  ]

  static func activation(_ root: JSONField, _ key: String) throws(FormatError) -> Activation? {
    guard let field = try root.optional(key) else { return nil }
    let name = try field.string()
    if let known = activations.first(where: { $0.key == name }) { return known.value }
    let supported = activations.map(\.key).joined(separator: ", ")
    throw field.failure("activation \(field.found) is not supported; supported: \(supported)")
  }

  /// How layers share weights; nil in families whose layers don't.
  private static func sharing(
    _ root: JSONField, _ keys: ConfigurationKeys, layers: Int
  ) throws(FormatError) -> LayerSharing? {
    guard let groupsKey = keys.groups, let innerKey = keys.inner else { return nil }
    let groups = try root.optional(groupsKey)?.integer(in: 1...layers) ?? 1
    return LayerSharing(
      groups: groups, inner: try root.optional(innerKey)?.integer(in: 1...max(Bound.layers / layers, 1)) ?? 1)
  }

  /// What `transformers` does not know of a checkpoint with exits stands in an object of its own.
  private static func headInput(_ root: JSONField) throws(FormatError) -> HeadInput {
    guard let field = try root.optional("magic_pyramid")?.optional("head_input") else { return .first }
    if let input = HeadInput(rawValue: try field.string()) { return input }
    let known = HeadInput.allCases.map(\.rawValue).joined(separator: ", ")
    throw field.failure("head input \(field.found) is not supported; supported: \(known)")
  }

  /// `id2label` in the order of its ids, unless `num_labels` is another number: then, or without names, as many numbered
  /// labels; else none.
  private static func labels(_ root: JSONField) throws(FormatError) -> [String] {
    let count = try root.optional("num_labels")?.integer(in: 1...Bound.labels)
    guard let field = try root.optional("id2label") else { return numberedLabels(count ?? 0) }
    let members = try field.members()
    if let count, count != members.count { return numberedLabels(count) }
    guard !members.isEmpty, members.count <= Bound.labels else {
      throw field.failure("expected 1 to \(Bound.labels) labels, found \(members.count)")
    }
    var labels = [String?](repeating: nil, count: members.count)
    for (key, label) in members {
      // Only the canonical spelling is an id: with "01" allowed, two keys could mean the same class.
      guard let id = Int(key), String(id) == key, labels.indices.contains(id) else {
        throw label.failure("expected the ids 0 to \(members.count - 1), each once")
      }
      // A number is a name like any other: datasets' own class names may be years or stars.
      if case .number(let number) = label.value { labels[id] = number.text } else { labels[id] = try label.string() }
    }
    return labels.compactMap { $0 }
  }
}
