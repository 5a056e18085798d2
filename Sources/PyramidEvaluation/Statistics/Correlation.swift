// How well numbers agree with numbers: what stands for accuracy where a model answers with a value. Pearson's coefficient
// is kept as it comes, without the numbers; Spearman's needs them all for their ranks.

import Glibc

/// Pearson's correlation of pairs that come one by one (Welford's updates, which keep their digits).
public struct RunningCorrelation: Sendable {
  private var count = 0.0
  private var means = (0.0, 0.0)
  private var squares = (0.0, 0.0)
  private var product = 0.0

  /// No pairs yet.
  public init() {}

  /// Adds a pair, as often as `times` says.
  public mutating func add(_ x: Double, _ y: Double, times: Double = 1) {
    guard times > 0 else { return }
    count += times
    let (dx, dy) = (times * (x - means.0), times * (y - means.1))
    means = (means.0 + dx / count, means.1 + dy / count)
    squares = (squares.0 + dx * (x - means.0), squares.1 + dy * (y - means.1))
    product += dx * (y - means.1)
  }

  /// The coefficient, -1 ... 1; 0 where one side never changes.
  public var value: Double {
    let scale = squares.0.squareRoot() * squares.1.squareRoot()
    return scale > 0 ? max(-1, min(1, product / scale)) : 0
  }
}

/// Correlations of whole lists.
enum Correlation {
  /// Pearson's, with Fisher's interval at 95%; -1 ... 1 for fewer than four pairs, which have none.
  static func pearson(_ x: [Double], _ y: [Double]) -> Interval {
    let value = pearson(x, y, times: [Double](repeating: 1, count: x.count))
    guard x.count > 3 else { return Interval(value: value, low: -1, high: 1) }
    let half = Normal.twoSided(0.95) / Double(x.count - 3).squareRoot()
    return Interval(value: value, low: tanh(atanh(value) - half), high: tanh(atanh(value) + half))
  }

  /// Pearson's of pairs that occur so often.
  static func pearson(_ x: [Double], _ y: [Double], times: [Double]) -> Double {
    var correlation = RunningCorrelation()
    for index in x.indices { correlation.add(x[index], y[index], times: times[index]) }
    return correlation.value
  }

  /// Spearman's: Pearson's of the ranks.
  static func spearman(_ x: [Double], _ y: [Double]) -> Double { pearson(ranks(x), ranks(y)).value }

  /// Ranks from 1; equal numbers share the mean of theirs.
  static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
      let end = order[start...].firstIndex { values[$0] != values[order[start]] } ?? order.count
      for place in start..<end { ranks[order[place]] = Double(start + end + 1) / 2 }
      start = end
    }
    return ranks
  }
}
