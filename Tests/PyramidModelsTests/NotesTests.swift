// What is said of a checkpoint that can be used but not without a word, and what is refused: tensors that nothing reads,
// numbers that are none, thresholds of another code base.

import Glibc
import PyramidCompiler
import PyramidFormats
import PyramidModels
import PyramidTestSupport
import Testing

@Suite struct `Notes on a checkpoint` {
  /// A checkpoint of a recipe whose tensors are changed before they are compiled.
  private func compiler(
    _ recipe: CheckpointRecipe = CheckpointRecipe(), adding added: [(name: String, shape: [Int])] = [],
    change: (_ name: String, _ values: inout [Float]) -> Void = { _, _ in }
  ) throws -> ModelCompiler {
    let folder = try TemporaryFolder()
    let path = try recipe.write(in: folder)
    let file = try SafetensorsFile(path: path + "/model.safetensors")
    let tensors = file.tensors.map { ($0.name, $0.shape) } + added
    var writer = try SafetensorsWriter(
      path: path + "/model.safetensors", tensors: tensors.map { TensorDeclaration($0, .F32, $1) }, alignment: 1)
    for (name, shape) in tensors {
      var values =
        try file.entry(named: name).map { try file.floats(of: $0) }
        ?? [Float](repeating: 1, count: shape.reduce(1, *))
      change(name, &values)
      try writer.append(values, to: name)
    }
    try writer.finish()
    return try ModelCompiler(checkpoint: path)
  }

