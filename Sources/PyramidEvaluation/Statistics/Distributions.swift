// The two distributions that intervals and tests rest on, without a library of them: binomial tails exactly, because
// policies change a handful of answers, where approximations are worst, and quantiles of the normal one.

import Glibc

/// The binomial distribution.
enum Binomial {
  /// P(X <= k) for X ~ Binomial(n, p), p in 0...1. The largest term is formed as a logarithm and the others relative to
  /// it, so that neither coefficients nor powers overflow; the tail on the side of k that holds less is summed.
  static func cumulative(_ k: Int, of n: Int, _ p: Double) -> Double {
    if k < 0 { return 0 }
    if k >= n || p <= 0 { return 1 }
    if p >= 1 { return 0 }
    // The other tail: P(X <= k) = 1 - P(n - X <= n - k - 1).
    guard Double(k) <= Double(n) * p else { return 1 - lowerTail(n - k - 1, of: n, 1 - p) }
    return lowerTail(k, of: n, p)
  }

  /// The sum from k, at most the mean, downwards.
  private static func lowerTail(_ k: Int, of n: Int, _ p: Double) -> Double {
    var logTerm = Double(n - k) * log1p(-p) + Double(k) * log(p)
    // Factors one by one are more exact, and take for ever where a share close to its limit asks for millions of texts.
    if k < 10_000 {
      for i in 0..<k { logTerm += log(Double(n - i) / Double(i + 1)) }
    } else {
      logTerm += logFactorial(n) - logFactorial(k) - logFactorial(n - k)
    }
    var (sum, ratio, i) = (1.0, 1.0, k)
    while i > 0 && ratio > 1e-18 {
      ratio *= Double(i) / Double(n - i + 1) * ((1 - p) / p)
      sum += ratio
      i -= 1
    }
    return min(1, exp(logTerm + log(sum)))
  }

  private static func logFactorial(_ n: Int) -> Double { lgamma(Double(n) + 1).0 }
}

/// The standard normal distribution.
enum Normal {
  /// The z below which a share `p` in 0 ..< 1 lies, by bisection over the complementary error function.
  static func quantile(_ p: Double) -> Double {
    root(in: -40...40) { 0.5 * erfc(-$0 / 2.0.squareRoot()) - p }
  }

  /// The z that two-sided intervals of this confidence reach to: 1.96 for 0.95.
  static func twoSided(_ confidence: Double) -> Double { quantile(0.5 + confidence / 2) }
}

/// Where a function that rises over an interval crosses 0, to the last bit that bisection can tell; an end where it does
/// not cross.
func root(in interval: ClosedRange<Double>, of rising: (Double) -> Double) -> Double {
  var (low, high) = (interval.lowerBound, interval.upperBound)
  while true {
    let middle = low + (high - low) / 2
    if middle <= low || middle >= high { return middle }
    if rising(middle) < 0 { low = middle } else { high = middle }
  }
}
