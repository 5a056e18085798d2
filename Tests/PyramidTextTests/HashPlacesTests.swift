// Tables of a tokenizer's file are filled with what the file says: nobody may know beforehand which keys collide.

import Testing

@testable import PyramidText

@Suite struct `Places in a hash table` {
  /// Keys that a fixed factor, the golden ratio's, once sent to one place each: what the multiplication makes of them differs in
  /// the lowest half only.
  @Test func `are many for keys that were made to collide`() {
    let golden: UInt64 = 0x9E37_79B9_7F4A_7C15
    var inverse = golden
    for _ in 0..<5 { inverse = inverse &* (2 &- golden &* inverse) }
    #expect(golden &* inverse == 1)
    let keys = (0..<4096).map { (7 << 32 | UInt64($0) << 8) &* inverse }
    let places = HashPlaces(size: 1 << 16)
    #expect(Set(keys.map { ($0 &* golden) >> 32 & 0xFFFF }).count == 1)
    #expect(Set(keys.map(places.first)).count > 64)
  }

  @Test(arguments: [2, 16, 1 << 20]) func `lie within it and wrap around`(size: Int) {
    let places = HashPlaces(size: size)
    for key in [0, 1, 255, 1 << 32, .max] as [UInt64] { #expect((0..<size).contains(places.first(key))) }
    #expect(places.after(size - 1) == 0 && places.after(0) == 1)
  }
}
