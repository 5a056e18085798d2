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
    let first = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        let text = try text(of: UnsafeRawBufferPointer(rebasing: bytes[first..<position]), from: start)
        position += 1
        return text
      case UInt8(ascii: "\\"):
        return try escapedString(from: start)
      case 0..<0x20:
        throw failure("unescaped control character in a string")
      default:
        position += 1
      }
    }
    throw failure("string without an end", at: start)
  }

  /// Goes on from the first backslash, collecting the unescaped bytes.
  private mutating func escapedString(from start: Int) throws(FormatError) -> String {
    var collected = Array(bytes[start + 1..<position])
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return try text(of: collected, from: start)
      case UInt8(ascii: "\\"):
        collected.append(contentsOf: UTF8.encode(try escape()).unsafelyUnwrapped)
      case 0..<0x20:
        throw failure("unescaped control character in a string")
      default:
        collected.append(byte)
        position += 1
      }
    }
    throw failure("string without an end", at: start)
  }

  private func text(of bytes: some Sequence<UInt8>, from start: Int) throws(FormatError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw failure("invalid UTF-8 in a string", at: start)
    }
    return text
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
    guard unit < 0xDC00, current == UInt8(ascii: "\\") else { throw failure("lone surrogate", at: start) }
    position += 1
    guard current == UInt8(ascii: "u") else { throw failure("lone surrogate", at: start) }
    position += 1
    let low = try fourHexDigits(from: start)
    guard (0xDC00...0xDFFF).contains(low),
      let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
    else { throw failure("lone surrogate", at: start) }
    return scalar
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
