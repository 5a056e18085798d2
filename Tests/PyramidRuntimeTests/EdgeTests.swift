// Where the engine's room and its numbers end: waves filled to the last sample and token, and weights that are not numbers.

import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@testable import PyramidRuntime

@Suite struct `At the edge of the room` {
  @Test func `every buffer of a debug build ends at a page that traps`() throws {
    #expect(Arena.isGuarded)
    let arena = Arena()
    for count in [1, 7, 64, 1000, 1024, 4097] {
      let piece = try arena.take(UInt8.self, count)
      #expect(UInt(bitPattern: piece) % 64 == 0)
      let end = UInt(bitPattern: piece) + UInt(count)
      #expect((4096 - end % 4096) % 4096 < 64, "\(count) bytes end \(end % 4096) bytes into a page")
      piece[count - 1] = 1
    }
  }

  /// The most samples, the most tokens, and one of each more: with pruning and without exits, with both, with neither.
  @Test(
    arguments: InstructionSet.supported,
    [(nil, "top-k(keep=2)"), ("entropy(threshold=0.8)", "top-k(keep=2)"), (nil, nil)])
  func `a wave that is filled exactly answers like samples alone`(set: InstructionSet, policies: (String?, String?))
    throws
  {
    let compiled = try CompiledCheckpoint(
      Sieve.recipe, for: set, exit: policies.0 as String?, prune: policies.1 as String?)
    for (samples, tokens) in [(64, 192), (5, 15), (1, 3)] {
      let executor = try compiled.executor(samples: samples, tokens: tokens)
      for extra in [0, 1] {
        let batch = PackedBatch(
          Sieve.recipe.samples(lengths: Array(repeating: 3, count: samples + extra), seed: "full \(samples)"))
        let answers = try executor.run(batch)
        let alone = try compiled.executor(samples: 1, tokens: 3).run(batch)
        // The portable path's products depend on how many rows there are.
        for (one, other) in zip(answers, alone) {
          #expect(one.exitLayer == other.exitLayer && one.tokensAlive == other.tokensAlive)
          #expect(one.logits.largestDifference(to: other.logits) <= 1e-5)
        }
        #expect(answers.count == samples + extra)
      }
    }
  }
}

@Suite struct `Weights that are not numbers` {
  private static let broken: Int32 = 9

  @Test(
    arguments: InstructionSet.supported,
    ["fixed-layer(layer=1)", "entropy(threshold=1)", "max-probability(threshold=0)"])
  func `let no sample leave early, keep its tokens, and touch no other sample`(set: InstructionSet, exit: String) throws
  {
    let folder = try TemporaryFolder()
    var recipe = Sieve.recipe
    recipe.brokenWord = Int(Self.broken)
    let path = try recipe.write(in: folder)
    let compiled = try CompiledCheckpoint(path, for: set, exit: exit, prune: "received-attention(thresholds=0.75)")
    let whole = try CompiledCheckpoint(Sieve.recipe, for: set, exit: exit, prune: "received-attention(thresholds=0.75)")
    let samples: [[Int32]] = [[2, 7, 8, 11, 3], [2, 7, Self.broken, 11, 3], [2, 12, 13, 3]]
    let answers = try compiled.executor().run(PackedBatch(samples))
    let expected = try whole.executor().run(PackedBatch([samples[0], samples[2]]))
    #expect(expected.map(\.exitLayer) == [1, 1])
    for (found, wanted) in zip([answers[0], answers[2]], expected) {
      #expect(found.exitLayer == wanted.exitLayer && found.logits.largestDifference(to: wanted.logits) <= 1e-5)
    }
    #expect(answers[1].isBroken && answers[1].exitLayer == Sieve.recipe.layers)
    #expect(answers[1].tokensAlive == Array(repeating: 5, count: Sieve.recipe.layers))
  }
}
