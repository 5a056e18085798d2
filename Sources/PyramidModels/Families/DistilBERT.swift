// DistilBERT: BERT's layers under other names, without token types; positions count from 0, and the head has a relu.
// The norms' epsilon is a constant of its code: `transformers` ignores a value in config.json as well.

/// `DistilBertForSequenceClassification`.
enum DistilBERT: ModelFamily {
  static let name = "distilbert"
  static let keys = ConfigurationKeys(
    hidden: "dim", layers: "n_layers", heads: "n_heads", intermediate: "hidden_dim", activation: "activation",
    types: nil, epsilon: nil,
    dropout: DropoutKeys(
      hidden: "dropout", attention: "attention_dropout", classifier: "seq_classif_dropout", classifierRate: 0.2,
      isAfterAttention: false),
    defaults: ConfigurationDefaults(layers: 6))
  static let classifier = "classifier"
  static let architecture = "DistilBertForSequenceClassification"
  static let unprefixed: Set<String> = ["classifier", "pre_classifier"]

  static func build(_ model: inout ModelBuilder) throws {
    let inputs = try model.inputs(hasTypes: false)
    var hidden = try model.embeddings(inputs)
    for number in 0..<model.configuration.layers {
      hidden = try model.postNormLayer(number, hidden, inputs, tensors: layer(number))
    }
    try model.classify(hidden, inputs, dense: "pre_classifier", activation: .relu, classifier: classifier)
  }

  private static func layer(_ number: Int) -> PostNormLayer {
    let prefix = "transformer.layer.\(number)"
    return PostNormLayer(
      query: "\(prefix).attention.q_lin", key: "\(prefix).attention.k_lin", value: "\(prefix).attention.v_lin",
      attention: "\(prefix).attention.out_lin", attentionNorm: "\(prefix).sa_layer_norm",
      intermediate: "\(prefix).ffn.lin1", output: "\(prefix).ffn.lin2", outputNorm: "\(prefix).output_layer_norm")
  }
}
