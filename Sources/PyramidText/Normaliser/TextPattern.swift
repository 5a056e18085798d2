// Patterns of the Replace normaliser and the Split splitter: literal text, or a regular expression of the kinds that
// tokenizer files hold. The Hugging Face library hands them to Oniguruma; this is a small backtracking matcher for the
// part of that language which such files use, and everything else is refused by name rather than read differently.
// Repetition is of single scalars only, and of the items of an alternative that may have to give back, one may take any
// number, of which no place is tried twice, and others have few ways. So a search takes time in proportion to its text.

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

  /// Bytes of its shortest scalar, as a bound.
  var leastBytes: Int {
    if isNegated || ignoresCase || !classes.isEmpty { return 1 }
    let first = ranges.map(\.lowerBound).min() ?? 0
    return first < 0x80 ? 1 : first < 0x800 ? 2 : first < 0x10000 ? 3 : 4
  }

  /// Whether no scalar is in both; false, too, where neither is of ASCII alone.
  func isDisjoint(from other: ScalarSet) -> Bool {
    func isSmall(_ set: ScalarSet) -> Bool {
      set.classes.isEmpty && !set.isNegated && set.ranges.allSatisfy { $0.upperBound < 0x80 }
    }
    guard isSmall(self) || isSmall(other) else { return false }
    // Two more have ASCII letters for other cases.
    return !(Array(0..<0x80) + [0x17F, 0x212A]).contains { contains($0) && other.contains($0) }
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
    /// Whether it has to give back some of what it took where the items after it do not match.
    var givesBack = false
    /// Its place among the runs that a search remembers, where it gives back and takes any number.
    var run: Int?
  }

  let alternatives: [[Item]]
  /// Bytes of the shortest match, and comparisons at one place of a text, as bounds.
  let leastBytes, comparisons: Int
  /// How many runs a search remembers.
  private let runCount: Int

  init(_ pattern: TextPattern) throws(TokenizerError) {
    var (alternatives, bytes) = ([[Item]](), 0)
    switch pattern {
    case .text(let text):
      // Asked first, because a byte becomes a hundred here.
      bytes = text.utf8.count
      try TokenizerRules.check(bytes, TokenizerRules.mostTextBytes, "bytes of a pattern")
      alternatives = [text.unicodeScalars.map { Item(set: ScalarSet(ranges: [$0.value...$0.value])) }]
    case .expression(let text):
      var parser = PatternParser(text)
      alternatives = try parser.parse()
      bytes =
        alternatives.map { items in
          items.reduce(0) { $0 + ($1.lookahead == nil ? $1.least * $1.set.leastBytes : 0) }
        }.min() ?? 0
    }
    guard alternatives.allSatisfy({ $0.contains { $0.lookahead == nil && $0.least > 0 } }) else {
      throw .unsupportedPattern("it matches nothing at all")
    }
    var (runs, steps) = (0, 0)
    for index in alternatives.indices { steps += try Self.prepare(&alternatives[index], &runs) }
    guard steps <= 4096 else { throw .unsupportedPattern("it asks for more than 4096 comparisons at a character") }
    (self.alternatives, leastBytes, comparisons, runCount) = (alternatives, bytes, steps, runs)
  }

  /// Finds the items that may have to give back, and counts the comparisons for which the alternative asks at one place.
  private static func prepare(_ items: inout [Item], _ runs: inout Int) throws(TokenizerError) -> Int {
    var (canFail, hasRun, ways, steps) = (false, false, 1, 0)
    for index in items.indices.reversed() {
      let item = items[index]
      if canFail, item.least < item.most {
        items[index].givesBack = true
        if item.most == .max {
          guard !hasRun else { throw .unsupportedPattern("two repetitions without an end before what must follow") }
          hasRun = true
          items[index].run = runs
          runs += 1
        } else {
          ways *= item.most - item.least + 1
          guard ways <= 64 else { throw .unsupportedPattern("repetitions that can be shortened in more than 64 ways") }
        }
      }
      steps += max(item.least, 1) * max(item.set.ranges.count + item.set.classes.count, 1)
      canFail = canFail || item.lookahead != nil || item.least > 0
    }
    return ways * steps
  }

  /// Calls `body` with each match from left to right; none is empty.
  func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    withUnsafeTemporaryAllocation(of: Range<Int>.self, capacity: runCount) { failed in
      failed.initialize(repeating: 0..<0)
      var start = 0
      search: while start < text.count {
        for items in alternatives {
          guard let end = match(items[...], text, start, failed) else { continue }
          body(start..<end)
          start = end
          continue search
        }
        _ = decodeScalar(text, &start)
      }
    }
  }

  /// Where the items end when they match at a position; the first of them takes as much as the others allow.
  private func match(
    _ items: ArraySlice<Item>, _ text: UnsafeBufferPointer<UInt8>, _ start: Int,
    _ failed: UnsafeMutableBufferPointer<Range<Int>>
  ) -> Int? {
    var position = start
    for index in items.indices {
      let item = items[index]
      if let mustHold = item.lookahead {
        var next = position
        let holds = next < text.count && item.set.contains(decodeScalar(text, &next))
        guard holds == mustHold else { return nil }
      } else if item.givesBack {
        return match(item, before: items[(index + 1)...], text, position, failed)
      } else {
        guard let taken = Self.take(item, text, position) else { return nil }
        position = taken.end
      }
    }
    return position
  }

  /// The same for an item that may have to give back, and the items after it. Whether they match depends on the place
  /// alone, and of a run without a match every place has been tried, its end included: `failed` has these places.
  private func match(
    _ item: Item, before rest: ArraySlice<Item>, _ text: UnsafeBufferPointer<UInt8>, _ start: Int,
    _ failed: UnsafeMutableBufferPointer<Range<Int>>
  ) -> Int? {
    if let run = item.run, failed[run].contains(start) { return nil }
    guard let taken = Self.take(item, text, start) else { return nil }
    var (position, count) = taken
    while true {
      if let end = match(rest, text, position, failed) { return end }
      guard count > item.least else { break }
      position = startOfScalar(in: text, before: position)
      count -= 1
    }
    // An earlier run ends soon, and a later one may be long.
    if let run = item.run, taken.end + 1 >= failed[run].upperBound { failed[run] = start..<taken.end + 1 }
    return nil
  }

  /// The most scalars that an item takes from a position on, and where they end; nil where they are too few.
  private static func take(
    _ item: Item, _ text: UnsafeBufferPointer<UInt8>, _ start: Int
  ) -> (end: Int, count: Int)? {
    var (position, count) = (start, 0)
    while count < item.most, position < text.count {
      var next = position
      guard item.set.contains(decodeScalar(text, &next)) else { break }
      (position, count) = (next, count + 1)
    }
    guard count >= item.least else { return nil }
    return (position, count)
  }
}
