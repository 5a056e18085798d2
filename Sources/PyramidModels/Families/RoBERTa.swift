// RoBERTa (DistilRoBERTa is one of few layers), CamemBERT and XLM-RoBERTa: BERT's layers under the prefix `roberta`. The row
// of a position is its number from pad_token_id + 1 on, since padding has a position of its own; the rows up to there are
// never read, for a text has no padding here. The head is a dense layer with tanh on the first token, without a pooler.

/// What the three have in common.
protocol RoBERTaFamily: ModelFamily {}

/// `RobertaForSequenceClassification`.
enum RoBERTa: RoBERTaFamily {
  static let name = "roberta"
  static let architecture = "RobertaForSequenceClassification"
  static let keys = sharedKeys(vocabulary: 50265)
}

/// `CamembertForSequenceClassification`.
enum CamemBERT: RoBERTaFamily {
  static let name = "camembert"
  static let architecture = "CamembertForSequenceClassification"
  static let keys = sharedKeys(vocabulary: 30522)
}

/// `XLMRobertaForSequenceClassification`.
enum XLMRoBERTa: RoBERTaFamily {
  static let name = "xlm-roberta"
  static let architecture = "XLMRobertaForSequenceClassification"
  static let keys = sharedKeys(vocabulary: 30522)
}

extension RoBERTaFamily {
  static var prefix: String { "roberta" }
  static var classifier: String { "classifier.out_proj" }
  static var unprefixed: Set<String> { ["classifier"] }

  static func sharedKeys(vocabulary: Int) -> ConfigurationKeys {
    ConfigurationKeys(
      dropout: DropoutKeys(isBeforeHead: true), defaults: ConfigurationDefaults(vocabulary: vocabulary, padToken: 1),
      startsPositionsAfterPadding: true)
  }

  static func build(_ model: inout ModelBuilder) throws {
    let inputs = try model.inputs(hasTypes: true)
    var hidden = try model.embeddings(inputs)
    for number in 0..<model.configuration.layers {
      hidden = try model.postNormLayer(number, hidden, inputs, tensors: BERT.layer(number))
    }
    try model.classify(hidden, inputs, dense: "classifier.dense", activation: .tanh, classifier: classifier)
  }
}
