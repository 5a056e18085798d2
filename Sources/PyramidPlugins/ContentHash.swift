// Names for cache entries: the same inputs give the same name. FNV-1a in 128 bits tells apart what differs by accident.
// It does not protect from programs that can write to the user's cache: they could replace the compiler as well.

struct ContentHash {
  private var state: UInt128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D

  /// Adds bytes and their number, so that moving a byte from one part to the next changes the hash.
  mutating func add(_ bytes: some Collection<UInt8>) {
    mix(bytes)
    var count = UInt64(bytes.count)
    withUnsafeBytes(of: &count) { mix($0) }
  }

  private mutating func mix(_ bytes: some Sequence<UInt8>) {
    for byte in bytes {
      state = (state ^ UInt128(byte)) &* 0x0000_0000_0100_0000_0000_0000_0000_013B
    }
  }

  /// 32 hexadecimal digits.
  var text: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 32 - digits.utf8.count) + digits
  }

  static func of(_ bytes: [UInt8]) -> String {
    var hash = ContentHash()
    hash.add(bytes)
    return hash.text
  }
}
