// What the interface promises beside the ids: limits, repaired bytes, refused rules, and bounded work on bad input.

import Testing

@testable import PyramidText

@Suite("A tokenizer")
struct TokenizerTests {
  let tokenizer: Tokenizer

  init() throws {
    tokenizer = try Setting.uncased.makeTokenizer()
  }

  @Test(
    "returns [CLS] [SEP] for a text without words",
    arguments: ["", " \t\n ", "\u{0}", "\u{FEFF}\u{200D}", "\u{301}"])
  func emptyText(text: String) {
    #expect(tokenizer.encode(text, limit: 512) == Encoding(ids: [2, 3], typeIDs: [0, 0], fullLength: 2))
  }

  @Test("gives both texts of a pair their type ids")
  func pairTypes() {
    let encoding = tokenizer.encode("one two", pair: "river", limit: 512)
    #expect(encoding.ids.count == 6)
    #expect(encoding.typeIDs == [0, 0, 0, 0, 1, 1])
    #expect(!encoding.isTruncated)
  }

  @Test("tells the full length whatever the limit", arguments: [.min, 0, 2, 3, 10, 101, 102, 103, .max])
  func fullLength(limit: Int) {
    let encoding = tokenizer.encode(String(repeating: "river ", count: 100), limit: limit)
    #expect(encoding.fullLength == 102)
    #expect(encoding.ids.count == min(102, max(2, limit)))
    #expect(encoding.isTruncated == (limit < 102))
    #expect(encoding.ids.last == 3)
  }

  @Test("takes a word apart again when its last piece is unknown, beyond the limit too", arguments: [3, 4, 5, 512])
  func rollback(limit: Int) {
    let encoding = tokenizer.encode("river riverriver\u{4DC0}", limit: limit)
    #expect(encoding.fullLength == 4)
    #expect(encoding.ids == Array([2, tokenizer.encode("river", limit: 9).ids[1], 1].prefix(limit - 1)) + [3])
  }

  @Test(
    "repairs bytes that are not UTF-8 and says so",
    arguments: [[0xFF], [0xC3], [0xE2, 0x82], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80]] as [[UInt8]])
  func invalidBytes(bytes: [UInt8]) throws {
    let raw = try Setting.uncleaned.makeTokenizer()
    for tokenizer in [tokenizer, raw] {
      let text = Array("river ".utf8) + bytes + Array("river [MASK]".utf8)
      let expected = tokenizer.encode(String(decoding: text, as: UTF8.self), limit: 512)
      let encoding = text.withUnsafeBufferPointer { tokenizer.encode(utf8: $0, limit: 512) }
      #expect(encoding.isRepaired)
      #expect(encoding.ids == expected.ids)
      let pair = text.withUnsafeBufferPointer { bad in
        Array("one".utf8).withUnsafeBufferPointer { tokenizer.encode(utf8: $0, pair: bad, limit: 512) }
      }
      #expect(pair.isRepaired)
      #expect(pair.ids == tokenizer.encode("one", pair: String(decoding: text, as: UTF8.self), limit: 512).ids)
    }
  }

  @Test("reads the same ids from bytes as from a string")
  func validBytes() {
    let text = "Ångström [MASK] 日本 x\u{301}"
    let bytes = Array(text.utf8).withUnsafeBufferPointer { tokenizer.encode(utf8: $0, limit: 8) }
    #expect(bytes == tokenizer.encode(text, limit: 8))
    #expect(!bytes.isRepaired)
  }

  @Test("reads a buffer without a base address as empty")
  func emptyBuffer() {
    let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    #expect(tokenizer.encode(utf8: nothing, pair: nothing, limit: 512).ids == [2, 3, 3])
  }

  @Test("makes one unknown token of a word of 100,000 scalars", arguments: ["a", "é", "한", "\u{302E}", "😀"])
  func longWord(scalar: String) {
    let encoding = tokenizer.encode(String(repeating: scalar, count: 100_000), limit: 512)
    #expect(encoding.ids == [2, 1, 3])
    #expect(encoding.fullLength == 3)
  }

  @Test("finds its way through 100,000 openings of special tokens")
  func openBrackets() {
    let encoding = tokenizer.encode(String(repeating: "[MASK", count: 20_000) + "]", limit: 16)
    #expect(encoding.ids.count == 16)
    #expect(encoding.fullLength > 40_000)
  }

  @Test("sorts a run of 100,000 surviving marks by class")
  func longRunOfMarks() throws {
    let marks = String(repeating: "\u{302E}\u{1BAA}", count: 50_000)
    let sorted = "a" + String(repeating: "\u{1BAA}", count: 50_000) + String(repeating: "\u{302E}", count: 50_000)
    #expect(words(of: "a" + marks, under: Setting.uncased.bert) == [sorted])
  }
}

@Suite("Special tokens")
struct SpecialTokenTests {
  let tokenizer: Tokenizer

