// A checkpoint over fewer tokens, as a folder that transformers and mp-compile load: rows of what is looked up by token
// are taken out, ids in config.json follow, and the tokenizer is written as vocab.txt with tokenizer_config.json. A
// tokenizer.json is not carried over: it repeats the vocabulary and all its settings, and two files that must agree
// are one too many.

import Glibc
import PyramidFormats
import PyramidModels
import PyramidText

/// A checkpoint of which some tokens stay.
public struct TrimmedCheckpoint {
  private let checkpoint: Checkpoint
  /// Old ids of the tokens that stay, ascending.
  private let kept: [Int32]

  /// Files that say nothing of ids.
  private static let copied = ["special_tokens_map.json", "LICENSE", "NOTICE"]
  /// Tensors with a row for every token: of the model, of pre-training, and of the entry.
  private static let tokenRows: Set = [
    "embeddings.word_embeddings.weight", "cls.predictions.bias", "cls.predictions.decoder.weight",
    "cls.predictions.decoder.bias", "vocab_projector.weight", "vocab_projector.bias", "generator_lm_head.weight",
    "generator_lm_head.bias", "exits.entry.table", "prune.entry.salience",
  ]

  /// What stays of a vocabulary that was counted. Throws what `VocabularyTrim.kept` throws, and when the entry counts
  /// pairs: their rows are found by hashing ids, which are others now.
  public init(_ trim: VocabularyTrim, size: Int) throws(TrainingError) {
    (checkpoint, kept) = (trim.checkpoint, try trim.kept(size: size))
    if let pairs = checkpoint.weights.originals.keys.first(where: { $0.hasSuffix("exits.entry.bigrams") }) {
      throw TrainingError(
        "\(checkpoint.path): \(pairs) is hashed by token ids; trim the vocabulary first, then train the entry: "
          + "mp-train TRIMMED --data TRAIN.tsv --output DIR --stages entry --bag pairs")
    }
  }

  /// Writes the folder, which must be new or empty, and reads it back. Throws `TrainingError`, `OutputError`, or
  /// `FormatError` when what was written does not read as it should.
  public func write(to path: String) throws {
    let source = try Folder(path: checkpoint.path)
    let padding = checkpoint.configuration.padTokenID
    if checkpoint.configuration.firstPosition > 0, kept.firstIndex(of: Int32(padding)) != padding {
      throw TrainingError(
        "\(checkpoint.path): pad_token_id \(padding) would be another id, and its positions are counted from there")
    }
    let configuration = try configuration(of: JSONField(path: source.path(of: "config.json")))
    try Self.makeFolder(path)
    let folder = try Folder(path: path)
    for name in Self.copied where source.has(name) {
      try CopiedFile(path: source.path(of: name)).write(to: folder.path(of: name))
    }
    try writeWeights(to: folder.path(of: "model.safetensors"))
    let vocabulary = checkpoint.tokenizer.rules.vocabulary
    try OutputFile.write(kept.map { vocabulary[Int($0)] + "\n" }.joined(), to: folder.path(of: "vocab.txt"))
    try OutputFile.write(
      JSONWriter.string(settings(source), style: .pretty) + "\n", to: folder.path(of: "tokenizer_config.json"))
    try OutputFile.write(JSONWriter.string(configuration, style: .pretty) + "\n", to: folder.path(of: "config.json"))
    try check(Checkpoint(path: path))
  }

  /// The folder's tokenizer must be the checkpoint's but for the tokens that went.
  private func check(_ written: Checkpoint) throws {
    let (old, new) = (checkpoint.tokenizer.rules, written.tokenizer.rules)
    func roles(_ rules: TokenizerRules) -> [String?] {
      let ids: [Int32?] = [rules.unknownID, rules.firstID, rules.separatorID, rules.padID, rules.maskID]
      return ids.map { $0.map { rules.vocabulary[Int($0)] } }
    }
    guard roles(old) == roles(new), addedTokens == new.addedTokens,
      let (before, after) = old.bert.flatMap({ before in new.bert.map { (before, $0) } }),
      (before.lowercase, before.splitCJK, old.model == new.model) == (after.lowercase, after.splitCJK, true),
      (before.stripAccents ?? before.lowercase) == (after.stripAccents ?? after.lowercase),
      old.modelMaxLength == new.modelMaxLength, new.vocabulary.count == kept.count
    else { throw FormatError(file: written.path, problem: "its tokenizer does not read as it was written") }
  }

