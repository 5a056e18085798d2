// The tokenizer in an artefact: what is written is read, and what mp-compile never writes is refused.

import PyramidFormats
import Testing

@testable import PyramidText

@Suite struct `A tokenizer in an artefact` {
  private static let words: [String?] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "\u{E9}", "e\u{301}", "\u{1F600}", "\n", "", nil, "ab",
  ]

  private func rules(_ change: (inout TokenizerRules) -> Void = { _ in }) -> TokenizerRules {
    var rules = TokenizerRules(
      vocabulary: Vocabulary(Self.words + ["<x>"], modelCount: Self.words.count),
      template: .bert(first: 2, separator: 3), unknownID: 1, padID: 0, maskID: 4,
      addedTokens: [
        AddedToken(content: "<x>", id: 14, singleWord: true, stripsLeft: true, normalized: true, special: false)
      ])
    change(&rules)
    return rules
  }

  private func read(_ json: String, _ words: [UInt8]) throws -> TokenizerRules {
    try TokenizerRules(StoredTokenizer(settings: json, vocabulary: words), file: "x.mpc")
  }

  typealias Change = @Sendable (inout TokenizerRules) -> Void

  static let changes: [Change] = [
    { _ in },
    {
      $0.normaliser = [
        .bert(BertNormaliser(lowercase: false, stripAccents: true, splitCJK: false, cleanText: false)),
        .japanese(lowercase: true), .form(.nfc), .form(.nfkd), .lowercase, .stripAccents,
        .strip(left: true, right: false),
        .replace(.text("``"), with: "\""), .replace(.expression(" {2,}"), with: " "), .prepend("\u{2581}"), .nmt,
        .precompiled([4, 0, 0, 0, 0, 0, 0, 0]),
      ]
      $0.splitter = [
        .bert, .whitespace, .whitespaceSplit, .punctuation(.mergedWithPrevious), .digits(individual: true),
        .pattern(.expression("\\s+"), .removed, isInverted: true), .metaspace(mark: "\u{2581}", .always, cuts: false),
      ]
      $0.model = .unigram(UnigramRules(scores: (0..<14).map { -Double($0) / 3 }, unknownID: 1, fallsBackToBytes: true))
      $0.template = .roberta(first: 2, separator: 3)
    },
    {
      $0.model = .bytePairs(
        BytePairRules(
          merges: [.init(left: 5, right: 6, result: 13)], unknownID: 1, fusesUnknown: true, takesWholeWords: true))
      $0.splitter = [.byteLevel(addsBlank: true, cuts: false)]
      ($0.unknownID, $0.padID, $0.maskID, $0.modelMaxLength) = (nil, nil, nil, 128)
      ($0.truncatesLeft, $0.pairTruncation) = (true, .python)
    },
    { $0.model = .characters },
    { $0.model = .wordPiece(continuingPrefix: "@@", maxWordScalars: 50) },
  ]

  @Test(arguments: changes.indices)
  func `is the one that was written, to the last byte of a token`(index: Int) throws {
    // A tokenizer.json may hold tokens that no line of a vocab.txt could, and ids without a token.
    let written = rules(Self.changes[index])
    let found = try read(written.stored.settings, written.stored.vocabulary)
    #expect(found == written)
    let tokens = (0..<found.vocabulary.count).map { Array(found.vocabulary[$0].utf8) }
    #expect(tokens == (Self.words + ["<x>"]).map { Array(($0 ?? "").utf8) })
    #expect(found.vocabulary.isHole(12) && !found.vocabulary.isHole(11))
    _ = try Tokenizer(found)
  }

  @Test(arguments: [
    (#"{"id":2,"type":0}"#, #"{"id":15,"type":0}"#, "template.single.0.id"),
    (#"{"id":2,"type":0}"#, #"{"id":-1,"type":0}"#, "template.single.0.id"),
    (#""pad":0,"#, #""pad":15,"#, "tokenizer.pad"), (#""truncates_left":false,"#, "", "missing"),
    (#""model_ids":14"#, #""model_ids":16"#, "tokenizer.model_ids"),
    (#""max_word_scalars":100"#, #""max_word_scalars":0"#, "model.max_word_scalars"),
    (#""tokens_bytes":"#, #""tokens_bytes":9"#, "tokenizer.tokens_bytes"),
    (#""map_bytes":0"#, #""map_bytes":1"#, "tokenizer.map_bytes"),
    (#"{"type":"bert"}"#, #"{"type":"bart"}"#, "unknown"),
    (#""type":"WordPiece""#, #""type":"WordLevel""#, "unknown"),
    (#""pair_truncation":"library""#, #""pair_truncation":"none""#, "unknown"),
  ])
  func `is refused when its numbers do not fit its vocabulary`(old: String, new: String, message: String) throws {
    let stored = rules().stored
    let parts = stored.settings.split(separator: old, omittingEmptySubsequences: false)
    try #require(parts.count > 1, "\(stored.settings) has no \(old)")
    let error = #expect(throws: FormatError.self) { try read(parts.joined(separator: new), stored.vocabulary) }
    #expect(error.map { "\($0)".contains(message) } == true, "\(error.map { "\($0)" } ?? "none")")
  }

  @Test(
    arguments: [
      ([0x61, 0xFF, 0x62], "no end"), ([0x61, 0xC3, 0xFF], "not valid UTF-8"), ([], "empty"),
      ([0xFE, 0xFE, 0xFF], "not valid UTF-8"),
    ] as [([UInt8], String)])
  func `is refused when its vocabulary is damaged`(words: [UInt8], message: String) throws {
    let stored = rules().stored
    let size = #""tokens_bytes":"#
    let parts = stored.settings.split(separator: "\(size)\(stored.vocabulary.count)", omittingEmptySubsequences: false)
    try #require(parts.count == 2)
    let error = #expect(throws: FormatError.self) { try read(parts.joined(separator: "\(size)\(words.count)"), words) }
    #expect(error.map { "\($0)".contains(message) } == true, "\(error.map { "\($0)" } ?? "none")")
  }

  @Test func `is refused when it holds more than it says`() throws {
    let stored = rules().stored
    let error = #expect(throws: FormatError.self) { try read(stored.settings, stored.vocabulary + [0]) }
    #expect("\(error.map { "\($0)" } ?? "none")".contains("more than its sections"))
  }
}
