// Order statistics of measurements. One definition for every report, so that a p95 here and a p95 there are the same
// number.

/// A sorted sample of finite numbers.
public struct Percentiles: Sendable {
  private let sorted: [Double]

  /// Sorts `values`, of which there is at least one.
  public init(_ values: [Double]) {
    precondition(!values.isEmpty, "percentiles of nothing")
    sorted = values.sorted()
  }

  /// The value below which a fraction `p` in 0...1 of the sample lies: linear interpolation between the two nearest
  /// order statistics at place p (n - 1) from 0, which is type 7 of Hyndman and Fan (1996), the default of NumPy and R.
  public func callAsFunction(_ p: Double) -> Double {
    let place = min(max(p, 0), 1) * Double(sorted.count - 1)
    let below = Int(place.rounded(.down))
    guard below + 1 < sorted.count else { return sorted[below] }
    let share = place - Double(below)
    return share == 0 ? sorted[below] : sorted[below] + share * (sorted[below + 1] - sorted[below])
  }

  /// The 50% point: the middle value, or the mean of the two middle ones.
  public var median: Double { self(0.5) }
}

extension Collection<Double> {
  /// The sum divided by the count; 0 for nothing.
  package var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }
}
