// Patterns of the Replace normaliser and the Split splitter: literal text, or a regular expression of the kinds that
// tokenizer files hold. The Hugging Face library hands them to Oniguruma; this is a small backtracking matcher for the
// part of that language which such files use, and everything else is refused by name rather than read differently.
// Repetition is of single scalars only, so that a match takes time in proportion to its length at each place.

/// A pattern as a tokenizer's file states it.
public enum TextPattern: Sendable, Equatable {
  /// This very text.
  case text(String)
  /// A regular expression.
  case expression(String)
}

/// A set of scalars.
struct ScalarSet: Sendable, Equatable {
  /// `\s`, `\p{L}` and the like, each with whether it is negated.
  var classes: [(name: Name, isNegated: Bool)] = []
  var ranges: [ClosedRange<UInt32>] = []
  var isNegated = false
  /// Whether ASCII letters count in either case.
  var ignoresCase = false

  /// `\w` by itself is another set than within brackets.
  enum Name: Sendable { case space, letter, number, word, wordAlone }

  static func == (left: ScalarSet, right: ScalarSet) -> Bool {
    left.ranges == right.ranges && left.isNegated == right.isNegated && left.ignoresCase == right.ignoresCase
      && left.classes.elementsEqual(right.classes) { $0 == $1 }
  }

  func contains(_ scalar: UInt32) -> Bool {
    func holds(_ scalar: UInt32) -> Bool {
      if ranges.contains(where: { $0.contains(scalar) }) { return true }
      return classes.contains { name, isNegated in
        let holds =
          switch name {
          case .space: UnicodeFacts.shared.facts[scalar].contains(.whitespace)
          case .letter: UnicodeForms.shared.traits[scalar].contains(.letter)
          case .number: UnicodeForms.shared.traits[scalar].contains(.number)
          case .word: Self.isWord(scalar)
          case .wordAlone: Self.isWord(scalar) || Self.fractions.contains(scalar)
          }
        return holds != isNegated
      }
    }
    var found = holds(scalar)
    if !found, ignoresCase { found = Self.otherCases(of: scalar).contains(where: holds) }
    return found != isNegated
  }

  /// Oniguruma's `\w`, which has no joiners, unlike that of Rust's regular expressions.
  private static func isWord(_ scalar: UInt32) -> Bool {
    scalar != 0x200C && scalar != 0x200D && UnicodeForms.shared.traits[scalar].contains(.word)
  }

  /// Numbers of Latin-1 that are no digits, which its `\w` has outside of brackets.
  private static let fractions: Set<UInt32> = [0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE]

  /// ASCII letters that are the same but for their case; the long s and the Kelvin sign have one, too.
  private static func otherCases(of scalar: UInt32) -> [UInt32] {
    switch scalar {
    case 0x41...0x5A, 0x61...0x7A: [scalar ^ 0x20]
    case 0x17F: [0x73, 0x53]
    case 0x212A: [0x6B, 0x4B]
    default: []
    }
  }
}

/// A pattern ready to be looked for.
struct CompiledPattern: Sendable {
  /// A part of an alternative: a set repeated, or a condition on the scalar that follows.
  struct Item: Sendable, Equatable {
    var set: ScalarSet
    var least = 1
    var most = 1
    /// Whether the next scalar is looked at and not taken: nil for no condition, else whether it must (not) be there.
    var lookahead: Bool?
  }

  private let alternatives: [[Item]]

  init(_ pattern: TextPattern) throws(TokenizerError) {
    switch pattern {
    case .text(let text):
      alternatives = [text.unicodeScalars.map { Item(set: ScalarSet(ranges: [$0.value...$0.value])) }]
    case .expression(let text):
      var parser = PatternParser(text)
      alternatives = try parser.parse()
    }
    guard alternatives.allSatisfy({ $0.contains { $0.lookahead == nil && $0.least > 0 } }) else {
      throw .unsupportedPattern("it matches nothing at all")
    }
  }

