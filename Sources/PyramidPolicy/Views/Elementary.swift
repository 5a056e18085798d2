// Logarithm, exponential and softmax for policies. They are our own because the module imports nothing, and because a libm
// may differ in the last bit from machine to machine, which can flip an exit.

/// ln x for a finite x > 0, relative error below 1e-12: x = m * 2^e with m in [sqrt(1/2), sqrt(2)], and
/// ln m = 2 artanh((m - 1) / (m + 1)) as a series, whose argument is at most 0.172.
public func naturalLogarithm(_ x: Double) -> Double {
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

/// e^x, relative error below 1e-14; 0 and infinity beyond what a Double holds. x = n ln 2 + r with |r| <= 0.35, and e^r as
/// a series.
public func exponential(_ x: Double) -> Double {
  guard x > -745 else { return x.isNaN ? .nan : 0 }
  guard x < 709.78 else { return .infinity }
  let whole = Int(x * 1.4426950408889634 + (x < 0 ? -0.5 : 0.5))
  // ln 2 in two parts, so that the product with the first is exact.
  let rest = x - Double(whole) * 0x1.62e42feep-1 - Double(whole) * 0x1.a39ef35793c76p-33
  var series = 1.0
  for divisor in stride(from: 14.0, through: 1, by: -1) { series = 1 + series * rest / divisor }
  return Double(sign: .plus, exponent: whole, significand: series)
}

/// What criteria want of a softmax, from its logits given one after the other: no room is needed for them. NaN once a
/// logit is NaN or infinite.
public struct SoftmaxSummary: Sendable {
  private var largest = -Double.infinity
  /// Sums of e^(x - largest), and of x - largest weighted by it.
  private var total = 0.0
  private var weighted = 0.0

  /// Of no logit yet.
  public init() {}

  /// Adds a logit.
  public mutating func add(_ logit: Double) {
    if logit > largest {
      let scale = exponential(largest - logit)
      if total != 0 { weighted = scale * (weighted + (largest - logit) * total) }
      total *= scale
      largest = logit
    }
    let weight = exponential(logit - largest)
    total += weight
    weighted += weight * (logit - largest)
  }

  /// The largest probability.
  public var largestProbability: Double { 1 / total }
  /// -sum p ln p in nats.
  public var entropy: Double { naturalLogarithm(total) - weighted / total }
}
