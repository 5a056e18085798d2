// The parts under the tokenizer, each on small examples that a reader can check by hand.

import Testing

@testable import PyramidText

@Suite("Longest first")
struct TruncationTests {
  @Test(
    "shortens the longer text, then both; the odd token goes to the originally longer, on a tie the second",
    arguments: [
      (0, 0, 7, 0, 0), (0, 8, 7, 0, 7), (2, 4, 7, 2, 4), (2, 8, 7, 2, 5), (4, 4, 7, 3, 4), (4, 8, 7, 3, 4),
      (8, 0, 7, 7, 0), (8, 2, 7, 5, 2), (8, 4, 7, 4, 3), (8, 8, 7, 3, 4), (3, 9, 6, 3, 3), (5, 5, 0, 0, 0),
      (5, 6, 1, 0, 1), (6, 5, 1, 1, 0),
    ])
  func lengths(first: Int, second: Int, budget: Int, newFirst: Int, newSecond: Int) {
    #expect(longestFirst(first, second, budget: budget) == (newFirst, newSecond))
  }
}

@Suite("A scalar table")
struct ScalarTableTests {
  @Test("holds the default, whole pages and single scalars beside each other")
  func pages() {
    var table = ScalarTable<UInt8>(default: 0)
    table.update(0x80...0x4FF) { $0 |= 1 }
    table.update(0x300...0x300) { $0 |= 2 }
    table.update(0x200...0x3FF) { $0 |= 4 }
    table.update(0x10FF00...0x10FFFF) { $0 |= 8 }
    let expected: [(UInt32, UInt8)] = [
      (0x7F, 0), (0x80, 1), (0x1FF, 1), (0x200, 5), (0x2FF, 5), (0x300, 7), (0x301, 5), (0x3FF, 5), (0x400, 1),
      (0x4FF, 1), (0x500, 0), (0x10FEFF, 0), (0x10FF00, 8), (0x10FFFF, 8),
    ]
    for (scalar, value) in expected { #expect(table[scalar] == value, "U+\(String(scalar, radix: 16))") }
  }
}

@Suite("UTF-8 of single scalars")
struct UTF8ScalarTests {
  @Test(
    "decodes and encodes as the standard library does",
    arguments: [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF] as [UInt32])
  func roundTrip(value: UInt32) throws {
    let expected = Array(UTF8.encode(try #require(Unicode.Scalar(value)))!)
    var bytes: [UInt8] = []
    encodeScalar(value, onto: &bytes)
    #expect(bytes == expected)
    var position = 0
    #expect(bytes.withUnsafeBufferPointer { decodeScalar($0, &position) } == value)
    #expect(position == expected.count)
  }
}

@Suite("Word pieces")
struct WordPieceTests {
  private func ids(_ text: String, _ vocabulary: [String], prefix: String = "##", limit: Int = 100) throws -> [Int32] {
    let rules = TokenizerRules(
      vocabulary: Vocabulary(vocabulary), model: .wordPiece(continuingPrefix: prefix, maxWordScalars: limit),
      template: .bert(first: 0, separator: 0), unknownID: 0)
    return try Array(Tokenizer(rules).encode(text, limit: 512).ids[1...].dropLast())
  }

  @Test("are greedy: the longest piece first, even where another way would spell the word")
  func greedy() throws {
    #expect(try ids("banana", ["?", "ba", "##na"]) == [1, 2, 2])
    #expect(try ids("banana", ["?", "ba", "##na", "##nan", "##a"]) == [1, 3, 4])
    #expect(try ids("banana", ["?", "ba", "##na", "##nan"]) == [0])
    #expect(try ids("nanana", ["?", "ba", "##na"]) == [0])
  }

  @Test("of equal entries count the last")
  func duplicate() throws {
    #expect(try ids("a", ["?", "a", "b", "a"]) == [3])
  }

  @Test("may have an empty continuing prefix")
  func emptyPrefix() throws {
    #expect(try ids("banana", ["?", "ba", "na"], prefix: "") == [1, 2, 2])
  }

  @Test("do not spell a word longer than the rules allow, counted after normalisation")
  func wordLimit() throws {
    #expect(try ids("aaa", ["?", "a", "##a"], limit: 3) == [1, 2, 2])
    #expect(try ids("aaaa", ["?", "a", "##a"], limit: 3) == [0])
    #expect(try ids("a\u{301}a\u{301}a\u{301}", ["?", "a", "##a"], limit: 3) == [1, 2, 2])
  }
}

@Suite("The normaliser")
struct WordSplitterTests {
  @Test(
    "gives the words that BERT expects",
    arguments: [
      ("Hey friend!     How are you?!?", ["hey", "friend", "!", "how", "are", "you", "?", "!", "?"]),
      ("野口里佳 Noguchi Rika", ["野", "口", "里", "佳", "noguchi", "rika"]),
      ("a\u{AD}b\u{0}c", ["abc"]),
      ("x\u{1BAA}\u{302E}y z\u{302E}\u{1BAA}", ["x\u{1BAA}\u{302E}y", "z\u{1BAA}\u{302E}"]),
      ("z\u{302E}\u{94D}\u{301}\u{1BAA}", ["z\u{1BAA}\u{302E}"]),
      ("z\u{302E}\u{93E}\u{1BAA}", ["z\u{302E}\u{93E}\u{1BAA}"]),
      ("z\u{302E}\u{C48}\u{1BAA}", ["z\u{302E}\u{1BAA}"]),
      ("한", ["\u{1112}\u{1161}\u{11AB}"]),
    ])
  func words(text: String, expected: [String]) {
    let scalars = PyramidTextTests.words(of: text, under: Setting.uncased.bert).map { Array($0.unicodeScalars) }
    #expect(scalars == expected.map { Array($0.unicodeScalars) })
  }
}
