// ALBERT: BERT's computation with embeddings that are always projected to the hidden width, and with layers that share their
// weights: groups of layers take turns, and all turns of a group are the same weights. A weight of several layers is one
// symbol, so it is stored once and trained as one. A layer, for exits and counts, is one attention with its feed-forward.

/// `AlbertForSequenceClassification`.
enum ALBERT: ModelFamily {
  static let name = "albert"
  static let keys = ConfigurationKeys(
    embedding: "embedding_size",
    dropout: DropoutKeys(classifier: "classifier_dropout_prob", classifierRate: 0.1, hiddenRate: 0, attentionRate: 0),
    defaults: ConfigurationDefaults(
      vocabulary: 30000, embedding: 128, hidden: 4096, heads: 64, intermediate: 16384, activation: .geluTanh),
    groups: "num_hidden_groups", inner: "inner_group_num")
  static let classifier = "classifier"
  static let architecture = "AlbertForSequenceClassification"
  static let unprefixed: Set<String> = ["classifier"]

  static func build(_ model: inout ModelBuilder) throws {
    let inputs = try model.inputs(hasTypes: true)
    var hidden = try model.projection(model.embeddings(inputs), tensor: "encoder.embedding_hidden_mapping_in")
    let sharing = model.configuration.sharing ?? .init(groups: 1, inner: 1)
    let turns = model.configuration.layers / sharing.inner
    for number in 0..<turns * sharing.inner {
      // Turns are dealt out as `transformers` does it, in floating point.
      let group = Int(Double(number / sharing.inner) / (Double(turns) / Double(sharing.groups)))
      let inner = number % sharing.inner
      hidden = try model.postNormLayer(
        number, hidden, inputs, tensors: layer(group, inner), symbols: "shared\(group * sharing.inner + inner)")
    }
    try model.classify(hidden, inputs, dense: "pooler", activation: .tanh, classifier: classifier)
  }

  private static func layer(_ group: Int, _ inner: Int) -> PostNormLayer {
    let prefix = "encoder.albert_layer_groups.\(group).albert_layers.\(inner)"
    return PostNormLayer(
      query: "\(prefix).attention.query", key: "\(prefix).attention.key", value: "\(prefix).attention.value",
      attention: "\(prefix).attention.dense", attentionNorm: "\(prefix).attention.LayerNorm",
      intermediate: "\(prefix).ffn", output: "\(prefix).ffn_output", outputNorm: "\(prefix).full_layer_layer_norm")
  }
}
