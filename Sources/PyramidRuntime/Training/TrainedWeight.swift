// Where a weight of a training graph lies. The trainer owns the memory and its layout; a program is bound to it once.

/// The values of a weight, row-major f32, and its gradient.
public struct TrainedWeight {
  /// The values. They may change between runs, but not move.
  public let values: UnsafeMutableBufferPointer<Float>
  /// What runs add the gradient of the loss to; nil for a frozen weight. As long as the values.
  public let gradient: UnsafeMutableBufferPointer<Float>?

  /// A weight's memory.
  public init(values: UnsafeMutableBufferPointer<Float>, gradient: UnsafeMutableBufferPointer<Float>?) {
    (self.values, self.gradient) = (values, gradient)
  }
}
