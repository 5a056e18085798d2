// Random numbers that are the same on every machine: SplitMix64. The standard library's shuffle promises no order, so it
// is not used.

import Glibc

/// A stream of random numbers.
public struct SeededRandom: Sendable {
  private var state: UInt64

  /// The stream of that name; streams of different names are independent.
  public init(seed: UInt64, stream: String) {
    state = seed
    for byte in stream.utf8 {
      state ^= UInt64(byte)
      _ = next()
    }
  }

  /// 64 random bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }

  /// 0 to `bound` - 1.
  public mutating func integer(below bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

  /// Above 0 and at most 1.
  public mutating func unit() -> Double { (Double(next() >> 11) + 1) * 0x1p-53 }

  /// From the standard normal distribution.
  public mutating func normal() -> Float { Float((-2 * log(unit())).squareRoot() * cos(2 * .pi * unit())) }

  /// 0 to `count` - 1 in random order.
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for index in stride(from: count - 1, to: 0, by: -1) { order.swapAt(index, integer(below: index + 1)) }
    return order
  }
}
