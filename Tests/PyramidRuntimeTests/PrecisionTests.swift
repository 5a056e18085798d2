// Models in bf16 and int8, whole: near the oracle, alike on every instruction set, and refused when an artefact claims
// what can't be.

import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@Suite struct `Reduced precision` {
  /// Largest difference of a probability from the oracle's on small random models, several times what is seen.
  private static let tolerances: [Precision: Float] = [.bf16: 0.04, .int8: 0.08]

  @Test(arguments: InstructionSet.supported, [Precision.bf16, .int8])
  func `dense answers are near the oracle's`(set: InstructionSet, precision: Precision) throws {
    for scenario in try Scenario.all.get() {
      let compiled = try CompiledCheckpoint(scenario.recipe, for: set, precision: precision)
      #expect(compiled.model.graph.precision == precision)
      let batch = ReferenceBatch(tokenIDs: scenario.samples, typeIDs: scenario.typeIDs)
      let expected = try compiled.oracle().run(batch)
      let answers = try compiled.executor().run(PackedBatch(scenario.samples, typeIDs: scenario.typeIDs))
      for (answer, expected) in zip(answers, expected) {
        let difference = answer.probabilities.largestDifference(to: expected.probabilities)
        #expect(difference <= Self.tolerances[precision]!, "\(scenario)")
      }
    }
  }

  /// Sums of int8 are whole numbers; what differs is f32 rounding, and attention where bf16 has an instruction.
  @Test(arguments: [Precision.bf16, .int8])
  func `every instruction set answers nearly alike`(precision: Precision) throws {
    let answers = try InstructionSet.supported.map { set in
      try Sieve.compiled(set, exit: nil, prune: nil, precision: precision).executor().run(PackedBatch(Sieve.samples))
    }
    for other in answers.dropFirst() {
      for (answer, first) in zip(other, answers[0]) {
        #expect(answer.probabilities.largestDifference(to: first.probabilities) < 0.04)
      }
    }
  }

  @Test func `heads keep more digits than the encoder`() throws {
    let graph = try Sieve.compiled(.portable, precision: .int8).model.graph
    func precision(_ name: String) -> Precision? { graph.weights.first { $0.name == name }?.precision }
    #expect(precision("l0.intermediate.weight") == .int8)
    #expect(precision("head.dense.weight") == .bf16)
    #expect(precision("head.classifier.weight") == .f32)
    #expect(precision("embeddings.words") == .f32)
  }
}
