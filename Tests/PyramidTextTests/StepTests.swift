// The steps of normalisers and splitters on small examples, the patterns that are read and those that are refused, and
// flags of added tokens. What is right was asked of the Hugging Face library.

import Testing

@testable import PyramidText

@Suite struct `A pattern` {
  private func matches(_ expression: String, _ text: String) throws -> [String] {
    let pattern = try CompiledPattern(.expression(expression))
    var found: [String] = []
    Array(text.utf8).withUnsafeBufferPointer { text in
      pattern.forEachMatch(in: text) { match in found.append(String(decoding: text[match], as: UTF8.self)) }
    }
    return found
  }

  @Test(arguments: [
    (" {2,}", "a  b   c d", ["  ", "   "]), ("\\s{2,}|[\\n\\r\\t]", "a \n b\tc d", [" \n ", "\t"]),
    ("\\p{N}{1,3}", "12345", ["123", "45"]), ("(?i:'s|'re)", "'S 'rE 's'\u{17F}", ["'S", "'rE", "'s", "'\u{17F}"]),
    ("\\s+(?!\\S)|\\s+", "a  b \n", [" ", " ", " \n"]), ("[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", "-ab 1c", ["-ab", "c"]),
    ("\\w", "\u{B2}\u{2460}\u{200D}a", ["\u{B2}", "a"]), ("[\\w]", "\u{B2}\u{2460}\u{200D}a", ["a"]),
    ("\\p{L}+(?:'s|'t)?", "it's a", ["it's", "a"]),
    ("[a-c-]+", "xab-cd", ["ab-c"]), ("a(b|cd)?e", "ae abe acde abcde", ["ae", "abe", "acde"]),
  ])
  func `of tokenizer files matches as Oniguruma does`(expression: String, text: String, expected: [String]) throws {
    #expect(try matches(expression, text) == expected)
  }

  @Test(arguments: [
    "", "a*", "(a|b)*", "a+?", "a++", "\\d", "\\b", "^a", "a$", ".", "(?<x>a)", "(?<=a)b", "a{2", "a{3,1}", "[a", "(a",
    "a)",
    "[[a]]", "[a&&b]", "[z-a]", "[a-\\n]", "\\", "(?!ab)c", "\\p{Lu}", "\\1", "(?", "a|", "{", "*",
    // A repetition that the first alternative would shorten before the second is tried; a range that begins at a class.
    "[ab]+(?:a|bb)?", "\\w+(?:s|es)?", "[b\\s-z]",
  ])
  func `with a part that is not known is refused`(expression: String) {
    #expect(throws: TokenizerError.self) { try CompiledPattern(.expression(expression)) }
  }

  @Test func `of any characters is read or refused`() {
    let parts = [
      "(", ")", "(?:", "(?i:", "(?!", "[", "]", "^", "-", "\\", "|", "*", "+", "?", "{", "}", "1", ",", "a", "\\s",
    ]
    for index in 0..<20_000 {
      var draw = Draw(index: index)
      let text = (0..<draw.below(9)).map { _ in parts[draw.below(parts.count)] }.joined()
      guard let pattern = try? CompiledPattern(.expression(text)) else { continue }
      var matches: [Range<Int>] = []
      Array("a-a 1".utf8).withUnsafeBufferPointer { bytes in
        pattern.forEachMatch(in: bytes) { match in matches.append(match) }
      }
      #expect(matches.allSatisfy { !$0.isEmpty }, "\(text)")
    }
  }
}

@Suite struct `A step` {
  private func normalised(_ text: String, _ steps: [NormaliserStep]) throws -> String {
    var (bytes, spare) = (Array(text.utf8), [UInt8]())
    try Normaliser(steps).normalise(&bytes, &spare)
    return String(decoding: bytes, as: UTF8.self)
  }

  private func pieces(_ text: String, _ steps: [SplitterStep], startsText: Bool = true) throws -> [String] {
    var pieces = TextPieces()
    pieces.bytes = Array(text.utf8)
    pieces.ranges = [0..<pieces.bytes.count]
    try Splitter(steps).split(&pieces, startsText: startsText)
    return pieces.ranges.map { String(decoding: pieces.bytes[$0], as: UTF8.self) }
  }

  @Test(arguments: NormalForm.allCases)
  func `of a normal form decomposes, orders and composes`(form: NormalForm) throws {
    // Composition and order on sequences that a reader can check.
    let cases: [(String, [NormalForm: String])] = [
      (
        "\u{1E9B}\u{323}",
        [.nfc: "\u{1E9B}\u{323}", .nfd: "\u{17F}\u{323}\u{307}", .nfkc: "\u{1E69}", .nfkd: "s\u{323}\u{307}"]
      ),
      (
        "\u{AC00}\u{11A8}",
        [
          .nfc: "\u{AC01}", .nfd: "\u{1100}\u{1161}\u{11A8}", .nfkc: "\u{AC01}",
          .nfkd: "\u{1100}\u{1161}\u{11A8}",
        ]
      ),
      (
        "\u{FB01}\u{BD}",
        [.nfc: "\u{FB01}\u{BD}", .nfd: "\u{FB01}\u{BD}", .nfkc: "fi1\u{2044}2", .nfkd: "fi1\u{2044}2"]
      ),
      ("\u{958}", [.nfc: "\u{915}\u{93C}", .nfd: "\u{915}\u{93C}", .nfkc: "\u{915}\u{93C}", .nfkd: "\u{915}\u{93C}"]),
    ]
    for (text, expected) in cases {
      let found = try normalised(text, [.form(form)])
      #expect(Array(found.unicodeScalars) == Array(try #require(expected[form]).unicodeScalars))
    }
  }

