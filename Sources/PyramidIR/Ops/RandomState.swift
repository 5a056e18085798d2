// The one definition of what dropout drops: a counter-based generator, so that an element's fate follows from seed,
// run, stream and its place alone, and not from who computes it in which order. The reference calls `keeps`; the C
// kernels take a key and a threshold and do the same integer arithmetic.

/// What the random choices of one run of a training graph follow from.
public struct RandomState: Hashable, Sendable {
  /// Chosen once for a training.
  public var seed: UInt64
  /// Number of the run: each batch, also each part of an accumulated one, has its own.
  public var step: UInt64

  /// The state of a run.
  public init(seed: UInt64, step: UInt64) { (self.seed, self.step) = (seed, step) }

  /// The key of a dropout's stream: mix(mix(mix(seed) + step) + stream), wrapping.
  public func key(stream: Int) -> UInt64 {
    Self.mix(Self.mix(Self.mix(seed) &+ step) &+ UInt64(truncatingIfNeeded: stream))
  }

  /// The least 24-bit number that is kept at a rate: P * 2^24, rounded up.
  public static func threshold(rate: Float) -> UInt32 { UInt32((rate * 0x1p24).rounded(.up)) }

  /// Whether an element is kept: the upper 24 bits of mix(key + counter * 0x9E3779B97F4A7C15), wrapping, are at least
  /// the threshold.
  public static func keeps(_ counter: UInt64, key: UInt64, threshold: UInt32) -> Bool {
    mix(key &+ counter &* 0x9E37_79B9_7F4A_7C15) >> 40 >= UInt64(threshold)
  }

  /// The finaliser of SplitMix64 (Steele, Lea and Flood 2014, with Stafford's constants).
  public static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
