// ELECTRA: BERT's layers, embeddings that may be narrower than the hidden width, and a gelu head.

import PyramidFormats

extension FamilyDescription {
  /// `ElectraForSequenceClassification`.
  static func electra(_ configuration: ModelConfiguration) -> FamilyDescription {
    FamilyDescription(
      name: "electra",
      types: configuration.typeVocabularySize > 0 ? "embeddings.token_type_embeddings.weight" : nil,
      projection: configuration.embeddingSize == configuration.hiddenSize ? nil : TensorPair("embeddings_project"),
      layer: { .bert($0) },
      headDense: TensorPair("classifier.dense"), headActivation: .gelu, classifier: TensorPair("classifier.out_proj"))
  }
}
