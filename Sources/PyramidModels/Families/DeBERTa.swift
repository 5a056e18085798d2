// DeBERTa v2 and v3 (He et al. 2021): BERT's layers with disentangled attention, whose scores also hold the products of
// query and key with a table of distances, as a layer's own projections make it of the one that all layers share. These
// products of weights are formed when the model is compiled. Head: the pooler of the first token, and a classifier.

import PyramidFormats
import PyramidIR

/// What config.json says about distances and embeddings.
struct DeBERTaDetails: Sendable, Equatable {
  /// What distances add to scores; empty for plain attention.
  var terms: [RelativeAttention.Term]
  var buckets: DistanceBuckets?
  /// Whether the tables are made by the projections of queries and keys, or by some of their own.
  var sharesProjections: Bool
  /// Whether the shared table is normalised.
  var normsTable: Bool
  /// Whether absolute positions are embedded.
  var embedsPositions: Bool
  var poolerActivation: Activation
}

/// `DebertaV2ForSequenceClassification`.
enum DeBERTaV2: ModelFamily {
  static let name = "deberta-v2"
  static let prefix = "deberta"
  static let keys = ConfigurationKeys(
    types: nil,
    defaults: ConfigurationDefaults(vocabulary: 128_100, hidden: 1536, layers: 24, heads: 24, intermediate: 6144))
  static let classifier = "classifier"
  static let architecture = "DebertaV2ForSequenceClassification"
  static let unprefixed: Set<String> = ["pooler", "classifier"]

  static func refine(_ configuration: inout ModelConfiguration, _ root: JSONField) throws(FormatError) {
    typealias Bound = ModelConfiguration.Bound
    let hidden = configuration.hiddenSize
    configuration.typeVocabularySize = try root.optional("type_vocab_size")?.integer(in: 0...Bound.types) ?? 0
    configuration.embeddingSize = try root.optional("embedding_size")?.integer(in: 1...Bound.hidden) ?? hidden
    if try root.optional("layer_norm_eps") == nil { configuration.layerNormEpsilon = 1e-7 }
    try expect(root, "conv_kernel_size", 0, "its convolution is not supported")
    try expect(root, "pooler_hidden_size", hidden, "the pooler is as wide as the layers")
    try expect(root, "attention_head_size", hidden / configuration.heads, "heads share the width")
    let terms = try terms(root)
    let isRelative = try root.optional("relative_attention")?.bool() ?? false
    if !isRelative && !terms.isEmpty {
      throw FormatError(
        file: root.file, place: "pos_att_type", problem: "has terms, but relative_attention is not true")
    }
    let norms = try root.optional("norm_rel_ebd")?.string() ?? "none"
    let poolerActivation = try ModelConfiguration.activation(root, "pooler_hidden_act")
    configuration.details = .deberta(
      DeBERTaDetails(
        terms: terms, buckets: terms.isEmpty ? nil : try buckets(root, positions: configuration.maxPositions),
        sharesProjections: try root.optional("share_att_key")?.bool() ?? false,
        normsTable: isRelative && words(norms).contains("layer_norm"),
        embedsPositions: try root.optional("position_biased_input")?.bool() ?? true,
        poolerActivation: poolerActivation ?? .gelu))
  }

  /// Throws when a whole number is there and is another.
  private static func expect(_ root: JSONField, _ key: String, _ value: Int, _ why: String) throws(FormatError) {
    guard let field = try root.optional(key), try field.double() != Double(value) else { return }
    throw field.failure("expected \(value), found \(field.found): \(why)")
  }

  /// `["p2c", "c2p"]`, or `"p2c|c2p"`.
  private static func terms(_ root: JSONField) throws(FormatError) -> [RelativeAttention.Term] {
    guard let field = try root.optional("pos_att_type") else { return [] }
    var names: [String] = []
    if case .array = field.value {
      for element in try field.elements() { names.append(try element.string()) }
    } else {
      names = words(try field.string())
    }
    let known = ["c2p", "p2c"]
    if let other = names.first(where: { !known.contains($0) && !$0.isEmpty }) {
      throw field.failure("\(other.quoted) is not supported; supported: \(known.joined(separator: ", "))")
    }
    return (names.contains("c2p") ? [.queryProduct] : []) + (names.contains("p2c") ? [.keyProduct] : [])
  }

  /// What stands between `|`, in lower case and without spaces.
  private static func words(_ text: String) -> [String] {
    text.lowercased().utf8.split(separator: UInt8(ascii: "|")).map {
      String(decoding: $0.filter { $0 != UInt8(ascii: " ") }, as: UTF8.self)
    }
  }

