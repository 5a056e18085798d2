// BERT, and MiniLM, which is BERT with other sizes. Positions count from 0, two token types by default; the head is the
// tanh pooler of pre-training and a classifier.

/// `BertForSequenceClassification`.
enum BERT: ModelFamily {
  static let name = "bert"
  static let keys = ConfigurationKeys()
  static let classifier = "classifier"
  static let architecture = "BertForSequenceClassification"
  static let unprefixed: Set<String> = ["classifier"]

  static func build(_ model: inout ModelBuilder) throws {
    let inputs = try model.inputs(hasTypes: true)
    var hidden = try model.embeddings(inputs)
    for number in 0..<model.configuration.layers {
      hidden = try model.postNormLayer(number, hidden, inputs, tensors: layer(number))
    }
    try model.classify(hidden, inputs, dense: "pooler.dense", activation: .tanh, classifier: classifier)
  }

  /// The tensors of one encoder layer; ELECTRA has the same.
  static func layer(_ number: Int) -> PostNormLayer {
    let prefix = "encoder.layer.\(number)"
    return PostNormLayer(
      query: "\(prefix).attention.self.query", key: "\(prefix).attention.self.key",
      value: "\(prefix).attention.self.value", attention: "\(prefix).attention.output.dense",
      attentionNorm: "\(prefix).attention.output.LayerNorm", intermediate: "\(prefix).intermediate.dense",
      output: "\(prefix).output.dense", outputNorm: "\(prefix).output.LayerNorm")
  }
}
