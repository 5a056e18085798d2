// The two numbers that exit criteria of the literature start from. They are here, and not in each policy, so that NaN
// is treated in one way: a broken head never lets a sample leave. The logarithm is our own because the module imports
// nothing, and because a libm may differ in the last bit from machine to machine, which can flip an exit.

extension ExitView {
  /// Entropy of `probabilities` over its maximum, H(p) / ln C, from 0 (certain) to 1 (uniform); needs `.probabilities`.
  ///
  /// NaN when any probability is NaN, negative or infinite. Every comparison with NaN is false, so
  /// `normalizedEntropy < threshold` never exits on it. 0 for a single class. (FastBERT, and Magic Pyramid §1.3.)
  public var normalizedEntropy: Float {
    let probabilities = self.probabilities
    var entropy = 0.0
    for index in probabilities.indices {
      let probability = Double(probabilities[index])
      guard probability >= 0, probability < .infinity else { return .nan }
      if probability > 0 { entropy -= probability * naturalLogarithm(probability) }
    }
    return probabilities.count < 2 ? 0 : Float(entropy / naturalLogarithm(Double(probabilities.count)))
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

/// ln x for a finite x > 0, relative error below 1e-12: x = m * 2^e with m in [sqrt(1/2), sqrt(2)], and
/// ln m = 2 artanh((m - 1) / (m + 1)) as a series, whose argument is at most 0.172.
func naturalLogarithm(_ x: Double) -> Double {
  var exponent = Double(x.exponent)
  var significand = x.significand
  if significand > 1.4142135623730951 {
    significand *= 0.5
    exponent += 1
  }
  let ratio = (significand - 1) / (significand + 1)
  let square = ratio * ratio
  var series = 1.0 / 17
  series = series * square + 1.0 / 15
  series = series * square + 1.0 / 13
  series = series * square + 1.0 / 11
  series = series * square + 1.0 / 9
  series = series * square + 1.0 / 7
  series = series * square + 1.0 / 5
  series = series * square + 1.0 / 3
  series = series * square + 1
  return exponent * 0.6931471805599453 + 2 * ratio * series
}
