// What two lists of labels say: how often one is right, how often both agree, and whether the difference in accuracy
// could be chance. Exact where it is cheap to be exact, since exits change a handful of answers, where approximations
// are worst.

import Glibc

/// Statistics of classification answers.
public enum LabelStatistics {
  /// The share of places where `answers` equals `expected`, with Wilson's interval. Both have the same count, at least
  /// 1.
  public static func accuracy(_ answers: [Int], expected: [Int]) -> Interval {
    wilson(successes: matches(answers, expected), of: answers.count)
  }

  /// The share of places where two contenders answer alike.
  public static func agreement(_ answers: [Int], _ others: [Int]) -> Double {
    Double(matches(answers, others)) / Double(answers.count)
  }

  /// The score interval of Wilson (1927) at 95% for `successes` of `count`, which is at least 1: unlike the textbook
  /// interval, it has a width when all succeed.
  public static func wilson(successes: Int, of count: Int) -> Interval {
    precondition(count > 0 && (0...count).contains(successes), "a proportion of at least one trial")
    let z = 1.959_963_984_540_054
    let n = Double(count)
    let p = Double(successes) / n
    let centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
    return Interval(
      value: p, low: successes == 0 ? 0 : max(centre - half, 0), high: successes == count ? 1 : min(centre + half, 1))
  }

  /// McNemar's exact test of equal accuracy: the two-sided binomial probability of a split of the discordant samples
  /// (those that exactly one contender gets right) at least as uneven as the one found; 1 when there are none.
  public static func mcnemar(_ answers: [Int], _ others: [Int], expected: [Int]) -> Double {
    precondition(answers.count == expected.count && others.count == expected.count, "one answer for each sample")
    let pairs = zip(zip(answers, expected).map(==), zip(others, expected).map(==))
    return mcnemar(gained: pairs.count { $0 && !$1 }, lost: pairs.count { $1 && !$0 })
  }

  /// The test for counts of discordant samples, min(1, 2 P(X <= min)) with X ~ Binomial(gained + lost, 1/2). The
  /// largest term is formed as a logarithm and the others relative to it, so that neither coefficients nor powers
  /// overflow.
  static func mcnemar(gained: Int, lost: Int) -> Double {
    let (n, k) = (gained + lost, min(gained, lost))
    var logTerm = -Double(n) * log(2)
    for i in 0..<k { logTerm += log(Double(n - i) / Double(i + 1)) }
    var (sum, ratio, i) = (1.0, 1.0, k)
    while i > 0 && ratio > 1e-18 {
      ratio *= Double(i) / Double(n - i + 1)
      sum += ratio
      i -= 1
    }
    return min(1, 2 * exp(logTerm + log(sum)))
  }

  private static func matches(_ a: [Int], _ b: [Int]) -> Int {
    precondition(a.count == b.count && !a.isEmpty, "one answer for each sample")
    return zip(a, b).count { $0 == $1 }
  }
}
