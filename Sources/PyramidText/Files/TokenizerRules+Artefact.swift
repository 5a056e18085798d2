// The tokenizer as an artefact carries it. Not as a tokenizer.json: reading 30,000 JSON members and checking that no
// token occurs twice took half of the time from a process's start to its first answer. The vocabulary is a run of bytes
// instead, and special tokens are numbers in it; mp-compile has checked what the checkpoint's files say.

import PyramidFormats

extension TokenizerRules {
  /// The rules as an artefact stores them.
  public var stored: StoredTokenizer {
    let (prefix, maxWordScalars) =
      switch model {
      case .wordPiece(let continuingPrefix, let maxWordScalars): (continuingPrefix, maxWordScalars)
      }
    let settings: JSONValue = [
      "word_pieces": JSONValue(vocabulary.modelCount), "lowercase": .bool(lowercase),
      "strip_accents": stripAccents.map(JSONValue.bool) ?? .null, "split_cjk": .bool(splitCJK),
      "clean_text": .bool(cleanText), "prefix": .string(prefix), "max_word_scalars": JSONValue(maxWordScalars),
      "model_max_length": modelMaxLength.map { JSONValue($0) } ?? .null,
      "unknown": JSONValue(Int(unknownID)), "cls": JSONValue(Int(clsID)), "sep": JSONValue(Int(sepID)),
      "pad": padID.map { JSONValue(Int($0)) } ?? .null, "mask": maskID.map { JSONValue(Int($0)) } ?? .null,
      "added_tokens": .array(specialTokens.map(\.json)),
    ]
    return StoredTokenizer(settings: JSONWriter.string(settings), vocabulary: vocabulary.bytes)
  }

  /// The rules that the artefact `file` stores. Throws when a token is not valid UTF-8 or an id is outside the
  /// vocabulary.
  public init(_ stored: StoredTokenizer, file: String) throws(FormatError) {
    let root = JSONField(try JSONReader.read(stored.settings, file: file), file: file, place: "tokenizer")
    let vocabulary = try Vocabulary(stored.vocabulary, root)
    func id(_ field: JSONField) throws(FormatError) -> Int32 { Int32(try field.integer(in: 0...vocabulary.count - 1)) }
    self.init(
      vocabulary: vocabulary, unknownID: try id(root.required("unknown")), clsID: try id(root.required("cls")),
      sepID: try id(root.required("sep")))
    padID = try id(root.required("pad"))
    if let mask = try root.optional("mask") { maskID = try id(mask) }
    for element in try root.required("added_tokens").elements() {
      let token = try SpecialToken(element, id: try id(element.required("id")))
      guard token.content.hasSameBytes(as: vocabulary[Int(token.id)]) else {
        throw element.failure("the vocabulary has another token")
      }
      specialTokens.append(token)
    }
    lowercase = try root.required("lowercase").bool()
    stripAccents = try root.optional("strip_accents")?.bool()
    splitCJK = try root.required("split_cjk").bool()
    cleanText = try root.required("clean_text").bool()
    model = .wordPiece(
      continuingPrefix: try root.required("prefix").string(),
      maxWordScalars: try root.required("max_word_scalars").integer(in: 1...100_000))
    modelMaxLength = try root.optional("model_max_length")?.integer(in: 1...Int.max)
  }
}

extension Vocabulary {
  /// The vocabulary of an artefact; `field` holds how many tokens are the model's, and takes the blame.
  fileprivate init(_ bytes: [UInt8], _ field: JSONField) throws(FormatError) {
    var starts = [0]
    try bytes.withUnsafeBufferPointer { (bytes) throws(FormatError) in
      for end in bytes.indices where bytes[end] == Self.terminator {
        guard isValidUTF8(UnsafeBufferPointer(rebasing: bytes[starts[starts.count - 1]..<end])) else {
          throw field.failure("token \(starts.count - 1) of the vocabulary is not valid UTF-8")
        }
        starts.append(end + 1)
      }
    }
    guard starts.last == bytes.count, starts.count - 1 <= Self.maximumCount else {
      throw field.failure("the vocabulary has no end, or more than \(Self.maximumCount) tokens")
    }
    guard starts.count > 1 else { throw field.failure("the vocabulary is empty") }
    let modelCount = try field.required("word_pieces").integer(in: 0...starts.count - 1)
    self.init(bytes: bytes, starts: starts, modelCount: modelCount)
  }
}

extension SpecialToken {
  fileprivate var json: JSONValue {
    [
      "id": JSONValue(Int(id)), "content": .string(content), "single_word": .bool(singleWord),
      "lstrip": .bool(stripsLeft), "rstrip": .bool(stripsRight), "normalized": .bool(normalized),
      "special": .bool(special),
    ]
  }
}