  private static func buckets(_ root: JSONField, positions: Int) throws(FormatError) -> DistanceBuckets {
    let limit = ModelConfiguration.Bound.positions
    var reach = try root.optional("max_relative_positions")?.integer(in: -1...limit) ?? -1
    if reach < 1 { reach = positions }
    guard let field = try root.optional("position_buckets") else {
      return DistanceBuckets(.centred, count: reach, reach: 0)
    }
    let count = try field.integer(in: -1...limit)
    guard count > 0 else { return DistanceBuckets(.centred, count: reach, reach: 0) }
    guard count > 3, reach > count / 2 + 1 else {
      throw field.failure("\(count) buckets for \(reach) positions are not supported")
    }
    return DistanceBuckets(.centred, count: count, reach: reach)
  }

  static func build(_ model: inout ModelBuilder) throws {
    guard case .deberta(let details) = model.configuration.details else { return }
    let configuration = model.configuration
    let inputs = try model.inputs(hasTypes: configuration.typeVocabularySize > 0)
    var hidden = try model.debertaEmbeddings(inputs, hasPositions: details.embedsPositions)
    for number in 0..<configuration.layers {
      let tables = model.distanceTables(number, details)
      let relative = RelativeAttention(heads: configuration.heads, terms: details.terms, buckets: details.buckets)
      hidden = try model.postNormLayer(
        number, hidden, inputs, tensors: layer(number), relative: details.terms.isEmpty ? nil : (relative, tables))
    }
    try model.classify(
      hidden, inputs, dense: "pooler.dense", activation: details.poolerActivation, classifier: classifier)
  }

  private static func layer(_ number: Int) -> PostNormLayer {
    let prefix = "encoder.layer.\(number)"
    return PostNormLayer(
      query: "\(prefix).attention.self.query_proj", key: "\(prefix).attention.self.key_proj",
      value: "\(prefix).attention.self.value_proj", attention: "\(prefix).attention.output.dense",
      attentionNorm: "\(prefix).attention.output.LayerNorm", intermediate: "\(prefix).intermediate.dense",
      output: "\(prefix).output.dense", outputNorm: "\(prefix).output.LayerNorm")
  }
}

extension ModelBuilder {
  /// Sum of the embeddings that there are, projected to the hidden width where they are narrower, normalised.
  fileprivate mutating func debertaEmbeddings(_ inputs: ModelInputs, hasPositions: Bool) throws -> ValueID {
    let (width, hidden) = (configuration.embeddingSize, configuration.hiddenSize)
    let prefix = "embeddings."
    var indices = [inputs.tokenIDs]
    var tables = [
      weight(prefix + "words", [configuration.vocabularySize, width], prefix + "word_embeddings.weight")
    ]
    let positions = [configuration.maxPositions, width]
    if hasPositions {
      indices.append(inputs.positions)
      tables.append(weight(prefix + "positions", positions, prefix + "position_embeddings.weight"))
    } else {
      // Published checkpoints have a table that nothing reads.
      inventory.allow(prefix + "position_embeddings.weight", positions)
    }
    if let types = inputs.types {
      indices.append(types)
      tables.append(
        weight(
          prefix + "types", [configuration.typeVocabularySize, width], prefix + "token_type_embeddings.weight"))
    }
    var sum = try builder.add(.embed, indices, tables, name: "embedded")
    if width != hidden {
      sum = try linear(
        sum, prefix + "projection", prefix + "embed_proj", hidden, width, hasBias: false, name: "projected")
    }
    return try norm(sum, prefix + "norm", prefix + "LayerNorm", width: hidden, name: "normed")
  }

  /// The tables of a layer, one for each term.
  fileprivate mutating func distanceTables(_ number: Int, _ details: DeBERTaDetails) -> [WeightID] {
    guard let buckets = details.buckets else { return [] }
    let hidden = configuration.hiddenSize
    let (shared, norm) = ("encoder.rel_embeddings.weight", "encoder.LayerNorm")
    inventory.want(shared, [buckets.rows, hidden])
    var table = TensorExpression.tensor(shared)
    if details.normsTable {
      for part in ["weight", "bias"] { inventory.want("\(norm).\(part)", [hidden]) }
      table = .layerNorm(table, norm, epsilon: configuration.layerNormEpsilon)
    }
    return details.terms.map { term in
      let isOfQuery = term == .queryProduct
      let own = isOfQuery ? "pos_key_proj" : "pos_query_proj"
      let name = details.sharesProjections ? isOfQuery ? "key_proj" : "query_proj" : own
      let prefix = "encoder.layer.\(number).attention.self.\(name)"
      inventory.want(prefix + ".weight", [hidden, hidden])
      inventory.want(prefix + ".bias", [hidden])
      return derived("l\(number).\(term.rawValue)", [buckets.rows, hidden], .linear(table, prefix))
    }
  }
}
