// Splits graph text into tokens, on UTF-8 bytes, because parsing is on the start-up path. Tokens are ranges of the
// text: names become strings only where the parser keeps them.

/// One token: a range of bytes and the line it stands on.
struct Token {
  enum Kind {
    case word, value, weight, policy, integer, number, string
    /// A sign that its first byte says; `<` is `<=`.
    case symbol
    /// The end of a node's line, seen by the parser only while it reads a node.
    case endOfLine
    case endOfText
  }

  var kind: Kind
  var start: Int
  var end: Int
  /// Counted from 1.
  var line: Int
}

/// Reads tokens one by one.
struct Lexer {
  /// The file as the caller named it, for errors.
  let file: String
  let bytes: [UInt8]
  /// Bytes of a name, which errors repeat.
  static let longestName = 256
  /// Bytes of an error's message: a string or a number may be as long as the file.
  static let longestMessage = 1000
  private var position = 0
  private var line = 1

  init(_ text: String, file: String) {
    self.file = file
    bytes = Array(text.utf8)
  }

  /// The next token; `endOfText` for ever at the end.
  mutating func next() throws(ParseError) -> Token {
    skipBlanks()
    let start = position
    guard start < bytes.count else { return Token(kind: .endOfText, start: start, end: start, line: line) }
    let kind = try scan(bytes[start])
    return Token(kind: kind, start: start, end: position, line: line)
  }

  /// Goes on at an offset near the present one, where another grammar has read or will read.
  mutating func move(to offset: Int) {
    line +=
      bytes[min(position, offset)..<max(position, offset)].count { $0 == UInt8(ascii: "\n") }
      * (offset < position ? -1 : 1)
    position = offset
  }

  private mutating func skipBlanks() {
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
      case UInt8(ascii: "\n"):
        position += 1
        line += 1
      case UInt8(ascii: ";"):
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
      default: return
      }
    }
  }

  private mutating func scan(_ byte: UInt8) throws(ParseError) -> Token.Kind {
    switch byte {
    case UInt8(ascii: "%"): return try name(.value)
    case UInt8(ascii: "#"): return try name(.weight)
    case UInt8(ascii: "@"): return try name(.policy)
    case UInt8(ascii: "\""): return try string()
    case UInt8(ascii: "<"):
      guard peek(1) == UInt8(ascii: "=") else { throw error("expected `<=`") }
      position += 2
      return .symbol
    case UInt8(ascii: "-") where Self.isDigit(peek(1)): return try number()
    case _ where Self.isDigit(byte): return try number()
    case _ where Self.startsWord(byte):
      try skipBoundedName()
      return .word
    default:
      guard Self.isSymbol[Int(byte)] else { throw error("unexpected \(describe(byte))") }
      position += 1
      return .symbol
    }
  }

  private mutating func name(_ kind: Token.Kind) throws(ParseError) -> Token.Kind {
    guard Self.isNameByte(peek(1)) else { throw error("expected a name after \(describe(bytes[position]))") }
    position += 1
    try skipBoundedName()
    return kind
  }

  private mutating func skipBoundedName() throws(ParseError) {
    let start = position
    while position < bytes.count, isName[Int(bytes[position])] { position += 1 }
    guard position - start <= Self.longestName else {
      throw error("a name of \(position - start) bytes, at most \(Self.longestName) are read", at: start)
    }
  }

  private mutating func skipDigits() {
    while Self.isDigit(peek(0)) { position += 1 }
  }

  private mutating func number() throws(ParseError) -> Token.Kind {
    var kind = Token.Kind.integer
    if peek(0) == UInt8(ascii: "-") { position += 1 }
    skipDigits()
    if peek(0) == UInt8(ascii: "."), Self.isDigit(peek(1)) {
      kind = .number
      position += 1
      skipDigits()
    }
    if peek(0) == UInt8(ascii: "e") || peek(0) == UInt8(ascii: "E") {
      let signed = peek(1) == UInt8(ascii: "+") || peek(1) == UInt8(ascii: "-")
      guard Self.isDigit(peek(signed ? 2 : 1)) else { throw error("malformed number") }
      kind = .number
      position += signed ? 2 : 1
      skipDigits()
    }
    guard !Self.isNameByte(peek(0)) else { throw error("malformed number") }
    return kind
  }

  private mutating func string() throws(ParseError) -> Token.Kind {
    let start = position
    position += 1
    while position < bytes.count, bytes[position] != UInt8(ascii: "\n") {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        return .string
      case UInt8(ascii: "\\") where peek(1) != UInt8(ascii: "\n"): position = min(position + 2, bytes.count)
      default: position += 1
      }
    }
    throw error("the string does not end on its line", at: start)
  }

  /// The byte `distance` ahead; 0, which no token contains, past the end.
  private func peek(_ distance: Int) -> UInt8 {
    position + distance < bytes.count ? bytes[position + distance] : 0
  }

  /// An error at an offset; without one, where the lexer stands. What it repeats of the text is cut to `longestMessage`.
  func error(_ message: String, at offset: Int? = nil) -> ParseError {
    let before = bytes[..<min(offset ?? position, bytes.count)]
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    let line = 1 + before.count { $0 == UInt8(ascii: "\n") }
    let column = 1 + before[lineStart...].count { $0 & 0xc0 != 0x80 }
    let isLong = message.utf8.count > Self.longestMessage
    let shown = isLong ? String(decoding: message.utf8.prefix(Self.longestMessage), as: UTF8.self) + "..." : message
    return ParseError(file: file, line: line, column: column, message: shown)
  }

  private func describe(_ byte: UInt8) -> String {
    byte > 0x20 && byte < 0x7f ? "`\(Unicode.Scalar(byte))`" : "byte 0x\(String(byte, radix: 16))"
  }

  /// By byte; here and not of the type, as nearly every byte of a text is looked up.
  private let isName = (0...255).map { Lexer.isNameByte(UInt8($0)) }

  private static let isSymbol: [Bool] = {
    let symbols = Array("{}()[],:=+*^-".utf8)
    return (0...255).map { symbols.contains(UInt8($0)) }
  }()

  static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  static func isHexDigit(_ byte: UInt8) -> Bool {
    isDigit(byte) || (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "f")
  }

  static func startsWord(_ byte: UInt8) -> Bool {
    let lower = byte | 0x20
    return lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z") || byte == UInt8(ascii: "_")
  }

  static func isNameByte(_ byte: UInt8) -> Bool {
    startsWord(byte) || isDigit(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
  }
}
