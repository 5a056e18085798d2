// Names in paths, as clients encode them (RFC 3986, 2.1).

/// Percent-encoding of a part of a path.
public enum PercentEncoding {
  /// The text that `part` stands for; nil where a % has no two hexadecimal digits after it, or the bytes are not UTF-8.
  public static func decoded(_ part: some StringProtocol) -> String? {
    var (bytes, rest) = ([UInt8](), part.utf8[...])
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2).compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
      guard digits.count == 2 else { return nil }
      bytes.append(UInt8(digits[0] << 4 | digits[1]))
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
