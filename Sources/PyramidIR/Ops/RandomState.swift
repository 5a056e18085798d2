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

  /// Whether an element is kept: whether the upper 24 bits of a hash of its counter are at least the threshold. The hash
  /// is murmur3's finaliser with the key's halves mixed in, on words of 32 bits, since vector units are slow at longer
  /// products.
  public static func keeps(_ counter: UInt64, key: UInt64, threshold: UInt32) -> Bool {
    var h = UInt32(truncatingIfNeeded: counter) ^ UInt32(truncatingIfNeeded: key)
    h = (h ^ (h >> 16)) &* 0x85EB_CA6B
    h ^= UInt32(truncatingIfNeeded: key >> 32) ^ (UInt32(truncatingIfNeeded: counter >> 32) &* 0x9E37_79B1)
    h = (h ^ (h >> 13)) &* 0xC2B2_AE35
    return (h ^ (h >> 16)) >> 8 >= threshold
  }

  /// The finaliser of SplitMix64 (Steele, Lea and Flood 2014, with Stafford's constants).
  public static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
