// config.json -> ModelConfiguration, for all families.
//
// The names and defaults are those of Hugging Face `transformers`' configuration classes. What would change the
// model's results and is not implemented (decoders, relative positions, pruned heads, quantisation) is an error rather
// than ignored.

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
}

extension ModelConfiguration {
  /// The largest sizes accepted; far above any published encoder, low enough that no product of two overflows.
  enum Bound {
    static let hidden = 65_536
    static let layers = 1024
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
    let hidden = try root.required(keys.hidden).integer(in: 1...Bound.hidden)
    let heads = try root.required(keys.heads).integer(in: 1...Bound.hidden)
    guard hidden % heads == 0 else {
      throw try root.required(keys.heads).failure("\(heads) heads do not divide \(keys.hidden) \(hidden)")
    }
    let vocabulary = try root.required("vocab_size").integer(in: 1...Vocabulary.maximumCount)
    let embedding = if let key = keys.embedding { try root.required(key).integer(in: 1...Bound.hidden) } else { hidden }
    let types = if let key = keys.types { try root.optional(key)?.integer(in: 1...Bound.types) ?? 2 } else { 0 }
    try self.init(
      file: root.file, family: family.name, name: name,
      architecture: root.optional("architectures")?.elements().first?.string(),
      hiddenSize: hidden, embeddingSize: embedding,
      layers: root.required(keys.layers).integer(in: 1...Bound.layers), heads: heads,
      intermediateSize: root.required(keys.intermediate).integer(in: 1...Bound.intermediate),
      vocabularySize: vocabulary,
      maxPositions: root.optional("max_position_embeddings")?.integer(in: 1...Bound.positions) ?? 512,
      typeVocabularySize: types,
      layerNormEpsilon: ModelConfiguration.epsilon(root, keys.epsilon),
      activation: ModelConfiguration.activation(root, keys.activation),
      labels: ModelConfiguration.labels(root),
      padTokenID: root.optional("pad_token_id")?.integer(in: 0...vocabulary - 1) ?? 0,
      dropout: DropoutRates(reading: root, keys.dropout), headInput: ModelConfiguration.headInput(root))
    try family.refine(&self, root)
  }

  private static func refuseUnsupported(_ root: JSONField) throws(FormatError) {
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
    if let field = try root.optional("problem_type"), try field.string() != "single_label_classification" {
      throw field.failure("expected \"single_label_classification\", found \(field.found)")
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

  static func activation(_ root: JSONField, _ key: String) throws(FormatError) -> Activation {
    guard let field = try root.optional(key) else { return .gelu }
    switch try field.string() {
    case "gelu": return .gelu
    case "gelu_new", "gelu_pytorch_tanh": return .geluTanh
    case "relu": return .relu
    default:
      throw field.failure(
        "activation \(field.found) is not supported; supported: gelu, gelu_new, gelu_pytorch_tanh, relu")
    }
  }

  /// What `transformers` does not know of a checkpoint with exits stands in an object of its own.
  private static func headInput(_ root: JSONField) throws(FormatError) -> HeadInput {
    guard let field = try root.optional("magic_pyramid")?.optional("head_input") else { return .first }
    if let input = HeadInput(rawValue: try field.string()) { return input }
    let known = HeadInput.allCases.map(\.rawValue).joined(separator: ", ")
    throw field.failure("head input \(field.found) is not supported; supported: \(known)")
  }

  /// `id2label` in the order of its ids; else as many numbered labels as `num_labels` says; else none.
  private static func labels(_ root: JSONField) throws(FormatError) -> [String] {
    guard let field = try root.optional("id2label") else {
      guard let count = try root.optional("num_labels") else { return [] }
      return numberedLabels(try count.integer(in: 1...Bound.labels))
    }
    let members = try field.members()
    guard !members.isEmpty, members.count <= Bound.labels else {
      throw field.failure("expected 1 to \(Bound.labels) labels, found \(members.count)")
    }
    var labels = [String?](repeating: nil, count: members.count)
    for (key, label) in members {
      // Only the canonical spelling is an id: with "01" allowed, two keys could mean the same class.
      guard let id = Int(key), String(id) == key, labels.indices.contains(id) else {
        throw label.failure("expected the ids 0 to \(members.count - 1), each once")
      }
      labels[id] = try label.string()
    }
    return labels.compactMap { $0 }
  }
}
