// The tokenizer as an artefact carries it. Not as a tokenizer.json: reading 30,000 JSON members and checking that no
// token occurs twice took half of the time from a process's start to its first answer. The vocabulary is a run of bytes
// instead, and special tokens are numbers in it; mp-compile has checked what the checkpoint's files say.

extension TokenizerDescription {
  /// Ends a token: no byte of UTF-8 has this value.
  private static let terminator: UInt8 = 0xFF

  /// All tokens in id order, each with a terminator behind it.
  var artefactVocabulary: [UInt8] {
    var bytes: [UInt8] = []
    for token in vocabulary {
      bytes += token.utf8
      bytes.append(Self.terminator)
    }
    return bytes
  }

  /// Everything but the vocabulary.
  var artefactJSON: JSONValue {
    [
      "word_pieces": JSONValue(wordPieceCount), "lowercase": .bool(lowercase),
      "strip_accents": stripAccents.map(JSONValue.bool) ?? .null, "split_cjk": .bool(splitCJK),
      "clean_text": .bool(cleanText), "prefix": .string(continuingPrefix),
      "max_word_scalars": JSONValue(maxWordScalars),
      "model_max_length": modelMaxLength.map { JSONValue($0) } ?? .null,
      "unknown": JSONValue(unknownToken.id), "cls": JSONValue(clsToken.id), "sep": JSONValue(sepToken.id),
      "pad": JSONValue(padToken.id), "mask": maskToken.map { JSONValue($0.id) } ?? .null,
      "added_tokens": .array(addedTokens.map(\.json)),
    ]
  }

  /// The description of an artefact. Throws when a token is no UTF-8 or an id is outside the vocabulary.
  init(artefact field: JSONField, vocabulary bytes: UnsafeRawBufferPointer) throws(FormatError) {
    let vocabulary = try Self.tokens(of: bytes, field)
    func token(_ field: JSONField) throws(FormatError) -> SpecialToken {
      guard !vocabulary.isEmpty else { throw field.failure("the vocabulary is empty") }
      let id = try field.integer(in: 0...vocabulary.count - 1)
      return SpecialToken(content: vocabulary[id], id: id)
    }
    var added: [AddedToken] = []
    for element in try field.required("added_tokens").elements() {
      let (id, content) = (try token(element.required("id")), try element.required("content").string())
      guard id.content.hasSameBytes(as: content) else { throw element.failure("the vocabulary has another token") }
      added.append(try AddedToken(element, id: id.id))
    }
    let mask: SpecialToken? = if let mask = try field.optional("mask") { try token(mask) } else { nil }
    self.init(
      vocabulary: vocabulary, wordPieceCount: try field.required("word_pieces").integer(in: 0...vocabulary.count),
      unknownToken: try token(field.required("unknown")), clsToken: try token(field.required("cls")),
      sepToken: try token(field.required("sep")), padToken: try token(field.required("pad")), maskToken: mask,
      addedTokens: added)
    lowercase = try field.required("lowercase").bool()
    stripAccents = try field.optional("strip_accents")?.bool()
    splitCJK = try field.required("split_cjk").bool()
    cleanText = try field.required("clean_text").bool()
    continuingPrefix = try field.required("prefix").string()
    maxWordScalars = try field.required("max_word_scalars").integer(in: 1...100_000)
    modelMaxLength = try field.optional("model_max_length")?.integer(in: 1...Int.max)
  }

  private static func tokens(of bytes: UnsafeRawBufferPointer, _ field: JSONField) throws(FormatError) -> [String] {
    var tokens: [String] = []
    var start = 0
    for end in bytes.indices where bytes[end] == terminator {
      guard let token = String(validating: UnsafeRawBufferPointer(rebasing: bytes[start..<end]), as: UTF8.self) else {
        throw field.failure("token \(tokens.count) of the vocabulary is not valid UTF-8")
      }
      tokens.append(token)
      start = end + 1
    }
    guard start == bytes.count, tokens.count <= ModelConfiguration.Bound.vocabulary else {
      throw field.failure("the vocabulary has no end, or more than \(ModelConfiguration.Bound.vocabulary) tokens")
    }
    return tokens
  }
}
