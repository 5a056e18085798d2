// Where keys go in the tables of this module. A file says what the keys are, so the factor that spreads them is drawn once in
// each process: with a known one, keys that all want one place would make opening quadratic. What is found does not depend
// on it.

/// Places in an open-addressing table, by multiply-shift (Dietzfelbinger et al. 1997).
struct HashPlaces: Sendable {
  /// Odd, and drawn anew by each process.
  static let factor = UInt64.random(in: .min ... .max) | 1

  /// The table's size less 1: what places wrap around at.
  let mask: Int
  private let factor: UInt64
  private let shift: UInt64

  /// Places of a table whose size is a power of two, at least 2.
  init(size: Int) {
    precondition(size >= 2 && size & (size - 1) == 0, "\(size) is not a power of two")
    (mask, factor, shift) = (size - 1, Self.factor, UInt64(64 - size.trailingZeroBitCount))
  }

  /// The place at which the search for a key begins.
  @inline(__always)
  func first(_ key: UInt64) -> Int { Int(truncatingIfNeeded: (key &* factor) >> shift) }

  /// The place after another.
  @inline(__always)
  func after(_ place: Int) -> Int { (place + 1) & mask }
}
