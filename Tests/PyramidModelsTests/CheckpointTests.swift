// Whole checkpoint folders: made ones, sharded ones, damaged ones, and the real ones beside the repository.

import Glibc
import PyramidFormats
import PyramidModels
import PyramidTestSupport
import Testing

@Suite struct `Checkpoint folder` {
  @Test func `A folder is read whole and names the files it read`() throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(in: folder, replacing: ["tokenizer_config.json": #"{"model_max_length": 16}"#])
    let checkpoint = try Checkpoint(path: folder.path)
    #expect(checkpoint.configuration.labels == ["no", "yes"])
    #expect(checkpoint.tokenizer.rules.modelMaxLength == 16)
    let expected = ["config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"]
    #expect(checkpoint.files == expected.map(folder.path))
  }

  @Test func `A classifier of more rows than there can be classes is refused, though it takes no bytes`() throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(in: folder)
    var writer = try SafetensorsWriter(
      path: folder.path("model.safetensors"), tensors: [TensorDeclaration("classifier.weight", .F32, [1 << 40, 0])])
    try writer.append([Float](), to: "classifier.weight")
    try writer.finish()
    let error = #expect(throws: FormatError.self) { try Checkpoint(path: folder.path) }
    #expect(error?.description.contains("has 1099511627776 rows; at most 1000000 classes") == true)
  }

  @Test func `Shards are one collection of tensors`() throws {
    let folder = try TemporaryFolder()
    var map = JSONObject()
    try writeCheckpoint(in: folder)
    unlink(folder.path("model.safetensors"))
    for index in 0..<3 {
      let (name, file) = ("encoder.layer.\(index).output.dense.bias", "model-\(index).safetensors")
      var writer = try SafetensorsWriter(path: folder.path(file), tensors: [TensorDeclaration(name, .BF16, [2])])
      try writer.append([Float(index), 0.5], to: name)
      try writer.finish()
      map[name] = .string(file)
    }
    try folder.write("model.safetensors.index.json", JSONWriter.string(["weight_map": .object(map)]))
    let tensors = try Checkpoint(path: folder.path).weights.tensors
    #expect(tensors.names == (0..<3).map { "encoder.layer.\($0).output.dense.bias" })
    #expect(tensors.files.count == 3)
    #expect(try tensors.floats(of: "encoder.layer.2.output.dense.bias") == [2, 0.5])
    #expect(tensors.shape(of: "encoder.layer.1.output.dense.bias") == [2])
    #expect(throws: FormatError.self) { try tensors.floats(of: "absent") }
  }

  @Test(arguments: [
    ("bert.embeddings.LayerNorm.gamma", "embeddings.LayerNorm.weight"),
    ("encoder.layer.0.output.LayerNorm.beta", "encoder.layer.0.output.LayerNorm.bias"),
    ("distilbert.transformer.layer.0.sa_layer_norm.weight", "transformer.layer.0.sa_layer_norm.weight"),
    ("roberta.encoder.layer.0.output.dense.bias", "encoder.layer.0.output.dense.bias"),
    ("camembert.x", "camembert.x"), ("albert.pooler.weight", "pooler.weight"),
    ("electra.embeddings_project.bias", "embeddings_project.bias"), ("classifier.weight", "classifier.weight"),
    ("bert.bert.x", "bert.x"), ("bertha.x", "bertha.x"), ("prune.beta", "prune.beta"),
  ])
  func `Names lose the family's prefix and old spellings`(_ name: String, _ canonical: String) {
    #expect(Weights.canonical(name) == canonical)
  }

