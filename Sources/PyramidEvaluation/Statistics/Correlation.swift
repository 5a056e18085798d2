// How well numbers agree with numbers: what stands for accuracy where a model answers with a value. Pearson's coefficient
// is kept as it comes, without the numbers; Spearman's needs them all for their ranks.

/// Pearson's correlation of pairs that come one by one (Welford's updates, which keep their digits).
public struct RunningCorrelation: Sendable {
  private var count = 0.0
  private var means = (0.0, 0.0)
  private var squares = (0.0, 0.0)
  private var product = 0.0

  /// No pairs yet.
  public init() {}

  /// Adds a pair.
  public mutating func add(_ x: Double, _ y: Double) {
    count += 1
    let (dx, dy) = (x - means.0, y - means.1)
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
