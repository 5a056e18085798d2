// Strings of the JSON reader: escapes, surrogate pairs, UTF-8.
//
// Separate from the grammar because here the decisions are about text: a lone surrogate has no scalar and would have
// to be replaced or dropped, which would make two different keys equal, so it is an error; so is any byte that is not
// UTF-8.

extension JSONParser {
  /// Reads the string whose opening quote is at the position.
  mutating func string() throws(FormatError) -> String {
    let start = position
    position += 1
    // The bytes before the last escape; a string without escapes is copied once, straight from the file.
    var unescaped: [UInt8] = []
    var first = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        let rest = UnsafeRawBufferPointer(rebasing: bytes[first..<position])
        position += 1
        if !unescaped.isEmpty { unescaped += rest }
        let text =
          unescaped.isEmpty ? String(validating: rest, as: UTF8.self) : String(validating: unescaped, as: UTF8.self)
        guard let text else { throw failure("invalid UTF-8 in a string", at: start) }
        return text
      case UInt8(ascii: "\\"):
        unescaped += UnsafeRawBufferPointer(rebasing: bytes[first..<position])
        unescaped += UTF8.encode(try escape()).unsafelyUnwrapped
        first = position
      case 0..<0x20: throw failure("unescaped control character in a string")
      default: position += 1
      }
    }
    throw failure("string without an end", at: start)
  }

  /// Reads one escape sequence, for a surrogate both halves.
  private mutating func escape() throws(FormatError) -> Unicode.Scalar {
    let start = position
    position += 1
    let letter = current
    position += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try unicodeEscape(from: start)
    default: throw failure("unknown escape sequence", at: start)
    }
  }

  private mutating func unicodeEscape(from start: Int) throws(FormatError) -> Unicode.Scalar {
    let unit = try fourHexDigits(from: start)
    if let scalar = Unicode.Scalar(unit) { return scalar }
    if unit < 0xDC00, take("\\"), take("u") {
      let low = try fourHexDigits(from: start)
      if (0xDC00...0xDFFF).contains(low) {
        return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)).unsafelyUnwrapped
      }
    }
    throw failure("lone surrogate", at: start)
  }

  private mutating func fourHexDigits(from start: Int) throws(FormatError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      let digit: UInt8
      switch current {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = current - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = current - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = current - UInt8(ascii: "A") + 10
      default: throw failure("expected four hexadecimal digits after \\u", at: start)
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
