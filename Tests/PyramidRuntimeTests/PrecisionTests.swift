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

  /// What all parts have alike is not a mix; and a mix computes each part as a model of that format does.
  @Test(arguments: InstructionSet.supported)
  func `a layer may have a format of its own`(set: InstructionSet) throws {
    var recipe = CheckpointRecipe()
    recipe.hasExits = true
    let folder = try TemporaryFolder()
    let path = try recipe.write(in: folder)
    func compilation(_ parts: [ModelPart: Precision]) throws -> Compilation {
      var options = CompileOptions(target: set, precision: .int8)
      options.partPrecisions = parts
      return try Compilation(
        checkpoint: path, policies: PolicyChoice(exit: PolicySpec(name: "entropy")), options: options)
    }
    let whole = try compilation([:]).graph()
    #expect(try compilation([.layer(0): .int8, .heads: .int8]).graph().description == whole.description)
    #expect(whole.precisionText == "int8")
    let mixed = try compilation([.layer(1): .f32, .heads: .f32])
    let graph = try mixed.graph()
    #expect(graph.precisionText == "int8 (layers 1, 3), f32 (layer 2, heads)")
    for (weight, same) in zip(graph.weights, whole.weights) {
      let isRaised = weight.name.hasPrefix("l1.") || weight.name.contains("dense.weight")
      #expect(weight.precision == (isRaised ? .f32 : same.precision), "\(weight.name)")
    }
    _ = try mixed.write(to: folder.path("m.mpc"))
    #expect(try LoadedModel(path: folder.path("m.mpc")).graph.precisionText == graph.precisionText)
  }
}
