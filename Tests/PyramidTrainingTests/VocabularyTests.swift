// A vocabulary made smaller: what stays, and that the written folder is the same model over fewer tokens.

import Glibc
import PyramidFormats
import PyramidModels
import PyramidTestSupport
import Testing

@testable import PyramidTraining

/// Tokens of the test's vocabulary, in the order of their ids.
private let tokens =
  [
    "[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b", "ab", "##ab", "abba", "baa",
    "bab",
  ]

@Suite struct `A trimmed vocabulary` {
  /// A checkpoint over the vocabulary, with an entry.
  private func checkpoint(
    in folder: TemporaryFolder, settings: String = #"{"do_lower_case": false, "model_max_length": 64}"#,
    adding extra: [(name: String, shape: [Int])] = []
  ) throws -> Checkpoint {
    var recipe = CheckpointRecipe()
    recipe.vocabulary = tokens.count
    let path = try recipe.write(in: folder)
    try folder.write("model/vocab.txt", tokens.joined(separator: "\n") + "\n")
    try folder.write("model/tokenizer_config.json", settings)
    try folder.write("model/LICENSE", "terms")
    let file = try SafetensorsFile(path: path + "/model.safetensors")
    let entries = try file.tensors.map { (name: $0.name, shape: $0.shape, values: try file.floats(of: $0)) }
    let added = extra.map { name, shape in
      (name: name, shape: shape, values: (0..<shape.reduce(1, *)).map { Float($0) })
    }
    var writer = try SafetensorsWriter(
      path: path + "/model.safetensors", tensors: (entries + added).map { TensorDeclaration($0.name, .F32, $0.shape) })
    for (name, _, values) in entries + added { try writer.append(values, to: name) }
    try writer.finish()
    return try Checkpoint(path: path)
  }

  @Test func `roles and characters stay, then what texts use most, placeholders last`() throws {
    let folder = try TemporaryFolder()
    var trim = try VocabularyTrim(of: checkpoint(in: folder))
    trim.count("bab bab abba", pair: "bab aab")
    func kept(_ size: Int) throws -> [String] { try trim.kept(size: size).map { tokens[Int($0)] } }
    let least = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b"]
    #expect(try kept(9) == least)
    #expect(try kept(10) == least + ["bab"])
    // `aab` is a, ##ab: used as often as abba, whose id is higher.
    #expect(try kept(11) == least + ["##ab", "bab"])
    #expect(try kept(14) == least + ["ab", "##ab", "abba", "baa", "bab"])
    for (size, words) in [(8, "9 tokens already"), (15, "has 15 tokens"), (99, "has 15 tokens")] {
      let error = #expect(throws: TrainingError.self) { try trim.kept(size: size) }
      #expect(error?.description.contains(words) == true)
    }
  }

