// What a checkpoint has to say about the boundary before layer 1: its head, temperature and token table, and what is said
// of tensors that don't fit.

import PyramidModels
import PyramidTestSupport
import Testing

@Suite struct `The entry of a checkpoint` {
  private static let full: CheckpointRecipe = {
    var recipe = CheckpointRecipe()
    (recipe.entry, recipe.salienceThreshold) = (.pairs(8), 0.25)
    return recipe
  }()

  private func lowered(_ recipe: CheckpointRecipe) throws -> LoweredModel {
    let folder = try TemporaryFolder()
    return try LoweredModel(Checkpoint(path: recipe.write(in: folder)), name: "m")
  }

  @Test func `has a head with the tokenizer's special tokens, or none`() throws {
    #expect(try lowered(CheckpointRecipe()).entryHead == nil)
    let head = try #require(try lowered(Self.full).entryHead)
    #expect(head.vocabulary == 40 && head.pairs == 8)
    // [PAD] 0, [CLS] 2, [SEP] 3 and [MASK] 4; [UNK] 1 stands for a word.
    #expect(head.skip == [0, 2, 3, 4] && head.separator == 3)
    var unigrams = Self.full
    unigrams.entry = .tokens
    #expect(try lowered(unigrams).entryHead?.pairs == nil)
  }

  @Test func `leaves its logits as they are, whatever its temperature, which is a policy's to read`() throws {
    var warm = Self.full
    warm.entryTemperature = 4
    let folder = try TemporaryFolder()
    let checkpoints = try [("cold", Self.full), ("warm", warm)].map {
      try Checkpoint(path: $1.write(in: folder, name: $0))
    }
    let head = try #require(try LoweredModel(checkpoints[0], name: "m").entryHead)
    for (name, shape) in head.tensors(of: try lowered(Self.full).graph.shape) {
      let weight = Weight(name: name, type: TensorType(.f32, shape.map { .fixed($0) }), sources: [name])
      let values = try checkpoints.map { try $0.weights.values(of: weight) }
      #expect(values[1] == values[0])
    }
    #expect(try lowered(warm).learned["exits.entry.temperature"] == [4])
  }

  @Test(arguments: [0, -1, .nan, .infinity] as [Float])
  func `refuses a temperature that is not a number above 0`(temperature: Float) throws {
    var recipe = Self.full
    recipe.entryTemperature = temperature
    let folder = try TemporaryFolder()
    let path = try recipe.write(in: folder)
    let error = #expect(throws: FormatError.self) { try Checkpoint(path: path) }
    #expect(error?.description.contains("exits.entry.temperature") == true)
  }

  @Test(arguments: [0, 3, 6, 12])
  func `refuses pairs whose number is no power of two`(rows: Int) throws {
    var recipe = Self.full
    recipe.entry = .pairs(rows)
    let error = #expect(throws: (any Error).self) { try lowered(recipe) }
    #expect("\(error.map { "\($0)" } ?? "")".contains("exits.entry.bigrams"))
  }

  @Test(arguments: [
    ("exits.entry.table", "missing (1): exits.entry.table"), ("exits.entry.bias", "missing (1): exits.entry.bias"),
    ("prune.entry.threshold", "missing (1): prune.entry.threshold"),
    ("prune.entry.salience", "missing (1): prune.entry.salience"),
  ])
  func `names a tensor that is missing`(tensor: String, words: String) throws {
    var recipe = Self.full
    recipe.leavesOut = [tensor]
    let error = #expect(throws: CheckpointError.self) { try lowered(recipe) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }

  @Test func `names tensors of another shape`() throws {
    var recipe = Self.full
    recipe.reshapes = ["exits.entry.table": [39, 3], "exits.entry.bigrams": [8, 2], "prune.entry.salience": [41]]
    let error = #expect(throws: CheckpointError.self) { try lowered(recipe) }
    for words in ["table has shape [39, 3], expected [40, 3]", "bigrams has shape [8, 2]", "salience has shape [41]"] {
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }
  }

  @Test func `gives tokens that are no words a salience that no threshold reaches`() throws {
    let learned = try lowered(Self.full).learned
    let salience = try #require(learned["prune.entry.salience"]).values
    #expect([0, 2, 3, 4].allSatisfy { salience[$0] == .greatestFiniteMagnitude })
    #expect(salience[1] <= 1 && salience[5...].allSatisfy { $0 <= 1 } && salience.count == 40)
    #expect(learned["prune.entry.threshold"] == [0.25])
  }
}
