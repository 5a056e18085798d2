// What a checkpoint's config.json says about dropout, and where its family's training code applies it. Nothing but
// training reads it; it is here because the names of the keys and the places are facts of the families.

import PyramidFormats

/// The rates at which elements are dropped while training, by place; 0 is nowhere.
public struct DropoutRates: Sendable, Equatable {
  /// After the norm of the embeddings.
  public var embeddings: Float
  /// On attention probabilities.
  public var attention: Float
  /// After the projection that follows attention, before the residual.
  public var attentionOutput: Float
  /// After the feed-forward block, before the residual.
  public var feedForward: Float
  /// On the [CLS] rows that the last head reads.
  public var headInput: Float
  /// Before the classifier of the last head, and of exit heads.
  public var classifier: Float

  /// Rates, each 0 unless given.
  public init(
    embeddings: Float = 0, attention: Float = 0, attentionOutput: Float = 0, feedForward: Float = 0,
    headInput: Float = 0, classifier: Float = 0
  ) {
    (self.embeddings, self.attention, self.attentionOutput) = (embeddings, attention, attentionOutput)
    (self.feedForward, self.headInput, self.classifier) = (feedForward, headInput, classifier)
  }

  init(reading root: JSONField, _ keys: DropoutKeys) throws(FormatError) {
    func rate(_ key: String) throws(FormatError) -> Float? {
      guard let field = try root.optional(key) else { return nil }
      let rate = try field.double()
      guard rate >= 0, Float(rate) < 1 else {
        throw field.failure("expected a rate of at least 0 and below 1, found \(field.found)")
      }
      return Float(rate)
    }
    let hidden = try rate(keys.hidden) ?? keys.hiddenRate
    let classifier = try rate(keys.classifier) ?? keys.classifierRate ?? hidden
    try self.init(
      embeddings: hidden, attention: rate(keys.attention) ?? keys.attentionRate,
      attentionOutput: keys.isAfterAttention ? hidden : 0,
      feedForward: hidden, headInput: keys.isBeforeHead ? classifier : 0, classifier: classifier)
  }
}

/// The names under which a family keeps its rates, and the places where it has dropout.
struct DropoutKeys {
  var hidden = "hidden_dropout_prob"
  var attention = "attention_probs_dropout_prob"
  var classifier = "classifier_dropout"
  /// The classifier's where the file is silent; nil for the hidden rate.
  var classifierRate: Float?
  var isAfterAttention = true
  var isBeforeHead = false
  /// Where the file is silent.
  var hiddenRate: Float = 0.1, attentionRate: Float = 0.1
}
