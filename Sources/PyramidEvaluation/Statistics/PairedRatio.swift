// How much faster one contender was than another, and how sure that is. Both were measured on the same blocks of work
// within the same minute, so the ratio is taken within repetitions, where drift of the machine's clock hits both alike,
// and never between them.

/// Times, or operations, of two contenders over the same work: `[repetition][block]`, all positive.
public struct PairedRatio: Sendable {
  private let baseline: [[Double]]
  private let contender: [[Double]]

  /// Pairs two tables of equal shape with at least one repetition of at least one block.
  public init(baseline: [[Double]], contender: [[Double]]) {
    precondition(
      !baseline.isEmpty && baseline[0].count > 0 && baseline.map(\.count) == contender.map(\.count)
        && baseline.allSatisfy { $0.count == baseline[0].count }, "paired measurements have equal shapes")
    self.baseline = baseline
    self.contender = contender
  }

  /// The median over repetitions of (sum of the baseline's blocks) / (sum of the contender's): above 1, the contender
  /// is faster.
  public var value: Double {
    Percentiles(zip(baseline, contender).map { $0.reduce(0, +) / $1.reduce(0, +) }).median
  }

  /// The ratio with the percentile interval of a bootstrap that draws blocks and repetitions with replacement. A drawn
  /// block takes part in every drawn repetition, because texts vary more than the clock and are the same each time. The
  /// same `seed` gives the same interval on every machine.
  public func interval(confidence: Double = 0.95, resamples: Int = 1000, seed: UInt64 = 20_211_207) -> Interval {
    var generator = SeededRandom(seed: seed)
    let (repetitions, blocks) = (baseline.count, baseline[0].count)
    let ratios = (0..<max(resamples, 1)).map { _ in
      var weights = [Double](repeating: 0, count: blocks)
      for _ in 0..<blocks { weights[generator.integer(below: blocks)] += 1 }
      let drawn = (0..<repetitions).map { _ in
        let repetition = generator.integer(below: repetitions)
        return Self.dot(weights, baseline[repetition]) / Self.dot(weights, contender[repetition])
      }
      return Percentiles(drawn).median
    }
    let percentiles = Percentiles(ratios)
    let tail = (1 - confidence) / 2
    return Interval(value: value, low: percentiles(tail), high: percentiles(1 - tail))
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
}
