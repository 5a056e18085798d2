// Reads `name(key=value, ...)` from untrusted text (command lines, artefacts, plugin descriptions): one pass over the
// UTF-8 bytes, no recursion, everything bounded, and each error says at which column what was expected.
//
//   spec  = name [ "(" [ argument { "," argument } ] ")" ]        argument = name "=" value
//   value = number | word | "#" symbol | "[" [ number { "," number } ] "]"

extension PolicySpec {
  /// Bounds on the text: bytes, arguments, and numbers of one list.
  struct Limits {
    let bytes, arguments, numbers: Int

    /// What a person or an artefact may write.
    static let written = Limits(bytes: 1 << 16, arguments: 64, numbers: 4096)
    /// A text in which learned values stand, of which there may be one for each token of a vocabulary.
    static let learned = Limits(bytes: 1 << 28, arguments: 64, numbers: 1 << 23)
  }

  /// What was expected where in the text.
  public struct SyntaxError: Error {
    /// Bytes before the place.
    public let offset: Int
    /// What should be there.
    public let expected: String
  }

  /// Reads a specification; white space between its parts does not matter.
  ///
  /// - Throws: `PolicyError.syntax` with the column and what was expected there.
  public init(_ text: String) throws(PolicyError) { try self.init(text, limits: .written) }

  init(_ text: String, limits: Limits) throws(PolicyError) {
    guard text.utf8.count <= limits.bytes else {
      throw .syntax(text: "...", column: limits.bytes, expected: "at most \(limits.bytes) bytes")
    }
    let bytes = Array(text.utf8)
    var parser = PolicySpecParser(bytes: bytes, limits: limits)
    do {
      let spec = try parser.spec()
      try parser.finish(spec)
      self = spec
    } catch {
      // The column counts scalars, so continuation bytes are left out.
      let column = bytes[..<error.offset].reduce(1) { $1 & 0xC0 == 0x80 ? $0 : $0 + 1 }
      throw .syntax(text: text, column: column, expected: error.expected)
    }
  }

  /// Reads the specification that begins at `offset` of a longer text and moves `offset` to its end. Between its parts
  /// there may be white space and comments, from `;` to the end of the line: this is how a graph's text has it.
  public static func read(from bytes: [UInt8], at offset: inout Int) throws(SyntaxError) -> PolicySpec {
    var parser = PolicySpecParser(bytes: bytes, offset: offset, hasComments: true)
    defer { offset = parser.offset }
    return try parser.spec()
  }
}

private struct PolicySpecParser {
  let bytes: [UInt8]
  var offset = 0
  var hasComments = false
  var limits = PolicySpec.Limits.written

  mutating func spec() throws(PolicySpec.SyntaxError) -> PolicySpec {
    skipSpace()
    let name = try self.name("a policy name in kebab-case")
    var arguments: [PolicySpec.Argument] = []
    var end = offset
    skipSpace()
    if take("(") {
      skipSpace()
      if !take(")") {
        repeat {
          guard arguments.count < limits.arguments else {
            throw failure("at most \(limits.arguments) arguments")
          }
          arguments.append(try argument(after: arguments))
          skipSpace()
        } while take(",")
        guard take(")") else { throw failure("',' or ')'") }
      }
      end = offset
    }
    offset = end
    return PolicySpec(name: name, arguments: arguments)
  }

  /// Throws unless nothing but white space follows.
  mutating func finish(_ spec: PolicySpec) throws(PolicySpec.SyntaxError) {
    skipSpace()
    guard offset == bytes.count else { throw failure(spec.arguments.isEmpty ? "'(' or the end" : "the end") }
  }

  private mutating func argument(after others: [PolicySpec.Argument]) throws(PolicySpec.SyntaxError)
    -> PolicySpec.Argument
  {
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

  private mutating func value() throws(PolicySpec.SyntaxError) -> PolicySpec.Value {
    if take("[") { return .numbers(try numbers()) }
    if take("#") { return .learned(try word("the name of learned values, such as prune.thresholds")) }
    if offset < bytes.count, isLetter(bytes[offset]) { return .word(try word("a word")) }
    return .number(try number("a number, a word, a list or a #symbol"))
  }

  private mutating func numbers() throws(PolicySpec.SyntaxError) -> [Double] {
    var values: [Double] = []
    skipSpace()
    if take("]") { return values }
    repeat {
      guard values.count < limits.numbers else {
        throw failure("at most \(limits.numbers) numbers")
      }
      skipSpace()
      values.append(try number("a number"))
      skipSpace()
    } while take(",")
    guard take("]") else { throw failure("',' or ']'") }
    return values
  }

  private mutating func number(_ expected: String) throws(PolicySpec.SyntaxError) -> Double {
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

  private mutating func name(_ expected: String) throws(PolicySpec.SyntaxError) -> String {
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

  private mutating func word(_ expected: String) throws(PolicySpec.SyntaxError) -> String {
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
    while offset < bytes.count {
      if bytes[offset] == 0x20 || (0x09...0x0D).contains(bytes[offset]) {
        offset += 1
      } else if hasComments, bytes[offset] == UInt8(ascii: ";") {
        while offset < bytes.count, bytes[offset] != UInt8(ascii: "\n") { offset += 1 }
      } else {
        return
      }
    }
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: scalar) else { return false }
    offset += 1
    return true
  }

  private func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }

  private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private func isWordByte(_ byte: UInt8) -> Bool {
    isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
      || byte == UInt8(ascii: ".")
  }

  private func failure(_ expected: String) -> PolicySpec.SyntaxError {
    PolicySpec.SyntaxError(offset: offset, expected: expected)
  }
}