  @Test func `An ordinary one has none`() throws {
    for family in CheckpointRecipe.Family.allCases { #expect(try compiler(CheckpointRecipe(family)).notes == []) }
  }

  @Test func `Tensors that nothing reads are named, those within the model apart`() throws {
    let notes = try compiler(adding: [
      ("cls.predictions.bias", [4]), ("loss_fct.weight", [3]), ("bert.embeddings.position_ids", [1, 8]),
      ("bert.encoder.layer.0.attention.self.distance_embedding.weight", [3, 2]),
      ("bert.encoder.layer.0.output.adapters.a.weight", [1]),
    ]).notes
    #expect(notes.count == 2)
    #expect(
      notes[0] == "left unread, as transformers does (other heads, buffers) (3): cls.predictions.bias, "
        + "embeddings.position_ids, loss_fct.weight")
    #expect(
      notes[1].hasSuffix(
        "is this another architecture? (2): encoder.layer.0.attention.self.distance_embedding.weight, "
          + "encoder.layer.0.output.adapters.a.weight"))
  }

  /// A checkpoint with one more tensor, whose bytes are a hole in the file.
  private func compiler(withHole name: String, count: Int) throws -> ModelCompiler {
    let folder = try TemporaryFolder()
    let path = try CheckpointRecipe().write(in: folder) + "/model.safetensors"
    var file = try ForgedFile(MappedFile(path: path).withBytes { Array($0) })
    file.declare(name, count: count)
    let bytes = file.sealed
    try folder.write("model/model.safetensors", bytes)
    try #require(truncate(path, bytes.count + 4 * count) == 0)
    return try ModelCompiler(checkpoint: folder.path("model"))
  }

  /// All that is there is hashed, and weights of policies are read, for as long as they claim to be.
  @Test func `Far more than a model needs is refused before it is read`() throws {
    #expect(try compiler(withHole: "hog", count: 1 << 20).notes.count == 1)
    var error = #expect(throws: CheckpointError.self) { try compiler(withHole: "hog", count: 1 << 29) }
    #expect(error?.description.contains("bytes are of tensors that nothing reads, hog for one") == true)
    error = #expect(throws: CheckpointError.self) { try compiler(withHole: "policies.hog.weight", count: 1 << 27) }
    #expect(error?.description.contains("weights of policies take 536870912 bytes") == true)
  }

  @Test(arguments: ["exits.2.classifier.weight", "exits.0.density.weight", "prune.threshold"])
  func `An unknown tensor of this project's own names is an error`(name: String) throws {
    let error = #expect(throws: CheckpointError.self) { try compiler(adding: [(name, [1])]) }
    #expect(error?.description.contains("unknown (1): \(name)") == true, "\(error?.description ?? "")")
  }

  @Test func `Missing and unknown tensors are listed together`() throws {
    var recipe = CheckpointRecipe()
    recipe.leavesOut = ["bert.pooler.dense.bias"]
    let error = #expect(throws: CheckpointError.self) { try compiler(recipe, adding: [("bert.pooler.bias", [16])]) }
    let text = error?.description ?? ""
    #expect(text.contains("missing (1): pooler.dense.bias") && text.contains("unknown (1): pooler.bias"), "\(text)")
  }

  @Test func `Rows of the word table that hold no numbers are a note with their tokens`() throws {
    let notes = try compiler { name, values in
      guard name == "bert.embeddings.word_embeddings.weight" else { return }
      (values[7 * 16 + 3], values[9 * 16]) = (.nan, -.infinity)
    }.notes
    #expect(notes.count == 1 && notes[0].contains("bert.embeddings.word_embeddings.weight"))
    #expect(notes[0].hasSuffix(#"(2): 7 "w7", 9 "w9": a text with one of them gets no answer"#), "\(notes)")
  }

  @Test(arguments: [
    ("bert.embeddings.word_embeddings.weight", 2 * 16, #"row 2 "[CLS]" holds NaN or infinity, and every text"#),
    ("bert.embeddings.position_embeddings.weight", 5, "row 0, column 5 is NaN"),
    ("bert.encoder.layer.1.output.dense.weight", 24 + 1, "row 1, column 1 is NaN"),
    ("classifier.bias", 2, "element 2 is NaN"), ("exits.1.classifier.weight", 16, "row 1, column 0 is NaN"),
  ])
  func `Elsewhere they are refused with their place`(name: String, index: Int, words: String) throws {
    let error = #expect(throws: FormatError.self) { try compiler { if $0 == name { $1[index] = .nan } } }
    #expect(error?.place == name && error?.problem.hasPrefix(words) == true, "\(error?.description ?? "")")
  }

  @Test func `LTP's thresholds are relative to uniform attention of texts padded to 128 tokens`() throws {
    var recipe = CheckpointRecipe(.roberta)
    recipe.hasExits = false
    let folder = try TemporaryFolder()
    let path = try recipe.write(in: folder)
    let file = try SafetensorsFile(path: path + "/model.safetensors")
    let learned: [Float] = [0, -0.5, 0.002]
    func pruner(_ layer: Int) -> String { "ibert.encoder.layer.\(layer).attention.self.pruner.keep_threshold" }
    func name(_ old: String) -> String { old.hasPrefix("roberta.") ? "ibert." + old.dropFirst(8) : old }
    var writer = try SafetensorsWriter(
      path: path + "/model.safetensors",
      tensors: file.tensors.map { TensorDeclaration(name($0.name), $0.type, $0.shape) }
        + (0..<3).map { TensorDeclaration(pruner($0), .F32, []) }, alignment: 1)
    for tensor in file.tensors { try writer.append(file.bytes(of: tensor), to: name(tensor.name)) }
    for (layer, value) in learned.enumerated() { try writer.append([value], to: pruner(layer)) }
    try writer.finish()
    var object = try JSONField(path: path + "/config.json").object()
    object["model_type"] = "ltp"
    object["prune_mode"] = "absolute_threshold"
    object["final_token_threshold"] = 0.06
    try OutputFile.write(JSONWriter.string(.object(object)), to: path + "/config.json")
    let compiler = try ModelCompiler(checkpoint: path)
    // Layer 0 prunes nothing; layer 1 has 0.06 / 3 - 0.5, below the least; layer 2 is the last, after which nothing is.
    #expect(compiler.lowered.learned["prune.thresholds"]?.values == [0, 1e-5 * 128])
    #expect(compiler.notes.count == 1 && compiler.notes[0].contains("LTP"), "\(compiler.notes)")
    object["prune_mode"] = "topk"
    try OutputFile.write(JSONWriter.string(.object(object)), to: path + "/config.json")
    let error = #expect(throws: FormatError.self) { try ModelCompiler(checkpoint: path) }
    #expect(error?.place == "prune_mode")
  }

  @Test func `Highways of DistilBERT have relu and are refused`() throws {
    let name = "distilbert.transformer.highway.0.pre_classifier.weight"
    var recipe = CheckpointRecipe(.distilbert)
    recipe.hasExits = false
    let error = #expect(throws: FormatError.self) {
      try compiler(recipe, adding: [(name, [16, 16])])
    }
    #expect(error?.place == name && error?.problem.contains("relu") == true)
  }
}
