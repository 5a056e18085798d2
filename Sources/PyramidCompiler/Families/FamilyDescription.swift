// What sets the model families apart: tensor names, whether there are token types and an embedding projection, and the
// head. The computation between is one and the same (Lowering.swift); each family has its own file.

import PyramidFormats

/// The names of a linear layer's or a norm's two tensors.
struct TensorPair {
  let weight: String
  let bias: String

  /// `<prefix>.weight` and `<prefix>.bias`.
  init(_ prefix: String) {
    weight = prefix + ".weight"
    bias = prefix + ".bias"
  }
}

/// Tensor names of one encoder layer.
struct LayerNames {
  let query, key, value, attentionOutput, attentionNorm, intermediate, output, outputNorm: TensorPair
}

/// How a family names its tensors and classifies; names are canonical (no family prefix, `weight` and `bias`).
struct FamilyDescription {
  /// `model_type` of the configuration.
  let name: String
  let words = "embeddings.word_embeddings.weight"
  let positions = "embeddings.position_embeddings.weight"
  /// Token type table; nil when the family has none.
  let types: String?
  let embeddingNorm = TensorPair("embeddings.LayerNorm")
  /// Projection from embedding width to hidden width, used when they differ.
  let projection: TensorPair?
  let layer: @Sendable (Int) -> LayerNames
  /// Dense layer of the classification head, its activation, and the classifier on top.
  let headDense: TensorPair
  let headActivation: HeadActivation
  let classifier: TensorPair

  enum HeadActivation { case tanh, relu, gelu }

  /// The family of a configuration.
  static func of(_ configuration: ModelConfiguration) -> FamilyDescription {
    switch configuration.family {
    case .bert: .bert(configuration)
    case .distilbert: .distilbert
    case .electra: .electra(configuration)
    }
  }
}

extension LayerNames {
  /// The names that BERT and ELECTRA share.
  static func bert(_ number: Int) -> LayerNames {
    let prefix = "encoder.layer.\(number)"
    return LayerNames(
      query: TensorPair("\(prefix).attention.self.query"), key: TensorPair("\(prefix).attention.self.key"),
      value: TensorPair("\(prefix).attention.self.value"),
      attentionOutput: TensorPair("\(prefix).attention.output.dense"),
      attentionNorm: TensorPair("\(prefix).attention.output.LayerNorm"),
      intermediate: TensorPair("\(prefix).intermediate.dense"), output: TensorPair("\(prefix).output.dense"),
      outputNorm: TensorPair("\(prefix).output.LayerNorm"))
  }
}
