// The tokenizer in an artefact: what is written is read, and what mp-compile never writes is refused.

import PyramidFormats
import Testing

@testable import PyramidText

@Suite struct `A tokenizer in an artefact` {
  private func description() throws -> TokenizerRules {
    let lines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
    return try Array(lines.utf8).withUnsafeBytes {
      try TokenizerRules(vocabularyFile: $0, file: "vocab.txt", settings: nil)
    }
  }

  private func read(_ json: String, _ words: [UInt8]) throws -> TokenizerRules {
    try TokenizerRules(StoredTokenizer(settings: json, vocabulary: words), file: "x.mpc")
  }

  @Test func `is the one that was written, to the last byte of a token`() throws {
    // A tokenizer.json may hold tokens that no line of a vocab.txt could.
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "\u{E9}", "e\u{301}", "\u{1F600}", "\n", ""]
    for hasMask in [true, false] {
      var tokenizer = try description()
      tokenizer.vocabulary = Vocabulary(words + ["<x>"], modelCount: words.count)
      tokenizer.specialTokens.append(SpecialToken(content: "<x>", id: Int32(words.count)))
      if !hasMask { tokenizer.maskID = nil }
      tokenizer.stripAccents = hasMask ? true : nil
      tokenizer.modelMaxLength = hasMask ? 128 : nil
      (tokenizer.lowercase, tokenizer.splitCJK, tokenizer.cleanText) = (hasMask, !hasMask, hasMask)
      tokenizer.model = .wordPiece(continuingPrefix: "@@", maxWordScalars: 50)
      let found = try read(tokenizer.stored.settings, tokenizer.stored.vocabulary)
      #expect(found == tokenizer)
      let tokens = (0..<found.vocabulary.count).map { Array(found.vocabulary[$0].utf8) }
      #expect(tokens == (words + ["<x>"]).map { Array($0.utf8) })
    }
  }

  @Test(arguments: [
    (#""cls":2"#, #""cls":5"#, "tokenizer.cls"), (#""cls":2"#, #""cls":-1"#, "tokenizer.cls"),
    (#""cls":2,"#, "", "missing"), (#""word_pieces":5"#, #""word_pieces":6"#, "tokenizer.word_pieces"),
    (#""content":"[SEP]""#, #""content":"[SAP]""#, "another token"),
    (#""max_word_scalars":100"#, #""max_word_scalars":0"#, "tokenizer.max_word_scalars"),
  ])
  func `is refused when its numbers do not fit its vocabulary`(old: String, new: String, message: String) throws {
    let tokenizer = try description()
    let json = tokenizer.stored.settings
    let parts = json.split(separator: old, omittingEmptySubsequences: false)
    try #require(parts.count > 1, "\(json) has no \(old)")
    let error = #expect(throws: FormatError.self) {
      try read(parts.joined(separator: new), tokenizer.stored.vocabulary)
    }
    #expect(error.map { "\($0)".contains(message) } == true, "\(error.map { "\($0)" } ?? "none")")
  }

  @Test(
    arguments: [
      ([0x61, 0xFF, 0x62], "no end"), ([0x61, 0xC3, 0xFF], "not valid UTF-8"), ([], "empty"),
    ] as [([UInt8], String)])
  func `is refused when its vocabulary is damaged`(words: [UInt8], message: String) throws {
    let json = try description().stored.settings
    let error = #expect(throws: FormatError.self) { try read(json, words) }
    #expect(error.map { "\($0)".contains(message) } == true, "\(error.map { "\($0)" } ?? "none")")
  }
}
