// BERT, and MiniLM, which is BERT with other sizes. Head: tanh pooler, then classifier.

import PyramidFormats

extension FamilyDescription {
  /// `BertForSequenceClassification`.
  static func bert(_ configuration: ModelConfiguration) -> FamilyDescription {
    FamilyDescription(
      name: "bert",
      types: configuration.typeVocabularySize > 0 ? "embeddings.token_type_embeddings.weight" : nil,
      projection: nil,
      layer: { .bert($0) },
      headDense: TensorPair("pooler.dense"), headActivation: .tanh, classifier: TensorPair("classifier"))
  }
}
