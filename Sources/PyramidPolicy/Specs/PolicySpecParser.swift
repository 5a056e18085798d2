// Reads `name(key=value, ...)` from untrusted text (command lines, artefacts, plugin descriptions): one pass over the
// UTF-8 bytes, no recursion, everything bounded, and each error says at which column what was expected.
//
//   spec  = name [ "(" [ argument { "," argument } ] ")" ]        argument = name "=" value
//   value = number | word | "#" symbol | "[" [ number { "," number } ] "]"

extension PolicySpec {
  /// Bounds on the text: bytes, arguments, and numbers of one list.
  static let limits = (bytes: 1 << 16, arguments: 64, numbers: 4096)

  /// Reads a specification; white space between its parts does not matter.
  ///
  /// - Throws: `PolicyError.syntax` with the column and what was expected there.
  public init(_ text: String) throws(PolicyError) {
    guard text.utf8.count <= Self.limits.bytes else {
      throw .syntax(text: "...", column: Self.limits.bytes, expected: "at most \(Self.limits.bytes) bytes")
    }
    var parser = PolicySpecParser(text)
    self = try parser.spec()
  }
}

struct PolicySpecParser {
  private let text: String
  private let bytes: [UInt8]
  private var offset = 0

  init(_ text: String) {
    self.text = text
    bytes = Array(text.utf8)
  }

  mutating func spec() throws(PolicyError) -> PolicySpec {
    skipSpace()
    let name = try self.name("a policy name in kebab-case")
    var arguments: [PolicySpec.Argument] = []
    skipSpace()
    if take("(") {
      skipSpace()
      if !take(")") {
        repeat {
          guard arguments.count < PolicySpec.limits.arguments else {
            throw failure("at most \(PolicySpec.limits.arguments) arguments")
          }
          arguments.append(try argument(after: arguments))
          skipSpace()
        } while take(",")
        guard take(")") else { throw failure("',' or ')'") }
      }
    }
    skipSpace()
    guard offset == bytes.count else { throw failure(arguments.isEmpty ? "'(' or the end" : "the end") }
    return PolicySpec(name: name, arguments: arguments)
  }

  private mutating func argument(after others: [PolicySpec.Argument]) throws(PolicyError) -> PolicySpec.Argument {
    skipSpace()
    let start = offset
    let name = try self.name("a parameter name in kebab-case")
    if others.contains(where: { $0.name == name }) {
      offset = start
      throw failure("each parameter once, but '\(name)' is given twice")
    }
    skipSpace()
    guard take("=") else { throw failure("'='") }
    skipSpace()
    return PolicySpec.Argument(name: name, value: try value())
  }

  private mutating func value() throws(PolicyError) -> PolicySpec.Value {
    if take("[") { return .numbers(try numbers()) }
    if take("#") { return .learned(try word("the name of learned values, such as prune.thresholds")) }
    if offset < bytes.count, isLetter(bytes[offset]) { return .word(try word("a word")) }
    return .number(try number("a number, a word, a list or a #symbol"))
  }

  private mutating func numbers() throws(PolicyError) -> [Double] {
    var values: [Double] = []
    skipSpace()
    if take("]") { return values }
    repeat {
      guard values.count < PolicySpec.limits.numbers else {
        throw failure("at most \(PolicySpec.limits.numbers) numbers")
      }
      skipSpace()
      values.append(try number("a number"))
      skipSpace()
    } while take(",")
    guard take("]") else { throw failure("',' or ']'") }
    return values
  }

  private mutating func number(_ expected: String) throws(PolicyError) -> Double {
    let start = offset
    if !take("-") { _ = take("+") }
    var digits = skipDigits()
    if take(".") { digits += skipDigits() }
    guard digits > 0, digits <= 64 else {
      offset = start
      throw failure(digits == 0 ? expected : "a number of at most 64 digits")
    }
    if take("e") || take("E") {
      if !take("-") { _ = take("+") }
      guard (1...8).contains(skipDigits()) else { throw failure("the digits of an exponent") }
    }
    guard let value = Double(String(decoding: bytes[start..<offset], as: UTF8.self)), value.isFinite else {
      offset = start
      throw failure("a finite number")
    }
    return value
  }

  private mutating func name(_ expected: String) throws(PolicyError) -> String {
    let start = offset
    while offset < bytes.count, isLetter(bytes[offset]) || isDigit(bytes[offset]) || bytes[offset] == UInt8(ascii: "-")
    {
      offset += 1
    }
    let name = String(decoding: bytes[start..<offset], as: UTF8.self)
    guard isKebabCase(name) else {
      offset = start
      throw failure(expected)
    }
    return name
  }

  private mutating func word(_ expected: String) throws(PolicyError) -> String {
    let start = offset
    while offset < bytes.count, isWordByte(bytes[offset]) { offset += 1 }
    guard offset > start, isLetter(bytes[start]), offset - start <= 256 else {
      offset = start
      throw failure(expected)
    }
    return String(decoding: bytes[start..<offset], as: UTF8.self)
  }

  private mutating func skipDigits() -> Int {
    let start = offset
    while offset < bytes.count, isDigit(bytes[offset]) { offset += 1 }
    return offset - start
  }

  private mutating func skipSpace() {
    while offset < bytes.count, bytes[offset] == 0x20 || (0x09...0x0D).contains(bytes[offset]) { offset += 1 }
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: scalar) else { return false }
    offset += 1
    return true
  }

  private func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  private func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private func isWordByte(_ byte: UInt8) -> Bool {
    isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
      || byte == UInt8(ascii: ".")
  }

  /// The error at the current place; the column counts scalars, so continuation bytes are left out.
  private func failure(_ expected: String) -> PolicyError {
    let column = bytes[..<offset].reduce(1) { $1 & 0xC0 == 0x80 ? $0 : $0 + 1 }
    return .syntax(text: text, column: column, expected: expected)
  }
}
