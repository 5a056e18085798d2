// ELECTRA: BERT's layers, embeddings that may be narrower than the hidden width and are projected then, and a gelu
// head. Positions count from 0.

/// `ElectraForSequenceClassification`.
enum ELECTRA: ModelFamily {
  static let name = "electra"
  static let keys = ConfigurationKeys(
    embedding: "embedding_size", dropout: DropoutKeys(isBeforeHead: true),
    defaults: ConfigurationDefaults(hidden: 256, heads: 4, intermediate: 1024))
  static let classifier = "classifier.out_proj"
  static let architecture = "ElectraForSequenceClassification"
  static let unprefixed: Set<String> = ["classifier"]

  static func build(_ model: inout ModelBuilder) throws {
    let inputs = try model.inputs(hasTypes: true)
    var hidden = try model.embeddings(inputs)
    if model.configuration.embeddingSize != model.configuration.hiddenSize {
      hidden = try model.projection(hidden, tensor: "embeddings_project")
    }
    for number in 0..<model.configuration.layers {
      hidden = try model.postNormLayer(number, hidden, inputs, tensors: BERT.layer(number))
    }
    try model.classify(hidden, inputs, dense: "classifier.dense", activation: .gelu, classifier: classifier)
  }
}
