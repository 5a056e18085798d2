// The parser's view of tokens: expecting one, reading literals, and saying what was found instead. It is apart from the
// grammar so that each rule of the grammar reads like the text it accepts.

extension Parser {
  /// Moves on; while a node is read, a token of a later line counts as the end of the line.
  mutating func advance() throws(ParseError) {
    previousEnd = token.end
    token = try lexer.next()
  }

  /// The current token's kind, with the end of a node's line made visible.
  var kind: Token.Kind { nodeLine != 0 && token.line != nodeLine ? .endOfLine : token.kind }

  var isWord: Bool { kind == .word }

  /// Whether a symbol stands here.
  func isAt(_ symbol: Unicode.Scalar) -> Bool { kind == .symbol && lexer.bytes[token.start] == UInt8(ascii: symbol) }

  /// The bytes of a token as they stand.
  func text(of token: Token) -> String { String(decoding: lexer.bytes[token.start..<token.end], as: UTF8.self) }

  /// A name without its sigil.
  func name(of token: Token) -> String { String(decoding: lexer.bytes[(token.start + 1)..<token.end], as: UTF8.self) }

  /// Whether a token's bytes are these.
  func spells(_ token: Token, _ bytes: some Sequence<UInt8>) -> Bool {
    lexer.bytes[token.start..<token.end].elementsEqual(bytes)
  }

  /// A token of a kind, which errors call by `description`.
  mutating func takeToken(_ wanted: Token.Kind, _ description: @autoclosure () -> String) throws(ParseError) -> Token {
    guard kind == wanted else { throw unexpected(description()) }
    let taken = token
    try advance()
    return taken
  }

  /// The name and the token of a value, weight or policy.
  mutating func take(
    _ wanted: Token.Kind, _ description: @autoclosure () -> String
  ) throws(ParseError) -> (name: String, token: Token) {
    let taken = try takeToken(wanted, description())
    return (name(of: taken), taken)
  }

  /// Moves past a symbol, which errors call by `description`.
  @discardableResult
  mutating func take(_ symbol: Unicode.Scalar, _ description: String? = nil) throws(ParseError) -> Token {
    guard isAt(symbol) else { throw unexpected(description ?? "`\(symbol)`") }
    let taken = token
    try advance()
    return taken
  }

  /// Moves past a symbol if it is there.
  mutating func skip(_ symbol: Unicode.Scalar) throws(ParseError) -> Bool {
    guard isAt(symbol) else { return false }
    try advance()
    return true
  }

  /// Moves past a word if it is there.
  mutating func skipWord(_ word: String) throws(ParseError) -> Bool {
    guard isWord, spells(token, word.utf8) else { return false }
    try advance()
    return true
  }

  mutating func expectWord(_ word: String) throws(ParseError) {
    guard try skipWord(word) else { throw unexpected("`\(word)`") }
  }

  mutating func takeWord(_ description: @autoclosure () -> String) throws(ParseError) -> String {
    let word = try takeToken(.word, description())
    return text(of: word)
  }

  mutating func takeInteger(_ description: String) throws(ParseError) -> Int {
    guard kind == .integer else { throw unexpected(description) }
    guard let value = integer(token.start..<token.end) else {
      throw error("\(text(of: token)) does not fit in 64 bits", at: token)
    }
    try advance()
    return value
  }

  /// The number that digits stand for, perhaps after a minus sign; nil where 64 bits do not hold it.
  func integer(_ range: Range<Int>) -> Int? {
    let text = lexer.bytes[range]
    // Nearly all are short and have no sign: they need no string.
    guard text.count < 19, text.allSatisfy(Lexer.isDigit) else { return Int(String(decoding: text, as: UTF8.self)) }
    return text.reduce(0) { 10 * $0 + Int($1 - UInt8(ascii: "0")) }
  }

  /// An integer that is not negative.
  mutating func takeCount(_ description: String) throws(ParseError) -> Int {
    let start = token
    let value = try takeInteger(description)
    guard value >= 0 else { throw error("\(value) is negative", at: start) }
    return value
  }

  /// A string literal with its escapes undone.
  mutating func takeString(_ description: String) throws(ParseError) -> String {
    guard kind == .string else { throw unexpected(description) }
    let literal = token
    var bytes: [UInt8] = []
    var position = literal.start + 1
    while position < literal.end - 1 {
      let byte = lexer.bytes[position]
      position += 1
      if byte == UInt8(ascii: "\\") {
        try unescape(&position, of: literal, into: &bytes)
      } else {
        bytes.append(byte)
      }
    }
    try advance()
    return String(decoding: bytes, as: UTF8.self)
  }

  private func unescape(_ position: inout Int, of literal: Token, into bytes: inout [UInt8]) throws(ParseError) {
    let start = position - 1
    let byte = lexer.bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
    case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
    case UInt8(ascii: "t"): bytes.append(UInt8(ascii: "\t"))
    case UInt8(ascii: "u"):
      let digits = lexer.bytes[position..<(literal.end - 1)]
      guard digits.first == UInt8(ascii: "{"), let close = digits.prefix(10).firstIndex(of: UInt8(ascii: "}")),
        digits[(position + 1)..<close].allSatisfy(Lexer.isHexDigit),
        let number = UInt32(String(decoding: digits[(position + 1)..<close], as: UTF8.self), radix: 16),
        let scalar = Unicode.Scalar(number)
      else { throw lexer.error("malformed `\\u{...}`", at: start) }
      bytes.append(contentsOf: UTF8.encode(scalar)!)
      position = close + 1
    default: throw lexer.error("unknown escape, expected \\\" \\\\ \\n \\t or \\u{...}", at: start)
    }
  }

  /// The error that something else was expected here.
  func unexpected(_ description: String) -> ParseError {
    let found =
      switch kind {
      case .endOfText: "the end of the text"
      case .endOfLine: "the end of the line"
      default: "`\(text(of: token))`"
      }
    return lexer.error("expected \(description), found \(found)", at: kind == .endOfLine ? previousEnd : token.start)
  }

  func error(_ message: String, at token: Token) -> ParseError { lexer.error(message, at: token.start) }

  /// The word of a closed vocabulary that `text` is; `problem` is what to say, before a suggestion, when it is none.
  func known<Word: RawRepresentable<String> & CaseIterable>(
    _ text: String, at place: Token, else problem: @autoclosure () -> String
  ) throws(ParseError) -> Word {
    if let word = Word(rawValue: text) { return word }
    throw error(problem() + suggestion(for: text, among: Word.allCases.map(\.rawValue)), at: place)
  }
}
