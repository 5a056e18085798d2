// The table that a caller keeps from request to request, as README recommends for serving: whatever it held before, it holds
// the answers to the last batch and nothing else.

import MagicPyramid
import PyramidTestSupport
import Testing

@Suite struct `A table of answers` {
  /// Short after long, few after many, and the other way round.
  private static let lengths = [[5, 9, 3, 17], [2], Array(repeating: 11, count: 40), [30, 1, 8], [1], [17, 3]]

  private static func recipe(layers: Int, classes: Int) -> CheckpointRecipe {
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.classes, recipe.entry) = (layers, classes, .tokens)
    recipe.thresholds = (1..<layers).map { 0.7 + Float($0) / 10 }
    return recipe
  }

  @Test(arguments: InstructionSet.supported)
  func `holds what the last batch was answered, by whichever model`(set: InstructionSet) throws {
    let table = AnswerTable()
    var exits: Set<Int> = []
    let models = try [(4, 3), (2, 5)].map { layers, classes in
      let recipe = Self.recipe(layers: layers, classes: classes)
      let compiled = try CompiledCheckpoint(
        recipe, for: set, exit: "entropy(threshold=0.7)", prune: "received-attention")
      return (recipe, try compiled.executor(samples: 7, tokens: 64))
    }
    for round in 1...2 {
      for (index, lengths) in Self.lengths.enumerated() {
        for (recipe, executor) in models {
          let batch = PackedBatch(recipe.samples(lengths: lengths, seed: "table \(index)"))
          // A table of its own.
          let expected = try executor.run(batch)
          try executor.run(batch, into: table)
          #expect(table.count == lengths.count)
          #expect(table.answers.map(bits) == expected.map(bits), "round \(round), batch \(index)")
          for sample in lengths.indices {
            #expect(Array(table.logits(of: sample)) == expected[sample].logits)
            #expect(table.exitLayer(of: sample) == expected[sample].exitLayer)
            #expect(table.tokensAlive(of: sample).map { Int($0) } == expected[sample].tokensAlive)
          }
          exits.formUnion(expected.map(\.exitLayer))
        }
      }
    }
    #expect(exits.count > 2, "\(exits)")
  }
}
