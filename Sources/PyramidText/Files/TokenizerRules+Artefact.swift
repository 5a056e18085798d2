// The tokenizer as an artefact carries it. Not as a tokenizer.json: reading 30,000 JSON members and checking that no
// token occurs twice took half of the time from a process's start to its first answer. The vocabulary is a run of bytes
// instead, after which stand scores, merges and the map of characters, as numbers; special tokens are numbers in it, and
// mp-compile has checked what the checkpoint's files say.

import PyramidFormats

extension TokenizerRules {
  /// The rules as an artefact stores them.
  public var stored: StoredTokenizer {
    var bytes = vocabulary.bytes
    var settings = JSONObject()
    func section(_ name: String, _ body: (inout [UInt8]) -> Void) {
      let start = bytes.count
      body(&bytes)
      settings[name] = JSONValue(bytes.count - start)
    }
    settings["model_ids"] = JSONValue(vocabulary.modelCount)
    settings["tokens_bytes"] = JSONValue(vocabulary.bytes.count)
    switch model {
    case .wordPiece(let prefix, let maxWordScalars):
      settings["model"] = [
        "type": "WordPiece", "prefix": .string(prefix), "max_word_scalars": JSONValue(maxWordScalars),
      ]
    case .bytePairs(let rules):
      settings["model"] = rules.json
      section("merges_bytes") { bytes in
        for merge in rules.merges {
          for id in [merge.left, merge.right, merge.result] {
            bytes.append(littleEndian: UInt64(UInt32(bitPattern: id)), 4)
          }
        }
      }
    case .unigram(let rules):
      settings["model"] = [
        "type": "Unigram", "unknown": JSONValue(Int(rules.unknownID)), "byte_fallback": .bool(rules.fallsBackToBytes),
      ]
      section("scores_bytes") { bytes in
        for score in rules.scores { bytes.append(littleEndian: score.bitPattern, 8) }
      }
    case .characters: settings["model"] = ["type": "Characters"]
    }
    section("map_bytes") { bytes in
      for case .precompiled(let map) in normaliser { bytes += map }
    }
    settings["normaliser"] = .array(normaliser.map(\.json))
    settings["splitter"] = .array(splitter.map(\.json))
    settings["template"] = ["single": .array(template.single.map(\.json)), "pair": .array(template.pair.map(\.json))]
    for (key, id) in [("unknown", unknownID), ("pad", padID), ("mask", maskID)] {
      settings[key] = id.map { JSONValue(Int($0)) } ?? .null
    }
    settings["added_tokens"] = .array(addedTokens.map(\.json))
    settings["truncates_left"] = .bool(truncatesLeft)
    settings["pair_truncation"] = .string(pairTruncation.rawValue)
    settings["model_max_length"] = modelMaxLength.map { JSONValue($0) } ?? .null
    return StoredTokenizer(settings: JSONWriter.string(.object(settings)), vocabulary: bytes)
  }

  /// The rules that the artefact `file` stores. Throws when a token is not valid UTF-8, a size does not fit, or an id is
  /// outside the vocabulary.
  public init(_ stored: StoredTokenizer, file: String) throws(FormatError) {
    let root = JSONField(try JSONReader.read(stored.settings, file: file), file: file, place: "tokenizer")
    var reader = SectionReader(bytes: stored.vocabulary, root: root)
    let vocabulary = try Vocabulary(try reader.take("tokens_bytes"), root)
    func id(_ field: JSONField) throws(FormatError) -> Int32 { Int32(try field.integer(in: 0...vocabulary.count - 1)) }
    func optionalID(_ key: String) throws(FormatError) -> Int32? { try root.optional(key).map(id) }
    let model = try TokenizerModel(root.required("model"), &reader, id)
    var maps = try reader.take("map_bytes")
    guard reader.isAtEnd else { throw root.failure("there is more than its sections") }
    var normaliser: [NormaliserStep] = []
    for field in try root.required("normaliser").elements() {
      normaliser.append(try NormaliserStep(field, maps: &maps))
    }
    var splitter: [SplitterStep] = []
    for field in try root.required("splitter").elements() { splitter.append(try SplitterStep(field)) }
    let parts = try root.required("template")
    func pieces(_ key: String) throws(FormatError) -> [TokenTemplate.Piece] {
      var pieces: [TokenTemplate.Piece] = []
      for field in try parts.required(key).elements() { pieces.append(try TokenTemplate.Piece(field, id)) }
      return pieces
    }
    let side = try root.required("pair_truncation")
    guard let pairTruncation = PairTruncation(rawValue: try side.string()) else { throw side.failure("is unknown") }
    self.init(
      vocabulary: vocabulary, normaliser: normaliser, splitter: splitter, model: model,
      template: TokenTemplate(single: try pieces("single"), pair: try pieces("pair")),
      unknownID: try optionalID("unknown"), padID: try optionalID("pad"), maskID: try optionalID("mask"),
      truncatesLeft: try root.required("truncates_left").bool(), pairTruncation: pairTruncation,
      modelMaxLength: try root.optional("model_max_length")?.integer(in: 1...Int.max))
    for element in try root.required("added_tokens").elements() {
      addedTokens.append(try StatedToken(element).token(id: id(element.required("id"))))
    }
  }
}

