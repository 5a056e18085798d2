// The strict JSON reader (RFC 8259): everything that other readers forgive is an error here.
//
// No duplicate keys, no trailing text, no comments, no NaN, no lone surrogates, no invalid UTF-8, and bounds on depth,
// length and number of values, so that a hostile header can neither mean two things nor exhaust stack or memory.

/// The bounds within which a JSON text must stay.
public struct JSONLimits: Sendable, Equatable {
  /// The deepest nesting of arrays and objects, at most 512 (the reader recurses).
  public let maximumDepth: Int
  /// The longest text in bytes.
  public let maximumBytes: Int
  /// The largest number of values, containers and keys' values together.
  public let maximumValues: Int
  /// The longest number in bytes.
  static let maximumNumberLength = 1024

  /// Makes limits; what is left out is as in `standard`.
  public init(maximumDepth: Int = 64, maximumBytes: Int = 64 << 20, maximumValues: Int = 4_000_000) {
    precondition((1...512).contains(maximumDepth))
    (self.maximumDepth, self.maximumBytes, self.maximumValues) = (maximumDepth, maximumBytes, maximumValues)
  }

  /// 64 levels, 64 MiB, 4 million values: above every tokenizer.json there is, below what hurts.
  public static let standard = JSONLimits()
}

/// Reads a JSON text into a value.
public struct JSONReader {
  /// Reads exactly one value from the bytes; `file` names them in errors, whose place is a line and a column (in
  /// bytes).
  public static func read(
    _ bytes: UnsafeRawBufferPointer, file: String, limits: JSONLimits = .standard
  ) throws(FormatError) -> JSONValue {
    var parser = JSONParser(bytes: bytes, file: file, limits: limits)
    return try parser.document()
  }

  /// Reads exactly one value from an array of bytes.
  public static func read(
    _ bytes: [UInt8], file: String, limits: JSONLimits = .standard
  ) throws(FormatError) -> JSONValue {
    try bytes.withUnsafeBufferPointer { (bytes) throws(FormatError) in
      try read(UnsafeRawBufferPointer(bytes), file: file, limits: limits)
    }
  }

  /// Reads exactly one value from a string.
  public static func read(
    _ text: String, file: String, limits: JSONLimits = .standard
  ) throws(FormatError) -> JSONValue { try read(Array(text.utf8), file: file, limits: limits) }
}

/// The state of one reading; recursive descent with an explicit depth.
struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  let file: String
  let limits: JSONLimits
  var position = 0
  fileprivate var depth = 0
  fileprivate var values = 0

  mutating func document() throws(FormatError) -> JSONValue {
    guard bytes.count <= limits.maximumBytes else {
      throw FormatError(file: file, problem: "JSON of \(bytes.count) bytes, expected at most \(limits.maximumBytes)")
    }
    skipSpace()
    let value = try value()
    skipSpace()
    guard position == bytes.count else { throw failure("unexpected text after the JSON value") }
    return value
  }

  private mutating func value() throws(FormatError) -> JSONValue {
    values += 1
    guard values <= limits.maximumValues else { throw failure("more than \(limits.maximumValues) values") }
    switch current {
    case UInt8(ascii: "{"): return try nested { (parser) throws(FormatError) in try parser.object() }
    case UInt8(ascii: "["): return try nested { (parser) throws(FormatError) in try parser.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: throw failure("expected a JSON value, found \(found)")
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(FormatError) -> JSONValue
  ) throws(FormatError) -> JSONValue {
    depth += 1
    guard depth <= limits.maximumDepth else { throw failure("nested deeper than \(limits.maximumDepth) levels") }
    let value = try body(&self)
    depth -= 1
    return value
  }

  private mutating func object() throws(FormatError) -> JSONValue {
    var object = JSONObject()
    position += 1
    skipSpace()
    if take("}") { return .object(object) }
    while true {
      guard current == UInt8(ascii: "\"") else { throw failure("expected a key in double quotes, found \(found)") }
      let start = position
      let key = try string()
      skipSpace()
      guard take(":") else { throw failure("expected \":\", found \(found)") }
      skipSpace()
      let value = try value()
      guard object.append(key, value) else { throw failure("duplicate key \(key.quoted)", at: start) }
      skipSpace()
      if take("}") { return .object(object) }
      guard take(",") else { throw failure("expected \",\" or \"}\", found \(found)") }
      skipSpace()
    }
  }

  private mutating func array() throws(FormatError) -> JSONValue {
    var elements: [JSONValue] = []
    position += 1
    skipSpace()
    if take("]") { return .array(elements) }
    while true {
      elements.append(try value())
      skipSpace()
      if take("]") { return .array(elements) }
      guard take(",") else { throw failure("expected \",\" or \"]\", found \(found)") }
      skipSpace()
    }
  }

  private mutating func number() throws(FormatError) -> JSONValue {
    guard let length = JSONNumber.length(in: bytes, from: position) else { throw failure("malformed number") }
    guard length <= JSONLimits.maximumNumberLength else {
      throw failure("number of \(length) characters, expected at most \(JSONLimits.maximumNumberLength)")
    }
    let text = String(decoding: bytes[position..<position + length], as: UTF8.self)
    position += length
    if isWordByte(current) || current == UInt8(ascii: ".") { throw failure("malformed number", at: position - length) }
    return .number(JSONNumber(checked: text))
  }

  private mutating func literal(_ word: StaticString, _ value: JSONValue) throws(FormatError) -> JSONValue {
    let start = position
    for offset in 0..<word.utf8CodeUnitCount {
      guard current == word.utf8Start[offset] else { throw failure("malformed literal", at: start) }
      position += 1
    }
    guard !isWordByte(current) else { throw failure("malformed literal", at: start) }
    return value
  }
}

extension JSONParser {
  /// The byte at the position; 0, which is not a JSON token, at the end.
  var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard current == UInt8(ascii: scalar) else { return false }
    position += 1
    return true
  }

  private func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  /// What stands at the position, in words for an error.
  private var found: String {
    guard position < bytes.count else { return "the end of the text" }
    var end = position
    while end < bytes.count, end - position < 20, isWordByte(bytes[end]) { end += 1 }
    if end > position { return String(decoding: bytes[position..<end], as: UTF8.self).quoted }
    let byte = bytes[position]
    guard (0x21...0x7E).contains(byte) else { return "byte \(byte)" }
    return byte == UInt8(ascii: "\"") ? "a string" : "\"\(Unicode.Scalar(byte))\""
  }

  /// An error at a position (by default the current one), told as line and column from 1.
  func failure(_ problem: String, at position: Int? = nil) -> FormatError {
    let end = min(position ?? self.position, bytes.count)
    var line = 1
    var lineStart = 0
    for index in 0..<end where bytes[index] == 0x0A {
      line += 1
      lineStart = index + 1
    }
    return FormatError(file: file, place: "line \(line), column \(end - lineStart + 1)", problem: problem)
  }
}
