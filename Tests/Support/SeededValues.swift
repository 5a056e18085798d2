// Numbers that depend on a seed only: the same on every machine and in every run, so that a failing test fails again.

/// A linear congruential generator (Knuth's MMIX constants), started from a text by FNV-1a.
public struct SeededValues: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// A generator; equal seeds give equal numbers.
  public init(_ seed: String) {
    state = seed.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// The next 64 bits; the upper half of two steps, since the lower bits of this generator are weak.
  public mutating func next() -> UInt64 { UInt64(step()) << 32 | UInt64(step()) }

  /// A number in -1 ..< 1.
  public mutating func unit() -> Float { Float(Int32(bitPattern: step())) / 2_147_483_648 }

  /// A whole number in a range.
  public mutating func integer(in range: ClosedRange<Int>) -> Int { .random(in: range, using: &self) }

  private mutating func step() -> UInt32 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return UInt32(truncatingIfNeeded: state >> 32)
  }
}