/// Cuts the bytes after one another into sections whose sizes the settings hold.
private struct SectionReader {
  let bytes: [UInt8]
  let root: JSONField
  private var position = 0

  init(bytes: [UInt8], root: JSONField) { (self.bytes, self.root) = (bytes, root) }

  var isAtEnd: Bool { position == bytes.count }

  mutating func take(_ name: String) throws(FormatError) -> ArraySlice<UInt8> {
    let size = try root.required(name).integer(in: 0...bytes.count - position)
    position += size
    return bytes[position - size..<position]
  }
}

extension Vocabulary {
  /// The vocabulary of an artefact; `field` holds how many ids are the model's, and takes the blame.
  fileprivate init(_ section: ArraySlice<UInt8>, _ field: JSONField) throws(FormatError) {
    let bytes = Array(section)
    var starts = [0]
    try bytes.withUnsafeBufferPointer { (bytes) throws(FormatError) in
      for end in bytes.indices where bytes[end] == Self.terminator {
        let token = UnsafeBufferPointer(rebasing: bytes[starts[starts.count - 1]..<end])
        guard isValidUTF8(token) || token.count == 1 && token[0] == Self.hole else {
          throw field.failure("token \(starts.count - 1) of the vocabulary is not valid UTF-8")
        }
        starts.append(end + 1)
      }
    }
    guard starts.last == bytes.count, starts.count - 1 <= Self.maximumCount else {
      throw field.failure("the vocabulary has no end, or more than \(Self.maximumCount) tokens")
    }
    guard starts.count > 1 else { throw field.failure("the vocabulary is empty") }
    let modelCount = try field.required("model_ids").integer(in: 0...starts.count - 1)
    self.init(bytes: bytes, starts: starts, modelCount: modelCount)
  }
}

extension TokenizerModel {
  fileprivate init(
    _ field: JSONField, _ reader: inout SectionReader, _ id: (JSONField) throws(FormatError) -> Int32
  ) throws(FormatError) {
    let type = try field.required("type")
    switch try type.string() {
    case "WordPiece":
      self = .wordPiece(
        continuingPrefix: try field.required("prefix").string(),
        maxWordScalars: try field.required("max_word_scalars").integer(in: 1...Int(Int32.max)))
    case "BPE":
      let merges = try reader.take("merges_bytes")
      guard merges.count % 12 == 0 else { throw field.failure("its merges are not whole") }
      var rules = BytePairRules()
      rules.unknownID = try field.optional("unknown").map(id)
      rules.fusesUnknown = try field.required("fuse_unk").bool()
      rules.fallsBackToBytes = try field.required("byte_fallback").bool()
      rules.takesWholeWords = try field.required("ignore_merges").bool()
      rules.continuingPrefix = try field.required("prefix").string()
      rules.wordSuffix = try field.required("suffix").string()
      rules.merges = stride(from: merges.startIndex, to: merges.endIndex, by: 12).map { start in
        let ids = (0..<3).map { Int32(truncatingIfNeeded: merges.littleEndian(at: start + 4 * $0, 4)) }
        return BytePairRules.Merge(left: ids[0], right: ids[1], result: ids[2])
      }
      self = .bytePairs(rules)
    case "Unigram":
      let scores = try reader.take("scores_bytes")
      guard scores.count % 8 == 0 else { throw field.failure("its scores are not whole") }
      self = .unigram(
        UnigramRules(
          scores: stride(from: scores.startIndex, to: scores.endIndex, by: 8).map {
            Double(bitPattern: scores.littleEndian(at: $0, 8))
          }, unknownID: try id(field.required("unknown")),
          fallsBackToBytes: try field.required("byte_fallback").bool()))
    case "Characters": self = .characters
    default: throw type.failure("\(type.found) is unknown")
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(littleEndian value: UInt64, _ count: Int) {
    for index in 0..<count { append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
  }
}

extension ArraySlice<UInt8> {
  fileprivate func littleEndian(at start: Int, _ count: Int) -> UInt64 {
    (0..<count).reduce(0) { $0 | UInt64(self[start + $1]) << UInt64(8 * $1) }
  }
}
