// The numbers that exit criteria of the literature start from. They are here, and not in each policy, so that NaN is
// treated in one way: a broken head never lets a sample leave.

extension ExitView {
  /// Entropy of `probabilities` over its maximum, H(p) / ln C, from 0 (certain) to 1 (uniform); needs `.probabilities`.
  ///
  /// NaN when any probability is NaN, negative or infinite. Every comparison with NaN is false, so
  /// `normalizedEntropy < threshold` never exits on it. 0 for a single class. (FastBERT, and Magic Pyramid §1.3.)
  public var normalizedEntropy: Float {
    let entropy = entropy
    return entropy.isNaN || classes > 1 ? Float(entropy / naturalLogarithm(Double(classes))) : 0
  }

  /// Entropy of `probabilities` in nats, -sum p ln p; needs `.probabilities`. NaN as for `normalizedEntropy`.
  public var entropy: Double {
    let probabilities = self.probabilities
    var entropy = 0.0
    for index in probabilities.indices {
      let probability = Double(probabilities[index])
      guard probability >= 0, probability < .infinity else { return .nan }
      if probability > 0 { entropy -= probability * naturalLogarithm(probability) }
    }
    return entropy
  }

  /// Jensen-Shannon divergence in nats, 0 ... ln 2, of `probabilities` from those of the head passed as number `index`:
  /// the mean of KL(p, m) and KL(q, m), m their mean. Needs `.probabilities` and `.earlierProbabilities`; NaN as for
  /// `normalizedEntropy`.
  public func divergence(fromHead index: Int) -> Float {
    let (here, there) = (probabilities, earlierProbabilities(ofHead: index))
    var sum = 0.0
    for index in here.indices {
      let (p, q) = (Double(here[index]), Double(there[index]))
      guard p >= 0, q >= 0, p + q < .infinity else { return .nan }
      let mean = (p + q) / 2
      if p > 0 { sum += p * naturalLogarithm(p / mean) }
      if q > 0 { sum += q * naturalLogarithm(q / mean) }
    }
    return Float(sum / 2)
  }

  /// Index of the largest logit, the earlier one on a tie; `nil` when any logit is NaN. Needs `.logits`.
  public var predictedClass: Int? {
    let logits = self.logits
    var best = 0
    for index in logits.indices {
      if logits[index].isNaN { return nil }
      if logits[index] > logits[best] { best = index }
    }
    return logits.isEmpty ? nil : best
  }
}
