// Compiled and executed equals interpreted: for every instruction set, with all passes and with each optional one
// left out, on random models, policies and batches.

import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@Suite struct `Agreement with the reference interpreter` {
  static let optionalPasses = Pipeline.passes.filter { type(of: $0).isOptional }.map(\.name)

  @Test func `the scenarios exit early, prune, and do neither`() throws {
    let scenarios = try Scenario.all.get()
    let exits = scenarios.map { scenario in
      Set(scenario.expected.map { $0.exitLayer == scenario.recipe.layers ? "last" : "early" })
    }
    #expect(exits.contains(["last", "early"]) && exits.contains(["last"]))
    let left = scenarios.flatMap(\.expected).count { $0.exitLayer == 0 }
    #expect(left > 5 && left < scenarios.flatMap(\.expected).count / 2)
    #expect(scenarios.contains { $0.recipe.entry != nil && Set($0.expected.map(\.exitLayer)).count > 2 })
    let pruned = scenarios.filter { $0.expected.contains { Set($0.tokensAlive).count > 1 } }
    #expect(pruned.count > 6 && pruned.count < scenarios.count)
    #expect(Set(scenarios.map(\.exit)) == Set(Scenario.exits) && Set(scenarios.map(\.prune)) == Set(Scenario.prunes))
  }

  @Test(arguments: InstructionSet.supported, [nil] + optionalPasses.map { Optional($0) })
  func `labels, exits and kept tokens are equal and logits close`(set: InstructionSet, disabled: String?) throws {
    for scenario in try Scenario.all.get() {
      let compiled = try CompiledCheckpoint(
        scenario.recipe, for: set, exit: scenario.exit, prune: scenario.prune, disabling: disabled.map { [$0] } ?? [])
      let answers = try compiled.executor().run(PackedBatch(scenario.samples, typeIDs: scenario.typeIDs))
      for (sample, (answer, expected)) in zip(answers, scenario.expected).enumerated() {
        let place: Comment = "sample \(sample) of \(scenario)"
        #expect(answer.exitLayer == expected.exitLayer, place)
        #expect(answer.alivePositions == expected.alivePositions, place)
        #expect(answer.tokensAlive == expected.tokensAlive, place)
        #expect(answer.label == expected.label, place)
        #expect(answer.logits.largestDifference(to: expected.logits) <= 1e-4, place)
      }
    }
  }
}
