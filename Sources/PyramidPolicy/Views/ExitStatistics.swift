// The numbers that exit criteria of the literature start from. They are here, and not in each policy, so that NaN is
// treated in one way: a broken head never lets a sample leave.

extension ExitView {
  /// How undecided the head is, from 0 (certain) to 1; needs `.probabilities`. Of one class of several the entropy of
  /// `probabilities` over its maximum, H(p) / ln C; of several labels that of the least certain one, H(p) / ln 2.
  ///
  /// NaN when any probability is NaN, negative or infinite. Every comparison with NaN is false, so
  /// `normalizedEntropy < threshold` never exits on it. 0 for a single class. (FastBERT, and Magic Pyramid §1.3.)
  public var normalizedEntropy: Float {
    let entropy = entropy
    let choices = answers == .labels ? 2 : classes
    return entropy.isNaN || choices > 1 ? Float(entropy / naturalLogarithm(Double(choices))) : 0
  }

  /// Entropy of `probabilities` in nats, -sum p ln p; of several labels the largest of one, with 1 - p beside p. Needs
  /// `.probabilities`; NaN as for `normalizedEntropy`.
  public var entropy: Double {
    let probabilities = self.probabilities
    func term(_ p: Double) -> Double { p > 0 ? -p * naturalLogarithm(p) : p == 0 ? 0 : .nan }
    var (sum, largest) = (0.0, 0.0)
    for index in probabilities.indices {
      let probability = Double(probabilities[index])
      guard probability < .infinity else { return .nan }
      let entropy = term(probability) + (answers == .labels ? term(1 - probability) : 0)
      if entropy.isNaN { return .nan }
      (sum, largest) = (sum + entropy, max(largest, entropy))
    }
    return answers == .labels ? largest : sum
  }

  /// Jensen-Shannon divergence in nats, 0 ... ln 2, of `probabilities` from those of the head passed as number `index`:
  /// the mean of KL(p, m) and KL(q, m), m their mean; of several labels that of the label that moved most. Needs
  /// `.probabilities` and `.earlierProbabilities`; NaN as for `normalizedEntropy`.
  public func divergence(fromHead index: Int) -> Float {
    let (here, there) = (probabilities, earlierProbabilities(ofHead: index))
    func terms(_ p: Double, _ q: Double) -> Double {
      guard p >= 0, q >= 0, p + q < .infinity else { return .nan }
      let mean = (p + q) / 2
      return (p > 0 ? p * naturalLogarithm(p / mean) : 0) + (q > 0 ? q * naturalLogarithm(q / mean) : 0)
    }
    var (sum, largest) = (0.0, 0.0)
    for index in here.indices {
      let (p, q) = (Double(here[index]), Double(there[index]))
      let divergence = terms(p, q) + (answers == .labels ? terms(1 - p, 1 - q) : 0)
      if divergence.isNaN { return .nan }
      (sum, largest) = (sum + divergence, max(largest, divergence))
    }
    return Float((answers == .labels ? largest : sum) / 2)
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
