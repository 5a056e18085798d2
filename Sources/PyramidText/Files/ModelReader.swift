// The model of a tokenizer.json as it stands, and the models that classes build over a vocabulary.

import PyramidFormats

/// Makes models out of a vocabulary.
enum ModelReader {
  /// The model that a tokenizer.json states, and its unknown token's id.
  static func stated(
    _ field: JSONField, _ source: VocabularySource, _ assembly: TokenizerAssembly
  ) throws(FormatError) -> (model: TokenizerModel, unknownID: Int32?) {
    let unknown = try field.optional("unk_token")
    func unknownID() throws(FormatError) -> Int32? {
      guard let unknown else { return nil }
      return try modelID(of: unknown.string(), assembly, or: unknown)
    }
    switch try type(of: field) {
    case "WordPiece":
      let prefix = try field.optional("continuing_subword_prefix")?.string() ?? "##"
      let limit = try field.optional("max_input_chars_per_word")?.integer(in: 1...Int(Int32.max)) ?? 100
      let id = if unknown == nil { try modelID(of: "[UNK]", assembly, or: field) } else { try unknownID() }
      return (.wordPiece(continuingPrefix: prefix, maxWordScalars: limit), id)
    case "BPE":
      if let dropout = try field.optional("dropout"), try dropout.double() != 0 {
        throw dropout.failure("drops merges at random; set it to null")
      }
      var rules = BytePairRules()
      rules.unknownID = try unknownID()
      rules.fusesUnknown = try field.optional("fuse_unk")?.bool() ?? false
      rules.fallsBackToBytes = try field.optional("byte_fallback")?.bool() ?? false
      rules.takesWholeWords = try field.optional("ignore_merges")?.bool() ?? false
      rules.continuingPrefix = try field.optional("continuing_subword_prefix")?.string() ?? ""
      rules.wordSuffix = try field.optional("end_of_word_suffix")?.string() ?? ""
      rules.merges = try merges(source, assembly, prefix: rules.continuingPrefix)
      return (.bytePairs(rules), rules.unknownID)
    case "Unigram":
      guard let id = try field.optional("unk_id") else {
        throw field.failure("unk_id is missing; without it a text with an unknown character can't be tokenised")
      }
      return try unigram(
        source, unknownID: Int32(id.integer(in: 0...max(0, source.tokens.count - 1))),
        fallsBackToBytes: field.optional("byte_fallback")?.bool() ?? false)
    case let type: throw field.failure("a model of type \(type.quoted) is not supported")
    }
  }

  /// The type, which files of old leave to be guessed.
  private static func type(of field: JSONField) throws(FormatError) -> String {
    if let type = try field.optional("type") { return try type.string() }
    if try field.optional("merges") != nil { return "BPE" }
    if case .array? = try field.optional("vocab")?.value { return "Unigram" }
    if try field.optional("continuing_subword_prefix") != nil { return "WordPiece" }
    throw field.failure("type is missing")
  }

  /// A unigram model with the scores of the vocabulary.
  static func unigram(
    _ source: VocabularySource, unknownID: Int32, fallsBackToBytes: Bool = false
  ) throws(FormatError) -> (model: TokenizerModel, unknownID: Int32?) {
    guard let scores = source.scores, source.tokens.indices.contains(Int(unknownID)) else {
      throw FormatError(
        file: source.file, place: "model.vocab", problem: "expected tokens with scores, and an unknown one among them")
    }
    return (
      .unigram(UnigramRules(scores: scores, unknownID: unknownID, fallsBackToBytes: fallsBackToBytes)), unknownID
    )
  }

  /// Merges as ids. Throws when a token that is merged, or what comes of it, is not in the vocabulary.
  static func merges(
    _ source: VocabularySource, _ assembly: TokenizerAssembly, prefix: String
  ) throws(FormatError) -> [BytePairRules.Merge] {
    guard let merges = source.merges else {
      throw FormatError(file: source.file, place: "model.merges", problem: "missing")
    }
    var result: [BytePairRules.Merge] = []
    result.reserveCapacity(merges.count)
    for (index, merge) in merges.enumerated() {
      let right = merge.right.utf8.dropFirst(prefix.utf8.count)
      guard merge.right.utf8.count >= prefix.utf8.count, let tail = String(right),
        let ids = Optional([merge.left, merge.right, merge.left + tail].map(assembly.id)),
        let leftID = ids[0], let rightID = ids[1], let resultID = ids[2]
      else {
        throw FormatError(
          file: source.mergesFile, place: "merge \(index + 1)",
          problem: "\(merge.left.quoted) and \(merge.right.quoted): one of them, or both together, is no token")
      }
      result.append(BytePairRules.Merge(left: leftID, right: rightID, result: resultID))
    }
    return result
  }

  /// The id of the token that stands for unknown ones, which must be the model's.
  static func modelID(
    of token: String, _ assembly: TokenizerAssembly, or place: JSONField
  ) throws(FormatError) -> Int32 {
    guard let id = assembly.id(of: token), Int(id) < assembly.modelCount else {
      throw place.failure("the unknown token \(token.quoted) is not in the vocabulary")
    }
    return id
  }
}
