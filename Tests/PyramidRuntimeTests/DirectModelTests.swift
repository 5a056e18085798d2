// The engine beside loops that were written from README and know no graph: oracle and engine share lowering and the pass that
// schedules policies, and what is wrong there would be wrong in both.

import MagicPyramid
import PyramidTestSupport
import Testing

@Suite struct `A compiled model answers as one does that was never a graph` {
  /// Policies as the command line spells them, and as the loops have them.
  private static let exits: [(spec: String?, direct: DirectModel.Exit)] = [
    (nil, .never), ("entropy(threshold=0.9)", .entropy(0.9)), ("entropy(threshold=0.97)", .entropy(0.97)),
    ("max-probability(threshold=0.45)", .maxProbability(0.45)), ("patience(patience=1)", .patience(1)),
  ]
  private static let prunes: [(spec: String?, direct: DirectModel.Prune)] = [
    (nil, .never), ("received-attention", .thresholds([0.8, 0.9, 1])),
    ("received-attention(thresholds=0.9)", .thresholds([0.9, 0.9, 0.9])), ("top-k(keep=4)", .count(4)),
  ]

  @Test func `in logits, exits and tokens`() throws {
    var (compared, early, pruned) = (0, 0, 0)
    for number in 0..<40 {
      let answers = try compare(number)
      compared += answers.count
      early += answers.count { $0.exitLayer < 4 }
      pruned += answers.count { Set($0.tokensAlive).count > 1 }
    }
    // What left nowhere and lost nothing would prove little.
    #expect(
      compared > 900 && early > 200 && pruned > 200, "\(compared) compared, \(early) left early, \(pruned) pruned")
  }

  /// Compares 24 texts through a random model; the answers to those whose decisions were not a matter of rounding.
  private func compare(_ number: Int) throws -> [Answer] {
    var random = SeededValues("direct \(number)")
    var recipe = CheckpointRecipe()
    recipe.seed = "direct \(number)"
    (recipe.layers, recipe.heads) = (4, random.integer(in: 1...3))
    recipe.hidden = recipe.heads * random.integer(in: 6...10)
    recipe.intermediate = random.integer(in: 3...40)
    recipe.classes = random.integer(in: 2...5)
    recipe.activation = ["gelu", "gelu_new", "relu"][number % 3]
    recipe.thresholds = [0.8, 0.9, 1]
    recipe.readsMean = random.integer(in: 0...1) == 1
    let (exit, prune) = (Self.exits[number % 5], Self.prunes[number / 5 % 4])
    let folder = try TemporaryFolder()
    let path = try recipe.write(in: folder)
    let batch = recipe.samples(lengths: (0..<24).map { _ in random.integer(in: 1...24) }, seed: "batch")
    let set = InstructionSet.supported[number % InstructionSet.supported.count]
    let compiled = try CompiledCheckpoint(path, for: set, exit: exit.spec, prune: prune.spec)
    let answers = try compiled.executor().run(PackedBatch(batch))
    let model = try DirectModel(recipe, folder: path)
    return zip(batch, answers).compactMap { ids, answer in
      let expected = model.run(ids, exit: exit.direct, prune: prune.direct)
      if expected.closest < 1e-5 { return nil }
      #expect(answer.exitLayer == expected.exitLayer)
      #expect(answer.alivePositions == expected.alive.map { $0.map { Int32($0) } })
      #expect(answer.logits.largestDifference(to: expected.logits.map { Float($0) }) < 1e-4)
      return answer
    }
  }
}
