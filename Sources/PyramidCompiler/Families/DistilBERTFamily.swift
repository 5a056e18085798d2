// DistilBERT: no token types, other names, and a relu head.

import PyramidFormats

extension FamilyDescription {
  /// `DistilBertForSequenceClassification`.
  static let distilbert = FamilyDescription(
    name: "distilbert",
    types: nil,
    projection: nil,
    layer: { number in
      let prefix = "transformer.layer.\(number)"
      return LayerNames(
        query: TensorPair("\(prefix).attention.q_lin"), key: TensorPair("\(prefix).attention.k_lin"),
        value: TensorPair("\(prefix).attention.v_lin"), attentionOutput: TensorPair("\(prefix).attention.out_lin"),
        attentionNorm: TensorPair("\(prefix).sa_layer_norm"), intermediate: TensorPair("\(prefix).ffn.lin1"),
        output: TensorPair("\(prefix).ffn.lin2"), outputNorm: TensorPair("\(prefix).output_layer_norm"))
    },
    headDense: TensorPair("pre_classifier"), headActivation: .relu, classifier: TensorPair("classifier"))
}
