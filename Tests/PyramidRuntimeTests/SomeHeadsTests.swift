// Checkpoints with exit heads after some layers only: policies ask there and nowhere else, and what they remember or read
// of earlier heads is of the heads that there are.

import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@Suite struct `Heads after some layers only` {
  private static let recipe: CheckpointRecipe = {
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.seed, recipe.withoutExit) = (6, "some heads", [0, 2])
    return recipe
  }()
  private static let samples = recipe.samples(lengths: (0..<40).map { 2 + $0 % 15 }, seed: "some heads")

  private static let exits: [(exit: String, layers: Set<Int>)] = [
    ("entropy(threshold=0.9)", [2, 4, 5, 6]), ("patience(patience=1)", [4, 5, 6]), ("fixed-layer(layer=4)", [4]),
  ]

  @Test(arguments: InstructionSet.supported, exits)
  func `samples leave where there is a head`(set: InstructionSet, expected: (exit: String, layers: Set<Int>)) throws {
    let compiled = try CompiledCheckpoint(Self.recipe, for: set, exit: expected.exit, prune: "top-k(fraction=0.8)")
    let batch = ReferenceBatch(tokenIDs: Self.samples)
    let oracle = try compiled.oracle().run(batch)
    let answers = try compiled.executor().run(PackedBatch(Self.samples))
    #expect(Set(answers.map(\.exitLayer)).isSubset(of: expected.layers))
    #expect(Set(answers.map(\.exitLayer)).count >= min(2, expected.layers.count))
    for (answer, expected) in zip(answers, oracle) {
      #expect(answer.exitLayer == expected.exitLayer && answer.tokensAlive == expected.tokensAlive)
      #expect(answer.logits.largestDifference(to: expected.logits) <= 1e-4)
    }
  }

  @Test func `earlier probabilities are those of the heads that there are`() throws {
    let folder = try TemporaryFolder()
    let compiler = try ModelCompiler(checkpoint: Self.recipe.write(in: folder))
    let exit = try PolicyType(ReadsAll.self).make(PolicySpec("reads-all(threshold=0.3)"), model: compiler.facts)
    let graph = try compiler.compile(PolicyPair(exit: exit), options: CompileOptions(target: .portable))
    let earlier = graph.nodes.compactMap(ExitDecision.init).map { decision in
      decision.signals.first { $0.signal == .earlierProbabilities }?.operands.count ?? 0
    }
    #expect(earlier == [0, 1, 2])
    #expect(graph.decisions.exits == [.after(1), .after(3), .after(4)])
  }

  @Test func `a policy that is active only where there is no head is refused by a command that fits one`() throws {
    let folder = try TemporaryFolder()
    let path = try Self.recipe.write(in: folder)
    let error = #expect(throws: CompileError.self) {
      try CompiledCheckpoint(path, for: .portable, exit: "fixed-layer(layer=3)")
    }
    let words = "after layer 3, and the checkpoint has none there; fit them with: mp-train '\(path)' --data TRAIN.tsv"
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }

  @Test func `thresholds that the checkpoint lacks are refused by the command that learns them`() throws {
    let folder = try TemporaryFolder()
    let path = try Self.recipe.write(in: folder, name: "it's mine")
    let error = #expect(throws: PolicyError.self) {
      try CompiledCheckpoint(path, for: .portable, prune: "received-attention")
    }
    let words = "mp-train \(path.shellQuoted) --data TRAIN.tsv --output DIR --stages 2,3"
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }
}