  /// The first match at or after a position.
  func next(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> Range<Int>? {
    var start = position
    while start < text.count {
      for items in alternatives {
        if let end = match(items[...], text, start) { return start..<end }
      }
      _ = decodeScalar(text, &start)
    }
    return nil
  }

  /// Where the items end when they match at a position; the first of them takes as much as the others allow.
  private func match(_ items: ArraySlice<Item>, _ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int? {
    guard let item = items.first else { return start }
    let rest = items.dropFirst()
    if let mustHold = item.lookahead {
      var position = start
      let holds = position < text.count && item.set.contains(decodeScalar(text, &position))
      return holds == mustHold ? match(rest, text, start) : nil
    }
    var (position, count) = (start, 0)
    while count < item.most, position < text.count {
      var next = position
      guard item.set.contains(decodeScalar(text, &next)) else { break }
      (position, count) = (next, count + 1)
    }
    guard count >= item.least else { return nil }
    while true {
      if let end = match(rest, text, position) { return end }
      guard count > item.least else { return nil }
      position = startOfScalar(in: text, before: position)
      count -= 1
    }
  }
}

/// Reads the part of Oniguruma's language that `CompiledPattern` matches.
private struct PatternParser {
  private var scalars: [UInt32]
  private var position = 0
  private var ignoresCase = false
  /// Alternatives that groups may multiply to.
  private static let maximumAlternatives = 256

  init(_ text: String) { scalars = text.unicodeScalars.map(\.value) }

  mutating func parse() throws(TokenizerError) -> [[CompiledPattern.Item]] {
    guard scalars.count <= 2000 else { throw .unsupportedPattern("it has more than 2000 characters") }
    let result = try alternatives(depth: 0)
    guard position == scalars.count else { throw unsupported("an unmatched )") }
    return result
  }

  private func unsupported(_ what: String) -> TokenizerError {
    .unsupportedPattern("\(what) at character \(position + 1)")
  }

  private func peek(_ text: String) -> Bool { scalars[position...].starts(with: text.unicodeScalars.map(\.value)) }

  private mutating func take(_ text: String) -> Bool {
    guard peek(text) else { return false }
    position += text.unicodeScalars.count
    return true
  }

  private mutating func alternatives(depth: Int) throws(TokenizerError) -> [[CompiledPattern.Item]] {
    guard depth < 8 else { throw unsupported("a group within 8 others") }
    var (done, current): ([[CompiledPattern.Item]], [[CompiledPattern.Item]]) = ([], [[]])
    while position < scalars.count, !peek(")") {
      if take("|") {
        done += current
        current = [[]]
        continue
      }
      let parts = try item(depth: depth)
      guard done.count + current.count * parts.count <= Self.maximumAlternatives else {
        throw unsupported("more than \(Self.maximumAlternatives) alternatives")
      }
      current = current.flatMap { head in parts.map { head + $0 } }
    }
    return done + current
  }

  /// A group, a condition or a set with its repetition, as alternatives.
  private mutating func item(depth: Int) throws(TokenizerError) -> [[CompiledPattern.Item]] {
    let outer = ignoresCase
    if take("(?!") || take("(?=") {
      let mustHold = scalars[position - 1] == UInt32(UInt8(ascii: "="))
      guard case let inner = try alternatives(depth: depth + 1), inner.count == 1, inner[0].count == 1,
        (inner[0][0].least, inner[0][0].most, inner[0][0].lookahead) == (1, 1, nil), take(")")
      else { throw unsupported("a condition on more than one character") }
      return [[CompiledPattern.Item(set: inner[0][0].set, lookahead: mustHold)]]
    }
    let ignoresInside = take("(?i:")
    if ignoresInside || take("(?:") || peek("(") && !peek("(?") && take("(") {
      ignoresCase = outer || ignoresInside
      let inner = try alternatives(depth: depth + 1)
      guard take(")") else { throw unsupported("an unmatched (") }
      ignoresCase = outer
      // `(a|b)?` is `a`, `b` or nothing, in this order.
      if take("?") { return inner + [[]] }
      guard !peek("*"), !peek("+"), !peek("{") else { throw unsupported("a repeated group") }
      return inner
    }
    var item = CompiledPattern.Item(set: try set())
    try readRepetition(&item)
    return [[item]]
  }

  private mutating func readRepetition(_ item: inout CompiledPattern.Item) throws(TokenizerError) {
    if take("*") {
      (item.least, item.most) = (0, .max)
    } else if take("+") {
      item.most = .max
    } else if take("?") {
      item.least = 0
    } else if take("{") {
      let least = number()
      let most = take(",") ? number() ?? .max : least
      guard let least, let most, least <= most, take("}") else { throw unsupported("a repetition that is not {n,m}") }
      (item.least, item.most) = (least, most)
    }
    guard !peek("*"), !peek("+"), !peek("?") else { throw unsupported("a lazy or possessive repetition") }
  }

  private mutating func number() -> Int? {
    var value: Int?
    while position < scalars.count, (0x30...0x39).contains(scalars[position]), value ?? 0 < 10_000 {
      value = (value ?? 0) * 10 + Int(scalars[position] - 0x30)
      position += 1
    }
    return value
  }

  private mutating func set() throws(TokenizerError) -> ScalarSet {
    if take("[") { return try bracket() }
    var set = ScalarSet(ignoresCase: ignoresCase)
    if peek("\\") {
      try readEscape(into: &set)
      if set.classes.first?.name == .word { set.classes[0].name = .wordAlone }
    } else {
      guard let scalar = Unicode.Scalar(scalars[position]), !"^$.*+?{}[]".unicodeScalars.contains(scalar) else {
        throw unsupported("the operator")
      }
      set.ranges.append(scalar.value...scalar.value)
      position += 1
    }
    return set
  }

  private mutating func bracket() throws(TokenizerError) -> ScalarSet {
    var set = ScalarSet(ignoresCase: ignoresCase)
    set.isNegated = take("^")
    while !take("]") {
      guard position < scalars.count, !peek("["), !peek("&&") else { throw unsupported("a nested or open class") }
      if peek("\\") {
        try readEscape(into: &set)
      } else {
        set.ranges.append(scalars[position]...scalars[position])
        position += 1
      }
      guard peek("-"), !peek("-]") else { continue }
      position += 1
      guard let first = set.ranges.popLast(), first.count == 1, position < scalars.count, !peek("\\"), !peek("["),
        first.lowerBound <= scalars[position]
      else { throw unsupported("a range") }
      set.ranges.append(first.lowerBound...scalars[position])
      position += 1
    }
    return set
  }

  private mutating func readEscape(into set: inout ScalarSet) throws(TokenizerError) {
    let names: [(String, ScalarSet.Name, Bool)] = [
      ("\\s", .space, false), ("\\S", .space, true), ("\\w", .word, false), ("\\W", .word, true),
      ("\\p{L}", .letter, false), ("\\P{L}", .letter, true), ("\\p{N}", .number, false), ("\\P{N}", .number, true),
      ("\\pL", .letter, false), ("\\pN", .number, false),
    ]
    for (text, name, isNegated) in names where take(text) {
      set.classes.append((name, isNegated))
      return
    }
    for (text, scalar) in [("\\n", 0xA), ("\\r", 0xD), ("\\t", 0x9)] as [(String, UInt32)] where take(text) {
      set.ranges.append(scalar...scalar)
      return
    }
    guard position + 1 < scalars.count, case let scalar = scalars[position + 1], scalar < 0x80,
      !UnicodeForms.shared.traits[scalar].contains(.word)
    else { throw unsupported("the escape") }
    set.ranges.append(scalar...scalar)
    position += 2
  }
}
