// The tokenizer in an artefact: what is written is read, and what mp-compile never writes is refused.

import Testing

@testable import PyramidFormats

@Suite struct `A tokenizer in an artefact` {
  private func description(_ words: [String] = []) throws -> TokenizerDescription {
    let lines = (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words).joined(separator: "\n") + "\n"
    return try Array(lines.utf8).withUnsafeBytes {
      try TokenizerDescription(vocabulary: $0, file: "vocab.txt", settings: nil)
    }
  }

  private func read(_ json: String, _ words: [UInt8]) throws -> TokenizerDescription {
    let field = JSONField(try JSONReader.read(json, file: "x.mpc"), file: "x.mpc", place: "tokenizer")
    return try words.withUnsafeBytes { try TokenizerDescription(artefact: field, vocabulary: $0) }
  }

  @Test func `is the one that was written, to the last byte of a token`() throws {
    var tokenizer = try description(["a", "##b", "\u{E9}", "e\u{301}", "\u{1F600}"])
    // A tokenizer.json may hold tokens that no line of a vocab.txt could.
    tokenizer.vocabulary += ["\n", "", "<x>"]
    tokenizer.addedTokens.append(AddedToken(content: "<x>", id: tokenizer.vocabulary.count - 1))
    for hasMask in [true, false] {
      if !hasMask { tokenizer.maskToken = nil }
      tokenizer.stripAccents = hasMask ? true : nil
      tokenizer.modelMaxLength = hasMask ? 128 : nil
      (tokenizer.lowercase, tokenizer.splitCJK, tokenizer.cleanText) = (hasMask, !hasMask, hasMask)
      (tokenizer.maxWordScalars, tokenizer.continuingPrefix) = (50, "@@")
      let found = try read(JSONWriter.string(tokenizer.artefactJSON), tokenizer.artefactVocabulary)
      #expect(found == tokenizer)
      #expect(found.vocabulary.map { Array($0.utf8) } == tokenizer.vocabulary.map { Array($0.utf8) })
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
    let json = JSONWriter.string(tokenizer.artefactJSON)
    let parts = json.split(separator: old, omittingEmptySubsequences: false)
    try #require(parts.count > 1, "\(json) has no \(old)")
    let error = #expect(throws: FormatError.self) {
      try read(parts.joined(separator: new), tokenizer.artefactVocabulary)
    }
    #expect(error.map { "\($0)".contains(message) } == true, "\(error.map { "\($0)" } ?? "none")")
  }

  @Test(
    arguments: [
      ([0x61, 0xFF, 0x62], "no end"), ([0x61, 0xC3, 0xFF], "not valid UTF-8"), ([], "empty"),
    ] as [([UInt8], String)])
  func `is refused when its vocabulary is damaged`(words: [UInt8], message: String) throws {
    let json = JSONWriter.string(try description().artefactJSON)
    let error = #expect(throws: FormatError.self) { try read(json, words) }
    #expect(error.map { "\($0)".contains(message) } == true, "\(error.map { "\($0)" } ?? "none")")
  }
}