  private func writeWeights(to path: String) throws {
    let files = checkpoint.weights.tensors.files
    let entries = files.flatMap { file in file.tensors.map { (file: file, entry: $0) } }
    let declarations = try entries.map { _, entry in
      var shape = entry.shape
      if Self.isByToken(entry.name) {
        guard shape.first == checkpoint.configuration.vocabularySize else {
          throw TrainingError("\(checkpoint.path): \(entry.name) has shape \(shape), expected a row for every token")
        }
        shape[0] = kept.count
      }
      return TensorDeclaration(entry.name, entry.type, shape)
    }
    var writer = try SafetensorsWriter(path: path, tensors: declarations, metadata: [("format", "pt")], alignment: 1)
    for (file, entry) in entries {
      let bytes = file.bytes(of: entry)
      guard Self.isByToken(entry.name) else {
        try writer.append(bytes, to: entry.name)
        continue
      }
      let row = bytes.count / entry.shape[0]
      var rows: [UInt8] = []
      rows.reserveCapacity(kept.count * row)
      for id in kept { rows += bytes[Int(id) * row..<(Int(id) + 1) * row] }
      try rows.withUnsafeBytes { try writer.append($0, to: entry.name) }
    }
    try writer.finish()
  }

  /// A further task's entry has its prefix before the same name.
  private static func isByToken(_ name: String) -> Bool {
    let name = Weights.canonical(name)
    return tokenRows.contains(name) || name.hasPrefix("tasks.") && name.hasSuffix(".exits.entry.table")
  }

  /// The tokenizer's added tokens under their new ids; all have roles, and stay.
  private var addedTokens: [AddedToken] {
    checkpoint.tokenizer.rules.addedTokens.map { token in
      var token = token
      token.id = Int32(kept.firstIndex(of: token.id)!)
      return token
    }
  }

  /// config.json with the size and the ids of the new vocabulary; an id of a token that went is null.
  private func configuration(of root: JSONField) throws -> JSONValue {
    var object = try root.object()
    object["vocab_size"] = JSONValue(kept.count)
    for key in ["pad", "bos", "eos", "cls", "sep", "mask", "unk"].map({ $0 + "_token_id" }) {
      guard let field = try root.optional(key) else { continue }
      let id = try field.integer(in: 0...checkpoint.configuration.vocabularySize - 1)
      object[key] = kept.firstIndex(of: Int32(id)).map { JSONValue($0) } ?? .null
    }
    return .object(object)
  }

  /// tokenizer_config.json: what it was, and what a tokenizer.json may have said in its place.
  private func settings(_ source: Folder) throws -> JSONValue {
    let rules = checkpoint.tokenizer.rules
    let path = source.path(of: "tokenizer_config.json")
    var object = source.has("tokenizer_config.json") ? try JSONField(path: path).object() : JSONObject()
    var added = JSONObject()
    for token in addedTokens {
      added.append(
        String(token.id),
        [
          "content": .string(token.content), "lstrip": .bool(token.stripsLeft), "normalized": .bool(token.normalized),
          "rstrip": .bool(token.stripsRight), "single_word": .bool(token.singleWord), "special": .bool(token.special),
        ])
    }
    object["added_tokens_decoder"] = .object(added)
    object["tokenizer_class"] = "BertTokenizer"
    let bert = rules.bert ?? BertNormaliser()
    object["do_lower_case"] = .bool(bert.lowercase)
    object["tokenize_chinese_chars"] = .bool(bert.splitCJK)
    object["strip_accents"] = bert.stripAccents.map { .bool($0) } ?? .null
    object["model_max_length"] = rules.modelMaxLength.map { JSONValue($0) }
    for (key, id) in [
      ("unk_token", rules.unknownID), ("cls_token", rules.firstID), ("sep_token", rules.separatorID),
      ("pad_token", rules.padID), ("mask_token", rules.maskID),
    ] as [(String, Int32?)] {
      object[key] = id.map { .string(rules.vocabulary[Int($0)]) }
    }
    return .object(object)
  }

  /// Makes a folder for a result, unless there is an empty one.
  static func makeFolder(_ path: String) throws {
    switch FileKind(at: path) {
    case .missing:
      guard mkdir(path, 0o777) == 0 else {
        throw OutputError(file: path, problem: "cannot be made: \(String(cString: strerror(errno)))")
      }
    case .folder where TrainingFolder.entries(of: path).isEmpty: break
    case .folder: throw TrainingError("\(path): is not empty; choose another folder")
    case .regular, .other: throw TrainingError("\(path): is a file, expected a folder for the result")
    }
  }
}