  @Test func `of a normaliser does what its name says`() throws {
    #expect(try normalised("  a b \n", [.strip(left: true, right: false)]) == "a b \n")
    #expect(try normalised("  a b \n", [.strip(left: true, right: true)]) == "a b")
    #expect(try normalised(" \n", [.strip(left: true, right: true)]) == "")
    #expect(try normalised("``a``", [.replace(.text("``"), with: "\"")]) == "\"a\"")
    #expect(try normalised("a", [.prepend("\u{2581}")]) == "\u{2581}a")
    #expect(try normalised("", [.prepend("\u{2581}")]) == "")
    #expect(try normalised("a\u{1}\tb\u{200B}", [.nmt]) == "a b ")
    #expect(try normalised("e\u{301}\u{20DD}\u{93E}", [.stripAccents]).unicodeScalars.count == 1)
  }

  @Test(arguments: [
    (SplitBehaviour.removed, ["a", "b", "c"]), (.isolated, ["a", "-", "b", "-", "-", "c", "-"]),
    (.mergedWithPrevious, ["a-", "b-", "-", "c-"]), (.mergedWithNext, ["a", "-b", "-", "-c", "-"]),
    (.contiguous, ["a", "-", "b", "--", "c", "-"]),
  ])
  func `of a splitter deals with matches`(behaviour: SplitBehaviour, expected: [String]) throws {
    #expect(try pieces("a-b--c-", [.punctuation(behaviour)]) == expected)
  }

  @Test(arguments: [
    (SplitBehaviour.removed, ["a", "b"]), (.isolated, ["a", "-", "-", "b"]), (.contiguous, ["a", "-", "-", "b"]),
    (.mergedWithPrevious, ["a-", "-", "b"]), (.mergedWithNext, ["a", "-", "-b"]),
  ])
  func `of a splitter joins nothing across the pieces of the one before`(
    behaviour: SplitBehaviour, expected: [String]
  ) throws {
    #expect(try pieces(" a- -b", [.whitespaceSplit, .punctuation(behaviour)]) == expected)
  }

  @Test func `of a splitter cuts where its name says`() throws {
    #expect(
      try pieces("it's  a\n x1", [.byteLevel(addsBlank: false, cuts: true)]) == [
        "it", "'s", " ", " a", "\n", " x", "1",
      ])
    #expect(try pieces("a", [.byteLevel(addsBlank: true, cuts: true)]) == [" a"])
    #expect(try pieces("a_b-c d", [.whitespace]) == ["a_b", "-", "c", "d"])
    #expect(try pieces("a12b", [.digits(individual: true)]) == ["a", "1", "2", "b"])
    #expect(try pieces("a12b", [.digits(individual: false)]) == ["a", "12", "b"])
    let mark: Unicode.Scalar = "\u{2581}"
    #expect(
      try pieces("a  b", [.metaspace(mark: mark, .always, cuts: true)]) == ["\u{2581}a", "\u{2581}", "\u{2581}b"])
    #expect(try pieces("a b", [.metaspace(mark: mark, .never, cuts: false)]) == ["a\u{2581}b"])
    #expect(try pieces("a", [.metaspace(mark: mark, .first, cuts: true)], startsText: false) == ["a"])
  }
}

@Suite struct `Added tokens with flags` {
  private func ids(
    _ text: String, splitter: [SplitterStep] = [.whitespaceSplit], _ change: (inout AddedToken) -> Void
  ) throws -> [Int32] {
    var token = AddedToken(content: "New", id: 5, special: false)
    change(&token)
    let rules = TokenizerRules(
      vocabulary: Vocabulary(["[UNK]", "[CLS]", "[SEP]", "a", " "]), splitter: splitter,
      template: .bert(first: 1, separator: 2), unknownID: 0, addedTokens: [token])
    return try Array(Tokenizer(rules).encode(text, limit: 99).ids.dropFirst().dropLast())
  }

  @Test func `are found as the flags say`() throws {
    #expect(try ids("a new New", { _ in }) == [3, 0, 5])
    #expect(try ids("a new N\u{E9}w", { $0.normalized = true }) == [3, 5, 5])
    #expect(try ids("Newa New", { $0.singleWord = true }) == [0, 5])
    #expect(try ids("New\u{301}a.New!", { $0.singleWord = true }) == [0, 5, 0])
    #expect(try ids("aNewa", { $0.stripsLeft = true }) == [3, 5, 3])
  }

  /// What is not split keeps its white space, and is not a word of the vocabulary then. Ids are those of Hugging Face's tokenizers with
  /// a WordPiece model and no pre-tokenizer.
  @Test(arguments: [
    (false, false, [[0, 5], [5, 0], [0, 5], [3, 5, 0, 5, 0], [0, 5, 4, 5, 0]]),
    (true, false, [[3, 5], [5, 0], [3, 5], [3, 5, 5, 0], [3, 5, 5, 0]]),
    (false, true, [[0, 5], [5, 3], [0, 5], [3, 5, 5], [0, 5, 5, 3]]),
    (true, true, [[3, 5], [5, 3], [3, 5], [3, 5, 5], [3, 5, 5, 3]]),
  ])
  func `take white space at their sides where they strip it`(left: Bool, right: Bool, expected: [[Int32]]) throws {
    let texts = ["a New", "New a", "a \u{3000} New", "aNew  New  ", "a  New New a"]
    let found = try texts.map { try ids($0, splitter: []) { ($0.stripsLeft, $0.stripsRight) = (left, right) } }
    #expect(found == expected)
  }
}
