// The one form in which uncertainty is reported: a point with the two ends of its 95% interval. Each statistic that has
// one makes it.

/// An estimate with a 95% interval.
public struct Interval: Sendable, Equatable {
  /// The estimate.
  public var value: Double
  /// The interval's lower end.
  public var low: Double
  /// The interval's upper end.
  public var high: Double
}
