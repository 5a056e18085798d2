// GPT-2's alphabet for bytes: printable ones are themselves, the others are characters from U+0100 on, so that a
// vocabulary of byte strings can be written as text.

enum ByteAlphabet {
  /// The byte of each character below U+0144, or -1.
  private static let byteOfScalar: [Int16] = {
    var table = [Int16](repeating: -1, count: 0x144)
    var next = 0x100
    for byte in 0..<256 {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: table[byte] = Int16(byte)
      default:
        table[next] = Int16(byte)
        next += 1
      }
    }
    return table
  }()

  /// The bytes that a token stands for; nil when it has other characters.
  static func bytes(of token: ArraySlice<UInt8>) -> [UInt8]? {
    token.withUnsafeBufferPointer { token in
      var (bytes, position) = ([UInt8](), 0)
      while position < token.count {
        let scalar = Int(decodeScalar(token, &position))
        guard scalar < byteOfScalar.count, byteOfScalar[scalar] >= 0 else { return nil }
        bytes.append(UInt8(byteOfScalar[scalar]))
      }
      return bytes
    }
  }

  /// What a byte's token is called where models fall back to bytes: `<0x0A>`.
  static func fallbackToken(_ byte: UInt8) -> [UInt8] {
    let digits = Array("0123456789ABCDEF".utf8)
    return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)], UInt8(ascii: ">")]
  }
}