  @Test func `the folder is the same model over fewer tokens`() throws {
    let folder = try TemporaryFolder()
    let old = try checkpoint(
      in: folder,
      adding: [
        ("exits.entry.table", [tokens.count, 3]), ("exits.entry.bias", [3]),
        ("prune.entry.salience", [tokens.count]), ("prune.entry.threshold", [1]),
      ])
    var trim = try VocabularyTrim(of: old)
    trim.count("bab abba")
    try TrimmedCheckpoint(trim, size: 11).write(to: folder.path("small"))
    let new = try Checkpoint(path: folder.path("small"))
    #expect(new.configuration.vocabularySize == 11 && new.configuration.padTokenID == 0)
    let terms = try MappedFile(path: folder.path("small/LICENSE")).withBytes { String(decoding: $0, as: UTF8.self) }
    #expect(terms == "terms")
    let words = new.tokenizer.rules.vocabulary
    #expect((0..<words.count).map { words[$0] }.contains("[unused0]") == false)
    for name in ["embeddings.word_embeddings.weight", "exits.entry.table", "prune.entry.salience"] {
      let before = try old.weights.tensors.floats(of: #require(old.weights.originals[name]))
      let after = try new.weights.tensors.floats(of: #require(new.weights.originals[name]))
      let width = before.count / tokens.count
      #expect(after.count == 11 * width)
      for id in 0..<11 {
        let former = try #require(tokens.firstIndex(of: words[id]))
        #expect(after[id * width..<(id + 1) * width] == before[former * width..<(former + 1) * width])
      }
    }
    for name in old.weights.originals.keys where !["words", "table", "salience"].contains(where: name.contains) {
      guard name != "embeddings.word_embeddings.weight" else { continue }
      let (before, after) = (try #require(old.weights.originals[name]), try #require(new.weights.originals[name]))
      #expect(try old.weights.tensors.floats(of: before) == new.weights.tensors.floats(of: after))
    }
    // Words that stay are the same tokens, one that went is spelt.
    let ids = new.tokenizer.encode("bab abba baa", limit: 64).ids.map { words[Int($0)] }
    #expect(ids == ["[CLS]", "bab", "abba", "b", "##a", "##a", "[SEP]"])
  }

  @Test func `a tokenizer.json becomes vocab.txt and settings that say the same`() throws {
    let folder = try TemporaryFolder()
    let source = try checkpoint(in: folder, settings: #"{"do_lower_case": true, "strip_accents": false, "x": 1}"#)
    let trim = try VocabularyTrim(of: source)
    try TrimmedCheckpoint(trim, size: 12).write(to: folder.path("small"))
    let rules = try Checkpoint(path: folder.path("small")).tokenizer.rules
    #expect(rules.bert?.lowercase == true && rules.bert?.stripAccents == false && rules.modelMaxLength == nil)
    let settings = try JSONField(path: folder.path("small/tokenizer_config.json"))
    #expect(try settings.required("x").integer(in: 1...1) == 1)
    #expect(try settings.required("mask_token").string() == "[MASK]")
  }

  @Test func `ids in settings and config.json follow, and what a token's flags say stays`() throws {
    let folder = try TemporaryFolder()
    let settings = """
      {"added_tokens_decoder": {"2": {"content": "[UNK]", "special": true},
       "5": {"content": "[MASK]", "lstrip": true, "normalized": false, "special": true}}}
      """
    var source = try checkpoint(in: folder, settings: settings)
    var object = try JSONField(path: folder.path("model/config.json")).object()
    object["cls_token_id"] = 3
    object["eos_token_id"] = 1
    try folder.write("model/config.json", JSONWriter.string(.object(object)))
    source = try Checkpoint(path: source.path)
    try TrimmedCheckpoint(VocabularyTrim(of: source), size: 12).write(to: folder.path("small"))
    let written = try JSONField(path: folder.path("small/tokenizer_config.json")).required("added_tokens_decoder")
    #expect(try written.object().members.map(\.key) == ["0", "1", "2", "3", "4"])
    let added = try Checkpoint(path: folder.path("small")).tokenizer.rules.addedTokens
    #expect(added.map(\.content) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    #expect(added.map(\.id) == [0, 1, 2, 3, 4] && added.map(\.stripsLeft) == [false, false, false, false, true])
    // [unused0] is no longer there.
    let configuration = try JSONField(path: folder.path("small/config.json")).object()
    #expect(configuration["cls_token_id"] == 2 && configuration["eos_token_id"] == .null)
  }

  @Test func `what can't be kept is refused`() throws {
    let folder = try TemporaryFolder()
    let entry: [(name: String, shape: [Int])] = [
      ("exits.entry.table", [tokens.count, 3]), ("exits.entry.bias", [3]), ("exits.entry.bigrams", [4, 3]),
    ]
    let pairs = try VocabularyTrim(of: checkpoint(in: folder, adding: entry))
    var error = #expect(throws: TrainingError.self) { try TrimmedCheckpoint(pairs, size: 12) }
    #expect(error?.description.contains("trim the vocabulary first") == true)
    let plain = try VocabularyTrim(of: checkpoint(in: folder))
    error = #expect(throws: TrainingError.self) {
      try TrimmedCheckpoint(plain, size: 12).write(to: folder.path("model"))
    }
    #expect(error?.description.contains("is not empty") == true)
    try #require(truncate(folder.path("model/LICENSE"), (64 << 20) + 1) == 0)
    let large = #expect(throws: FormatError.self) {
      try TrimmedCheckpoint(plain, size: 12).write(to: folder.path("large"))
    }
    #expect(large?.description.contains("LICENSE: has 67108865 bytes") == true)
    let added = try checkpoint(in: folder, settings: #"{"additional_special_tokens": ["bab"]}"#)
    error = #expect(throws: TrainingError.self) { try VocabularyTrim(of: added) }
    #expect(error?.description.contains("has the added token \"bab\"") == true, "\(error?.description ?? "")")
  }

  @Test func `tensors that mp-compile would refuse are refused`() throws {
    let folder = try TemporaryFolder()
    for (name, shape, problem) in [
      ("exits.9.dense.weight", [2], "unknown (1): exits.9.dense.weight"),
      ("exits.entry.bias", [3], "missing (1): exits.entry"),
      ("prune.thresholds", [7], "prune.thresholds has shape [7], expected [2]"),
    ] {
      let source = try checkpoint(in: folder, adding: [(name, shape)])
      let error = #expect(throws: CheckpointError.self) { try VocabularyTrim(of: source) }
      #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
    }
    _ = try VocabularyTrim(of: checkpoint(in: folder))
    // The first tensor is the word table.
    var bytes = try MappedFile(path: folder.path("model/model.safetensors")).withBytes { Array($0) }
    let type = try #require(bytes.firstRange(of: Array("F32".utf8)))
    bytes.replaceSubrange(type, with: Array("I32".utf8))
    try folder.write("model/model.safetensors", bytes)
    let integers = try Checkpoint(path: folder.path("model"))
    let error = #expect(throws: FormatError.self) { try VocabularyTrim(of: integers) }
    #expect(error?.description.contains("word_embeddings.weight: expected F64, F32") == true)
  }
}
