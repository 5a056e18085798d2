// Gradients of whole small models against central differences in double precision, and those of the kernels against
// them: dropout everywhere, hard and soft pruning, exit heads with several losses, in all families.

import BuiltInPolicies
import PyramidCompiler
import PyramidIR
import PyramidKernels
import PyramidModels
import PyramidPolicy
import PyramidReference
import PyramidTestSupport
import PyramidTraining
import Testing

@Suite struct ModelGradientTests {
  static let rates = DropoutRates(
    embeddings: 0.1, attention: 0.2, attentionOutput: 0.1, feedForward: 0.3, headInput: 0.1, classifier: 0.2)

  /// A model's case before it is differentiated.
  private func training(
    _ family: CheckpointRecipe.Family, _ seed: String, readsMean: Bool = false,
    _ build: (Graph, ModelCompiler) throws -> (graph: Graph, prune: PolicyInstance?)
  ) throws -> TrainingCase {
    var recipe = CheckpointRecipe(family)
    (recipe.layers, recipe.hidden, recipe.intermediate, recipe.seed) = (3, 8, 12, seed)
    recipe.embedding = family == .electra ? 4 : 8
    (recipe.thresholds, recipe.readsMean) = ([0.9, 1], readsMean)
    recipe.activation = seed == "a" ? "gelu" : "gelu_new"
    let folder = try TemporaryFolder()
    let compiler = try ModelCompiler(checkpoint: recipe.write(in: folder))
    let (graph, prune) = try build(compiler.lowered.graph, compiler)
    var random = SeededValues(seed)
    let lengths = [1, random.integer(in: 2...7), random.integer(in: 4...9)]
    let targets = lengths.map { _ in (0..<recipe.classes).map { _ in abs(random.unit()) } }
    var weights: [String: [Float]] = [:]
    for weight in graph.weights { weights[weight.name] = try compiler.weights.values(of: weight) }
    return TrainingCase(
      graph, weights: weights, batch: ReferenceBatch(tokenIDs: recipe.samples(lengths: lengths, seed: seed)),
      inputs: ReferenceTrainingInputs(targets: targets, random: RandomState(seed: 1, step: 2)), prune: prune)
  }

  private func joint(_ plain: Graph, _ last: ValueID, reading input: HeadInput = .first) throws -> Graph {
    let (graph, heads) = try plain.addingExitHeads(after: [0, 1], reading: input)
    return try graph.trainingGraph(losses: [HeadLoss(last)] + heads.logits.map { HeadLoss($0, scale: 0.5) })
  }

  private func check(_ training: TrainingCase) throws {
    let differentiated = try training.differentiated()
    let result = try differentiated.reference()
    #expect(Set(result.weights.keys) == Set(training.graph.weights.map(\.name)))
    #expect(try training.differenceError(of: result.weights, elements: 4) < 1e-6)
    // Rounding grows where it goes through the same layer again and again.
    let tolerance = training.graph.shape.family == "albert" ? 1e-3 : 1e-4
    for set in InstructionSet.supported {
      let kernels = try differentiated.kernels(set, threads: 2)
      #expect(abs(kernels.loss - result.loss) < 1e-5 * abs(result.loss), "\(set)")
      #expect(gradientError(kernels.weights, expected: result.weights) < tolerance, "\(set)")
    }
  }

  @Test(arguments: CheckpointRecipe.Family.allCases)
  func `Products in bf16 turn the gradient a little`(family: CheckpointRecipe.Family) throws {
    let training = try training(family, "a") { plain, _ in
      (try joint(plain, plain.answeredLogits!).insertingDropout(Self.rates), nil)
    }
    let differentiated = try training.differentiated()
    let result = try differentiated.reference()
    func product(_ a: [String: [Double]], _ b: [String: [Double]]) -> Double {
      a.reduce(0) { sum, entry in sum + zip(entry.value, b[entry.key] ?? []).reduce(0) { $0 + $1.0 * $1.1 } }
    }
    for set in InstructionSet.supported {
      let kernels = try differentiated.kernels(set, in: .bf16, threads: 2)
      #expect(abs(kernels.loss - result.loss) < 0.02 * abs(result.loss), "\(set)")
      let lengths = product(kernels.weights, kernels.weights) * product(result.weights, result.weights)
      let cosine = product(kernels.weights, result.weights) / lengths.squareRoot()
      // Least where the same layer is gone through again and again (ALBERT).
      #expect(cosine > 0.98 && cosine < 0.99999, "\(set): \(cosine)")
    }
  }

  @Test(arguments: CheckpointRecipe.Family.allCases, ["a", "b"])
  func `Joint exits with dropout everywhere`(family: CheckpointRecipe.Family, seed: String) throws {
    try check(
      training(family, seed) { plain, _ in
        (try joint(plain, plain.answeredLogits!).insertingDropout(Self.rates), nil)
      })
  }

  @Test(arguments: CheckpointRecipe.Family.allCases)
  func `Heads that also read the mean of their layer's input, pruned`(family: CheckpointRecipe.Family) throws {
    try check(
      training(family, "a", readsMean: true) { plain, compiler in
        let prune = try policy(compiler)
        var graph = plain
        try Pipeline.weavePruning(into: &graph, prune)
        return (try joint(graph, graph.answeredLogits!, reading: .firstAndMean), prune)
      })
  }

  private func policy(_ compiler: ModelCompiler) throws -> PolicyInstance {
    try PolicyType(ReceivedAttention.self).make(
      PolicySpec("received-attention"), model: compiler.facts, learned: compiler.lowered.learned)
  }

  @Test(arguments: CheckpointRecipe.Family.allCases, ["a", "b"])
  func `Hard pruning, hoisted, with exits and dropout`(family: CheckpointRecipe.Family, seed: String) throws {
    let training = try training(family, seed) { plain, compiler in
      let prune = try policy(compiler)
      var graph = plain
      try Pipeline.weavePruning(into: &graph, prune)
      #expect(graph.nodes.contains { $0.op == .compact })
      return (try joint(graph, graph.answeredLogits!).insertingDropout(Self.rates), prune)
    }
    try check(training)
    let compacted = try training.differentiated().graph.nodes.contains { $0.op == .gradient(.compactGradient) }
    #expect(compacted)
  }

  @Test(arguments: CheckpointRecipe.Family.allCases, ["a", "b"])
  func `Soft pruning with dropout`(family: CheckpointRecipe.Family, seed: String) throws {
    let training = try training(family, seed) { plain, _ in
      let last = plain.answeredLogits!
      let soft = try plain.softlyPruned(temperature: 0.5, penalty: 0.3)
      return (try joint(soft, last).insertingDropout(Self.rates), nil)
    }
    try check(training)
    #expect(try training.differentiated().reference().weights["prune.thresholds"]!.allSatisfy { $0 != 0 })
  }

  @Test func `The same run has the same gradients, another step or seed has others`() throws {
    let training = try training(.bert, "a") { plain, _ in
      (try plain.trainingGraph().insertingDropout(Self.rates), nil)
    }.differentiated()
    func gradients(seed: UInt64, step: UInt64) throws -> [String: [Double]] {
      var copy = training
      copy.inputs.random = RandomState(seed: seed, step: step)
      return try copy.reference().weights
    }
    #expect(try gradients(seed: 1, step: 1) == gradients(seed: 1, step: 1))
    #expect(try gradients(seed: 1, step: 1) != gradients(seed: 1, step: 2))
    #expect(try gradients(seed: 1, step: 1) != gradients(seed: 2, step: 1))
  }
}
