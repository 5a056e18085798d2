// What lists of labels say one by one: how often one is right, and how often two agree. Differences in accuracy are
// PairedDifference's.

/// Statistics of classification answers.
public enum LabelStatistics {
  /// The share of places where `answers` equals `expected`, with Wilson's interval. Both have the same count, at least
  /// 1.
  public static func accuracy<Answer: Equatable>(_ answers: [Answer], expected: [Answer]) -> Interval {
    wilson(successes: matches(answers, expected), of: answers.count)
  }

  /// The share of places where two contenders answer alike.
  public static func agreement<Answer: Equatable>(_ answers: [Answer], _ others: [Answer]) -> Double {
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

  private static func matches<Answer: Equatable>(_ a: [Answer], _ b: [Answer]) -> Int {
    precondition(a.count == b.count && !a.isEmpty, "one answer for each sample")
    return zip(a, b).count { $0 == $1 }
  }
}
