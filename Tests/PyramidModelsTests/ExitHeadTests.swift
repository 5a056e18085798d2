// What a checkpoint says of its exit heads beyond their weights: temperatures, what they read, and where there are any.

import PyramidFormats
import PyramidIR
import PyramidModels
import PyramidTestSupport
import Testing

@Suite struct `Exit heads of a checkpoint` {
  private static let recipe: CheckpointRecipe = {
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.seed) = (4, "heads")
    return recipe
  }()

  private func lowered(_ recipe: CheckpointRecipe) throws -> (checkpoint: Checkpoint, model: LoweredModel) {
    let folder = try TemporaryFolder()
    let checkpoint = try Checkpoint(path: recipe.write(in: folder))
    return (checkpoint, try LoweredModel(checkpoint, name: "model"))
  }

  private func weight(_ name: String, _ shape: [Int]) -> Weight {
    var graph = Graph(name: "one", shape: SmallShape.shape, samples: 1, tokens: 1)
    let id = graph.weight(name, TensorType(.f32, shape.map { .fixed($0) }), sources: [name])
    return graph[id]
  }

  @Test func `Temperatures are learned values of policies, and leave the heads as they are`() throws {
    var recipe = Self.recipe
    let plain = try lowered(recipe)
    recipe.temperatures = [2, 0.5, 1]
    let warm = try lowered(recipe)
    #expect(warm.model.learned["exits.temperatures"] == [2, 0.5, 1])
    #expect(plain.model.learned["exits.temperatures"] == nil)
    for layer in 0..<3 {
      for (name, shape) in [("weight", [3, 16]), ("bias", [3])] {
        let weight = weight("exits.\(layer).classifier.\(name)", shape)
        #expect(try warm.checkpoint.weights.values(of: weight) == plain.checkpoint.weights.values(of: weight))
      }
    }
  }

  @Test(arguments: [0, -1, .infinity, .nan] as [Float])
  func `A temperature that is no number above 0 is refused`(value: Float) throws {
    var recipe = Self.recipe
    recipe.temperatures = [1, value, 1]
    let error = #expect(throws: FormatError.self) { try lowered(recipe) }
    #expect(error?.description.contains("exits.temperatures") == true, "\(error?.description ?? "")")
  }

  @Test func `Temperatures of another number of heads are refused`() throws {
    var recipe = Self.recipe
    recipe.temperatures = [1, 1]
    let error = #expect(throws: CheckpointError.self) { try lowered(recipe) }
    #expect(error?.description.contains("exits.temperatures has shape [2], expected [3]") == true)
  }

  @Test func `Heads may stand after some layers only`() throws {
    var recipe = Self.recipe
    recipe.withoutExit = [0, 2]
    #expect(try lowered(recipe).model.exitHeads == [1])
    recipe.withoutExit = []
    #expect(try lowered(recipe).model.exitHeads == [0, 1, 2])
  }

  @Test func `A head without a dense layer is linear, and half a head is missing the rest`() throws {
    var recipe = Self.recipe
    recipe.linearExits = [0, 2]
    let model = try lowered(recipe).model
    #expect(model.exitHeads == [0, 1, 2] && model.linearHeads == [0, 2])
    recipe.readsMean = true
    #expect(try lowered(recipe).checkpoint.weights.shape(of: "exits.0.classifier.weight") == [3, 32])
    (recipe.readsMean, recipe.leavesOut) = (false, ["exits.2.classifier.bias", "exits.1.dense.bias"])
    let error = #expect(throws: CheckpointError.self) { try lowered(recipe) }
    #expect(error?.description.contains("missing (2): exits.1.dense.bias, exits.2.classifier.bias") == true)
  }

  @Test func `A head that adds the entry has both tensors for it, and an entry`() throws {
    var recipe = Self.recipe
    (recipe.entry, recipe.addsEntry) = (.tokens, true)
    #expect(try lowered(recipe).model.entryReaders == [0, 1, 2])
    recipe.leavesOut = ["exits.1.entry.weight", "exits.1.entry.bias"]
    #expect(try lowered(recipe).model.entryReaders == [0, 2])
    recipe.leavesOut = ["exits.1.entry.bias"]
    let half = #expect(throws: CheckpointError.self) { try lowered(recipe) }
    #expect(half?.description.contains("missing (1): exits.1.entry.bias") == true)
    (recipe.leavesOut, recipe.reshapes) = ([], ["exits.1.entry.weight": [3, 2]])
    let misshapen = #expect(throws: CheckpointError.self) { try lowered(recipe) }
    #expect(misshapen?.description.contains("exits.1.entry.weight has shape [3, 2], expected [3, 3]") == true)
    (recipe.reshapes, recipe.entry) = ([:], nil)
    let alone = #expect(throws: CheckpointError.self) { try lowered(recipe) }
    #expect(alone?.description.contains("unknown (6): exits.0.entry.bias, exits.0.entry.weight") == true)
  }

  @Test func `A head over [CLS] and the mean is twice as wide, and must be said to be`() throws {
    var recipe = Self.recipe
    recipe.readsMean = true
    let (checkpoint, model) = try lowered(recipe)
    #expect(model.headInput == .firstAndMean)
    #expect(checkpoint.weights.shape(of: "exits.1.dense.weight") == [16, 32])
    let folder = try TemporaryFolder()
    let path = try recipe.write(in: folder)
    recipe.readsMean = false
    let plain = try recipe.write(in: folder, name: "plain")
    let config = try MappedFile(path: plain + "/config.json").withBytes { Array($0) }
    try folder.write("model/config.json", config)
    let error = #expect(throws: CheckpointError.self) { try LoweredModel(Checkpoint(path: path), name: "model") }
    #expect(error?.description.contains("exits.0.dense.weight has shape [16, 32], expected [16, 16]") == true)
  }
}

private enum SmallShape {
  static let shape = ModelShape(family: "bert", layers: 1, hidden: 1, heads: 1, intermediate: 1, classes: 1)
}
