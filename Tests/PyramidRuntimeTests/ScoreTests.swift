// What answers say of the scores that tokens were kept or dropped by.

import MagicPyramid
import PyramidTestSupport
import Testing

@testable import PyramidRuntime

@Suite struct `Recorded scores` {
  private func answers(_ prune: String, of recipe: CheckpointRecipe, _ samples: [[Int32]]) throws -> [Answer] {
    try CompiledCheckpoint(recipe, for: .portable, prune: prune).executor().run(PackedBatch(samples))
  }

  @Test(arguments: ["hidden-norm(fraction=0.6)", "received-attention(thresholds=0.9)", "column-sum(schedule=4)"])
  func `are those of the tokens alive, and what stays has the highest`(prune: String) throws {
    for answer in try answers(prune, of: Sieve.recipe, Doorway.samples) {
      let alive = try #require(answer.alivePositions)
      let scores = try #require(answer.scores)
      #expect(scores.count == alive.count && scores[0].allSatisfy { $0 == nil })
      for layer in 1..<alive.count {
        let scored = scores[layer].indices.filter { scores[layer][$0] != nil }.map { Int32($0) }
        #expect(scored == alive[layer - 1])
        let dropped = alive[layer - 1].filter { !alive[layer].contains($0) }.compactMap { scores[layer][Int($0)] }
        let kept = alive[layer].dropFirst().compactMap { scores[layer][Int($0)] }
        if let most = dropped.max(), let least = kept.min() { #expect(least >= most) }
      }
    }
  }

  @Test func `are relative to uniform for received attention`() throws {
    let answers = try answers("received-attention(thresholds=0.9)", of: Sieve.recipe, Doorway.samples)
    #expect(answers.contains { ($0.tokensAlive.last ?? 0) < $0.tokensAlive[0] })
    for answer in answers {
      for (layer, scores) in (answer.scores ?? []).enumerated().dropFirst() {
        let given = scores.compactMap { $0 }
        #expect(given.count == answer.tokensAlive[layer - 1])
        #expect(abs(given.reduce(0, +) / Float(given.count) - 1) < 1e-4)
      }
    }
  }

  /// That the norm is of the whole row, and of the row that a policy sees, no policy of the project can tell.
  @Test func `by a token's norm are by the norm of the row that hidden gives`() throws {
    let folder = try TemporaryFolder()
    let registry = try PolicyRegistry([PolicyType(NormRatio.self)])
    let compilation = try Compilation(
      checkpoint: Sieve.recipe.write(in: folder), policies: PolicyChoice(exit: nil, prune: PolicySpec("norm-ratio")),
      options: CompileOptions(target: .portable), registry: registry)
    _ = try compilation.write(to: folder.path("model.mpc"), skipsCheck: true)
    let model = try LoadedModel(path: folder.path("model.mpc"))
    let executor = try Executor(
      model: model, policies: model.policies(registry: registry),
      options: ExecutorOptions(graph: model.graph, threads: 1, recordsPositions: true))
    for answer in try executor.run(PackedBatch(Doorway.samples)) {
      let given = try #require(answer.scores).joined().compactMap { $0 }
      #expect(!given.isEmpty && given.allSatisfy { abs($0 - 1) < 1e-4 }, "\(given)")
    }
  }

  @Test func `are those of the entry first, and none where tokens merge or are not asked about`() throws {
    for answer in try answers("salience(threshold=0.4, attention=0.75)", of: Doorway.recipe, Doorway.samples) {
      let entry = try #require(answer.scores?[0])
      #expect(entry.allSatisfy { $0 != nil })
      let kept = entry.indices.dropFirst().filter { (entry[$0] ?? 0) >= 0.4 }.map { Int32($0) }
      #expect(answer.alivePositions?[0] == [0] + kept)
    }
    for prune in ["merge(rate=2)", "keep-all"] {
      for answer in try answers(prune, of: Sieve.recipe, Doorway.samples) {
        #expect(answer.scores?.allSatisfy { $0.allSatisfy { $0 == nil } } == true)
      }
    }
  }
}
