// How much more accurate one contender is than another on the same texts, and what these texts can say about it: an
// interval, a verdict at a margin, and how many texts it would take. McNemar's test answers only whether there is a
// difference, never that there is none worth mention; this is what "no worse" is claimed by.

/// What an interval of a difference in accuracy says about a margin.
public enum Verdict: String, Sendable, CaseIterable {
  /// The whole interval lies above -margin: not worse by more than that.
  case notWorse = "not-worse"
  /// The whole interval lies below -margin: worse by more than that.
  case worse
  /// -margin lies within the interval: these texts can't tell.
  case inconclusive
}

extension Interval {
  /// What the interval of a difference says about a loss of `margin`.
  func verdict(margin: Double) -> Verdict { low > -margin ? .notWorse : high < -margin ? .worse : .inconclusive }
}

/// Accuracy of a contender minus that of another, measured on the same texts.
public struct PairedDifference: Sendable, Equatable {
  /// Texts that only the contender gets right.
  public let gained: Int
  /// Texts that only the other one gets right.
  public let lost: Int
  /// Texts, at least 1.
  public let count: Int

  /// A difference from its counts.
  public init(gained: Int, lost: Int, of count: Int) {
    precondition(count > 0 && gained >= 0 && lost >= 0 && gained + lost <= count, "a part of at least one text")
    (self.gained, self.lost, self.count) = (gained, lost, count)
  }

  /// The difference between two lists of answers, one for each of `expected`.
  public init<Answer: Equatable>(_ answers: [Answer], against others: [Answer], expected: [Answer]) {
    precondition(answers.count == expected.count && others.count == expected.count, "one answer for each sample")
    let pairs = zip(zip(answers, expected).map(==), zip(others, expected).map(==))
    self.init(gained: pairs.count { $0 && !$1 }, lost: pairs.count { $1 && !$0 }, of: expected.count)
  }

  /// The estimate: above 0, the contender is more accurate.
  public var value: Double { Double(gained - lost) / Double(count) }

  /// Share of texts that exactly one of both gets right.
  public var discordant: Double { Double(gained + lost) / Double(count) }

  /// McNemar's exact two-sided probability of a split at least as uneven when both are equally accurate.
  public var mcnemar: Double {
    min(1, 2 * Binomial.cumulative(min(gained, lost), of: gained + lost, 0.5))
  }

  /// The score interval of Tango (1998, Statistics in Medicine 17, 891-908), whose coverage stays near the confidence for
  /// few discordant texts, too: all differences that the score test of a paired difference does not reject.
  public func interval(confidence: Double = 0.95) -> Interval {
    let z = Normal.twoSided(confidence)
    let low = root(in: -1...value) { z - score($0) }
    let high = root(in: value...1) { -score($0) - z }
    return Interval(value: value, low: min(low, value), high: max(high, value))
  }

  /// The score statistic of a difference; it falls as the difference rises. The probability of a text that is lost is the
  /// larger root of a quadratic equation, its maximum likelihood under that difference.
  private func score(_ difference: Double) -> Double {
    let (n, b, c) = (Double(count), Double(gained), Double(lost))
    let (half, product) = ((2 * n - b + c) * difference - b - c, -c * difference * (1 - difference))
    let lost = (max(half * half - 8 * n * product, 0).squareRoot() - half) / (4 * n)
    let variance = n * (2 * lost + difference * (1 - difference))
    let distance = b - c - n * difference
    return variance > 0 ? distance / variance.squareRoot() : distance == 0 ? 0 : distance * .infinity
  }

  /// Whether the contender is worse by more than `margin`, as far as the interval tells.
  public func verdict(margin: Double, confidence: Double = 0.95) -> Verdict {
    interval(confidence: confidence).verdict(margin: margin)
  }

  /// About how many texts of this kind a verdict would take with a power of 80%, if difference and discordant share are
  /// what they are here; nil where no number of texts settles it, because the difference is the margin itself.
  public func textsNeeded(margin: Double, confidence: Double = 0.95) -> Int? {
    // Without discordant texts, one more that is lost is what a sceptic assumes.
    let share = Double(max(gained + lost, 1)) / Double(count)
    let distance = value + margin
    let factor = Normal.twoSided(confidence) + Normal.quantile(0.8)
    let needed = factor * factor * max(share - value * value, 0) / (distance * distance)
    guard needed < 1e12 else { return nil }
    // That is the normal approximation; the verdict's interval is wider where few texts are discordant.
    var count = max(Int(needed.rounded(.up)), 1)
    while scaled(to: count).verdict(margin: margin, confidence: confidence) == .inconclusive, count < 1 << 40 {
      count += count / 8 + 1
    }
    return count
  }

  /// The same difference seen on so many texts, a fraction of one counting against the contender.
  private func scaled(to texts: Int) -> PairedDifference {
    let share = Double(texts) / Double(count)
    let gained = Int((Double(gained) * share).rounded(.down))
    return PairedDifference(
      gained: gained, lost: min(Int((Double(lost) * share).rounded(.up)), texts - gained), of: texts)
  }

  /// The smallest difference that `count` texts show with a power of 80%, when a share `discordant` of them is answered
  /// right by exactly one of two contenders: what can be known before anything is run. No less than six texts, below which
  /// McNemar's exact test says nothing; 1 where there are fewer.
  public static func detectable(texts count: Int, discordant: Double, confidence: Double = 0.95) -> Double {
    let factor = Normal.twoSided(confidence) + Normal.quantile(0.8)
    let normal = factor * (discordant / (Double(count) + factor * factor)).squareRoot()
    return min(max(normal, 6 / Double(count)), 1)
  }
}

/// Holm's (1979) adjustment of several tests' probabilities: where those below a level are called differences, the chance
/// of even one false call stays below that level.
public func holm(_ probabilities: [Double]) -> [Double] {
  var adjusted = probabilities
  var largest = 0.0
  for (rank, index) in probabilities.indices.sorted(by: { probabilities[$0] < probabilities[$1] }).enumerated() {
    largest = max(largest, min(1, Double(probabilities.count - rank) * probabilities[index]))
    adjusted[index] = largest
  }
  return adjusted
}