  /// The hub's cache: a snapshot is a folder of links to blobs, and a reference names one.
  @Test func `A model's folder in the hub's cache is its snapshot`() throws {
    let folder = try TemporaryFolder()
    let (root, hash) = ("models--org--small-model", "0123abcd")
    try writeCheckpoint(in: folder)
    let snapshot = try folder.makeFolder("\(root)/snapshots/\(hash)")
    try folder.makeFolder("\(root)/blobs")
    try folder.makeFolder("\(root)/refs")
    for (number, name) in ["config.json", "vocab.txt", "model.safetensors"].enumerated() {
      #expect(rename(folder.path(name), folder.path("\(root)/blobs/\(number)")) == 0)
      #expect(symlink("../../blobs/\(number)", "\(snapshot)/\(name)") == 0)
    }
    for path in [folder.path(root), snapshot, snapshot + "/."] {
      let checkpoint = try Checkpoint(path: path)
      #expect(checkpoint.path.hasPrefix(snapshot) && checkpoint.configuration.name == "small-model", "\(path)")
    }
    try folder.makeFolder("\(root)/snapshots/4567")
    let error = #expect(throws: FormatError.self) { try Checkpoint(path: folder.path(root)) }
    #expect(error?.problem == "expected one snapshot, found 2; give one as the checkpoint: 0123abcd, 4567")
    try folder.write("\(root)/refs/main", hash)
    #expect(try Checkpoint(path: folder.path(root)).path == snapshot)
    for wrong in ["../../x", "", "gone"] {
      try folder.write("\(root)/refs/main", wrong + "\n")
      #expect(throws: FormatError.self) { try Checkpoint(path: folder.path(root)) }
    }
  }

  @Test(arguments: ["config.json", "vocab.txt", "tokenizer_config.json"])
  func `A text file that is flipped in any one byte is read or refused`(_ name: String) throws {
    let folder = try TemporaryFolder()
    try writeCheckpoint(
      in: folder, replacing: ["tokenizer_config.json": #"{"do_lower_case": true, "pad_token": "[PAD]"}"#])
    let original = try MappedFile(path: folder.path(name)).withBytes { Array($0) }
    var refused = 0
    for index in original.indices {
      for mask: UInt8 in [0x01, 0x80] {
        var changed = original
        changed[index] ^= mask
        try folder.write(name, changed)
        do { _ = try Checkpoint(path: folder.path) } catch { refused += 1 }
      }
    }
    // A byte with its upper bit flipped is not UTF-8 next to ASCII.
    #expect(refused >= original.count)
  }

  static let shared: String? = {
    let beside = corpus.split(separator: "/").dropLast(3).joined(separator: "/")
    let path = getenv("MP_SHARED").map { String(cString: $0) } ?? "/\(beside)/shared"
    return access(path + "/models", R_OK) == 0 ? path : nil
  }()

  @Test(
    .enabled(if: shared != nil, "real checkpoints: set MP_SHARED or put ../shared beside the repository"),
    arguments: [
      ("agnews-minilm-l6", 30522, 4, 512), ("dbpedia14-minilm-l6-v8k", 8192, 14, 512),
      ("all-MiniLM-L6-v2", 30522, 0, 512),
    ])
  func `Real checkpoints are read`(_ name: String, _ vocabulary: Int, _ labels: Int, _ length: Int) throws {
    let checkpoint = try Checkpoint(path: "\(try #require(Self.shared))/models/\(name)")
    #expect(checkpoint.configuration.hiddenSize == 384)
    #expect(checkpoint.configuration.labels.count == labels)
    #expect(checkpoint.tokenizer.rules.vocabulary.count == vocabulary)
    #expect(checkpoint.tokenizer.rules.modelMaxLength == length)
    let (weights, tensors) = (checkpoint.weights, checkpoint.weights.tensors)
    let weight = try #require(weights.originals["encoder.layer.0.attention.self.query.weight"])
    #expect(tensors.shape(of: weight) == [384, 384])
    #expect(try tensors.floats(of: weight).allSatisfy(\.isFinite))
  }
}

/// A valid checkpoint of one tiny layer, written into a folder; files can be replaced.
private func writeCheckpoint(in folder: TemporaryFolder, replacing files: [String: String] = [:]) throws {
  let contents = [
    "config.json": """
    {"model_type": "bert", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
     "intermediate_size": 8, "vocab_size": 8, "id2label": {"1": "yes", "0": "no"}}
    """,
    "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n",
  ].merging(files) { $1 }
  for (name, text) in contents { try folder.write(name, text) }
  var writer = try SafetensorsWriter(
    path: folder.path("model.safetensors"), tensors: [TensorDeclaration("bert.pooler.dense.bias", .F32, [4])])
  try writer.append([1, 2, 3, 4] as [Float], to: "bert.pooler.dense.bias")
  try writer.finish()
}
