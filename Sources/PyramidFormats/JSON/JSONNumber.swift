// A JSON number as its text.
//
// Separate from `JSONValue` because the grammar lives here once, for the reader and for numbers that a program makes.

/// A number in JSON's grammar, kept as written: `1.0` and `1` are different numbers here.
public struct JSONNumber: Hashable, Sendable {
  /// The digits as in the file.
  public let text: String

  /// A whole number.
  public init(_ value: Int) { text = String(value) }

  /// The shortest text that reads back as the same value of the same type; nil when it is infinite or not a number.
  public init?(_ value: some BinaryFloatingPoint & LosslessStringConvertible) {
    guard value.isFinite else { return nil }
    text = value.description
  }

  /// A number from text; nil unless all of it follows JSON's grammar.
  public init?(text: String) {
    let bytes = Array(text.utf8)
    let length = bytes.withUnsafeBytes { JSONNumber.length(in: $0, from: 0) }
    guard length == bytes.count else { return nil }
    self.text = text
  }

  init(checked text: String) { self.text = text }

  /// The exact value when the text is an integer without fraction or exponent that fits.
  public var int: Int? { Int(text) }

  /// Whether the text is an integer without fraction or exponent, of whatever size.
  public var isInteger: Bool { text.utf8.allSatisfy { $0 != UInt8(ascii: ".") && $0 | 0x20 != UInt8(ascii: "e") } }

  /// The nearest double; nil when the number is too large for one.
  public var double: Double? {
    guard let value = Double(text), value.isFinite else { return nil }
    return value
  }

  /// The number of bytes that the number starting at `start` takes; nil when none is there.
  static func length(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
    var position = start
    func byte() -> UInt8 { position < bytes.count ? bytes[position] : 0 }
    func skipDigits() -> Bool {
      let first = position
      while byte() >= UInt8(ascii: "0"), byte() <= UInt8(ascii: "9") { position += 1 }
      return position > first
    }
    if byte() == UInt8(ascii: "-") { position += 1 }
    if byte() == UInt8(ascii: "0") {
      position += 1
    } else if !skipDigits() {
      return nil
    }
    if byte() == UInt8(ascii: ".") {
      position += 1
      guard skipDigits() else { return nil }
    }
    if byte() == UInt8(ascii: "e") || byte() == UInt8(ascii: "E") {
      position += 1
      if byte() == UInt8(ascii: "+") || byte() == UInt8(ascii: "-") { position += 1 }
      guard skipDigits() else { return nil }
    }
    return position - start
  }
}
