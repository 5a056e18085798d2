// Intervals of measures that have no formula for one, by drawing the texts or groups again. Two contenders are compared
// on the same draws, because a text that is hard for one is hard for the other.

/// Percentile bootstraps with a fixed number of draws, the same on every machine.
enum Bootstrap {
  private static let draws = 1000
  private static let seed: UInt64 = 20_211_207

  /// The statistic of `count` units, at least one, with its interval; it is given how often each unit was drawn. Fewer than
  /// four say nothing of how units differ: then the interval is -1 ... 1, all that measures of these kinds can be.
  static func interval(
    of count: Int, confidence: Double = 0.95, _ statistic: (_ weights: [Double]) -> Double
  ) -> Interval {
    let value = statistic([Double](repeating: 1, count: count))
    guard count > 3 else { return Interval(value: value, low: -1, high: 1) }
    var generator = SeededRandom(seed: seed)
    let drawn = Percentiles(
      (0..<draws).map { _ in
        var weights = [Double](repeating: 0, count: count)
        for _ in 0..<count { weights[generator.integer(below: count)] += 1 }
        return statistic(weights)
      })
    let tail = (1 - confidence) / 2
    return Interval(value: value, low: drawn(tail), high: drawn(1 - tail))
  }

  /// The weighted mean.
  static func mean(_ values: [Double], _ weights: [Double]) -> Double {
    zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 } / weights.reduce(0, +)
  }
}
