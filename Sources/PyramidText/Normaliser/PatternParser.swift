// Reads regular expressions. What is not known is refused here, what can't be matched in proportion to a text later.

/// Reads the part of Oniguruma's language that `CompiledPattern` matches.
struct PatternParser {
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
      let (old, new) = (current.reduce(0) { $0 + $1.count }, parts.reduce(0) { $0 + $1.count })
      guard old * parts.count + new * current.count <= 8192 else {
        throw unsupported("alternatives of more than 8192 parts")
      }
      if parts.count > 1 {
        // Multiplied out, a repetition would be shortened for the first alternative before the next one is tried.
        let isOrdered = current.allSatisfy { head in parts.dropLast().allSatisfy { Self.isFixed(head, before: $0) } }
        guard isOrdered else { throw unsupported("alternatives for which a repetition before them may be shortened") }
      }
      if parts.count == 1 {
        for index in current.indices { current[index] += parts[0] }
      } else {
        current = current.flatMap { head in parts.map { head + $0 } }
      }
    }
    return done + current
  }

  /// Whether a head takes all that it can wherever this part follows.
  private static func isFixed(_ head: [CompiledPattern.Item], before part: [CompiledPattern.Item]) -> Bool {
    var next = part.first
    for item in head.reversed() {
      if item.lookahead == nil, item.least < item.most {
        guard let next, next.lookahead == nil, next.least > 0, item.set.isDisjoint(from: next.set) else { return false }
      }
      next = item
    }
    return true
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
      let count = set.ranges.count
      if peek("\\") {
        try readEscape(into: &set)
      } else {
        set.ranges.append(scalars[position]...scalars[position])
        position += 1
      }
      guard peek("-"), !peek("-]") else { continue }
      position += 1
      guard set.ranges.count > count, let first = set.ranges.popLast(), first.count == 1, position < scalars.count,
        !peek("\\"), !peek("["), first.lowerBound <= scalars[position]
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
