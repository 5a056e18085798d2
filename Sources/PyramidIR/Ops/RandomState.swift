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

  /// The key of a dropout's stream, mix(mix(mix(seed + g) + step + g) + stream + g), wrapping, g = 0x9E3779B97F4A7C15:
  /// the low and the high half of it are the two keys of `hash`.
  public func key(stream: Int) -> UInt64 {
    let gamma: UInt64 = 0x9E37_79B9_7F4A_7C15
    return Self.mix(Self.mix(Self.mix(seed &+ gamma) &+ step &+ gamma) &+ UInt64(truncatingIfNeeded: stream) &+ gamma)
  }

  /// The least 24-bit number that is kept at a rate: P * 2^24, rounded.
  public static func threshold(rate: Float) -> UInt32 { UInt32((rate * 0x1p24).rounded()) }

  /// Whether an element is kept: the upper 24 bits of the hash of its counter's low 32 bits are at least the threshold.
  public static func keeps(_ counter: UInt64, key: UInt64, threshold: UInt32) -> Bool {
    hash(UInt32(truncatingIfNeeded: counter), key: key) >> 8 >= threshold
  }

  /// The finaliser of MurmurHash3 with a key before and one within: 32-bit products only, which vectors have.
  static func hash(_ counter: UInt32, key: UInt64) -> UInt32 {
    var h = counter ^ UInt32(truncatingIfNeeded: key)
    h = (h ^ (h >> 16)) &* 0x85EB_CA6B
    h ^= UInt32(truncatingIfNeeded: key >> 32)
    h = (h ^ (h >> 13)) &* 0xC2B2_AE35
    return h ^ (h >> 16)
  }

  /// The finaliser of SplitMix64 (Steele, Lea and Flood 2014, with Stafford's constants).
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
