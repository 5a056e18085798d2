// MPNet: BERT's layers, without token types, positions from 2, and one table of biases for distances, which every layer adds
// to its attention's scores. The head is RoBERTa's: dense, tanh, projection of the first token.

import PyramidFormats
import PyramidIR

/// `MPNetForSequenceClassification`.
enum MPNet: ModelFamily {
  static let name = "mpnet"
  static let keys = ConfigurationKeys(types: nil, defaults: ConfigurationDefaults(vocabulary: 30527, padToken: 1))
  static let classifier = "classifier.out_proj"
  static let architecture = "MPNetForSequenceClassification"
  static let unprefixed: Set<String> = ["classifier"]

  /// The row of a text's first position: `padding_idx` is 1 in the code of `transformers`, whatever config.json says.
  private static let firstPosition = 2
  /// Of the buckets, as well.
  private static let bucketCount = 32

  static func refine(_ configuration: inout ModelConfiguration, _ root: JSONField) throws(FormatError) {
    guard configuration.maxPositions > firstPosition else {
      throw FormatError(
        file: root.file, place: "max_position_embeddings",
        problem: "expected more than \(firstPosition), the row of a text's first position")
    }
    configuration.maxPositions -= firstPosition
    configuration.firstPosition = firstPosition
    let buckets = try root.optional("relative_attention_num_buckets")?.integer(in: bucketCount...65_536)
    configuration.details = .mpnet(buckets: buckets ?? bucketCount)
  }

  static func build(_ model: inout ModelBuilder) throws {
    guard case .mpnet(let rows) = model.configuration.details else { return }
    let inputs = try model.inputs(hasTypes: false)
    var hidden = try model.embeddings(inputs)
    let heads = model.configuration.heads
    let table = "encoder.relative_attention_bias.weight"
    model.inventory.want(table, [rows, heads])
    let bias = model.derived(
      "bias", [bucketCount, heads], rows == bucketCount ? .tensor(table) : .tensor(table, end: bucketCount))
    let relative = RelativeAttention(
      heads: heads, terms: [.bias], buckets: DistanceBuckets(.halves, count: bucketCount, reach: 128))
    for number in 0..<model.configuration.layers {
      hidden = try model.postNormLayer(number, hidden, inputs, tensors: layer(number), relative: (relative, [bias]))
    }
    try model.classify(hidden, inputs, dense: "classifier.dense", activation: .tanh, classifier: classifier)
  }

  private static func layer(_ number: Int) -> PostNormLayer {
    let prefix = "encoder.layer.\(number)"
    let attention = "\(prefix).attention.attn"
    return PostNormLayer(
      query: "\(attention).q", key: "\(attention).k", value: "\(attention).v", attention: "\(attention).o",
      attentionNorm: "\(prefix).attention.LayerNorm", intermediate: "\(prefix).intermediate.dense",
      output: "\(prefix).output.dense", outputNorm: "\(prefix).output.LayerNorm")
  }
}