  init() throws {
    var rules = Setting.uncased.rules
    rules.addedTokens += [AddedToken(content: "[MASK]ed", id: 9000), AddedToken(content: "É", id: 9001)]
    tokenizer = try Tokenizer(rules)
  }

  @Test("match the longest at the leftmost place, and may have ids beyond the vocabulary")
  func longest() {
    let letter = tokenizer.encode("e", limit: 9).ids[1...]
    #expect(tokenizer.encode("[MASK]ed[MASK]e", limit: 9).ids == [2, 9000, 4] + letter)
  }

  @Test("match before normalisation, case and accents included")
  func verbatim() {
    #expect(tokenizer.encode("É", limit: 9).ids == [2, 9001, 3])
    #expect(tokenizer.encode("é E\u{301}", limit: 9).ids == tokenizer.encode("e e", limit: 9).ids)
  }
}

@Suite("Rules that make no tokenizer are refused")
struct TokenizerErrorTests {
  typealias Change = @Sendable (inout TokenizerRules) -> Void

  static let refusals: [(TokenizerError, Change)] = [
    (.maxWordScalarsOutOfRange(0), { $0.model = .wordPiece(continuingPrefix: "##", maxWordScalars: 0) }),
    (.idOutOfRange(role: "unknown", id: 3), { $0.unknownID = 3 }),
    (.idOutOfRange(role: "template's", id: -1), { $0.template = .bert(first: -1, separator: 2) }),
    (.idOutOfRange(role: "template's", id: .max), { $0.template = .bert(first: 1, separator: .max) }),
    (.idOutOfRange(role: "[X]", id: -5), { $0.addedTokens = [AddedToken(content: "[X]", id: -5)] }),
    (.emptyAddedToken(id: 2), { $0.addedTokens = [AddedToken(content: "", id: 2)] }),
    (.emptyAddedToken(id: 1), { $0.addedTokens = [AddedToken(content: "\u{301}", id: 1, normalized: true)] }),
    (
      .conflictingAddedToken(text: "[X]"),
      { $0.addedTokens = [AddedToken(content: "[X]", id: 1), AddedToken(content: "[X]", id: 2)] }
    ),
    (
      .conflictingAddedToken(text: "[X]"),
      {
        $0.addedTokens = [
          AddedToken(content: "[x]", id: 1, normalized: true), AddedToken(content: "[X]", id: 2, normalized: true),
        ]
      }
    ),
    (
      .unsupportedCombination("the ByteLevel pre-tokenizer must be the last one"),
      { $0.splitter = [.byteLevel(addsBlank: false, cuts: true), .whitespace] }
    ),
    (
      .unsupportedCombination("the ByteLevel pre-tokenizer with another model than a byte-level BPE"),
      { $0.splitter = [.byteLevel(addsBlank: false, cuts: true)] }
    ),
    (.scoresDoNotFit(count: 2), { $0.model = .unigram(UnigramRules(scores: [0, 1], unknownID: 0)) }),
    (.scoresDoNotFit(count: 3), { $0.model = .unigram(UnigramRules(scores: [0, 1, .nan], unknownID: 0)) }),
    (
      .idOutOfRange(role: "merged", id: 3),
      { $0.model = .bytePairs(BytePairRules(merges: [.init(left: 0, right: 1, result: 3)])) }
    ),
    (.damagedCharacterMap("its trie's size does not fit"), { $0.normaliser = [.precompiled([8, 0, 0, 0, 1])] }),
    (
      .unsupportedPattern("a lazy or possessive repetition at character 3"),
      {
        $0.normaliser = [.replace(.expression("a+?"), with: "")]
      }
    ),
  ]

  @Test("with an error that says why", arguments: refusals.indices)
  func refused(index: Int) {
    let (error, change) = Self.refusals[index]
    var rules = TokenizerRules(
      vocabulary: Vocabulary(["[UNK]", "[CLS]", "[SEP]"]), template: .bert(first: 1, separator: 2), unknownID: 0)
    change(&rules)
    #expect(throws: error) { try Tokenizer(rules) }
    #expect(!error.description.isEmpty)
  }

  @Test("as is a vocabulary without entries")
  func emptyVocabulary() {
    let rules = TokenizerRules(
      vocabulary: Vocabulary([]), template: .bert(first: 0, separator: 0), unknownID: 0)
    #expect(throws: TokenizerError.emptyVocabulary) { try Tokenizer(rules) }
  }
}

/// The words of a text, whole.
func words(of text: String, under rules: BertNormaliser) -> [String] {
  struct Words: WordSink {
    var words: [String] = []
    mutating func take(_ word: UnsafeBufferPointer<UInt8>, scalars: Int) {
      words.append(String(decoding: word, as: UTF8.self))
    }
  }
  var sink = Words()
  var text = text
  text.withUTF8 { WordSplitter(rules, wordLimit: .max).split($0, into: &sink) }
  return sink.words
}
