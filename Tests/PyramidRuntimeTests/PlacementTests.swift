// place-policies: costs that it works with are those that run, samples leave later and never elsewhere, and what it
// leaves of a graph still answers as the reference interpreter does with decisions at the same places.

import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@testable import PyramidCompiler

@Suite struct `Placed policies` {
  private static let prunes = ["received-attention", "top-k(fraction=0.7)", "cls-attention"]

  private static func recipe(_ number: Int) -> CheckpointRecipe {
    var recipe = CheckpointRecipe(CheckpointRecipe.Family.allCases[number % 5])
    (recipe.layers, recipe.hidden, recipe.heads, recipe.seed) = (5, 12, 3, "placement \(number)")
    (recipe.embedding, recipe.readsMean) = (12, number % 2 == 0)
    recipe.thresholds = [0.5, 0.8, 0.9, 1]
    if number % 2 == 0 { (recipe.entry, recipe.addsEntry) = (number % 4 == 0 ? .pairs(16) : .tokens, number % 3 != 0) }
    return recipe
  }

  /// A profile that adds up, of samples that leave and die at random.
  private static func profile(
    _ random: inout SeededValues, _ context: PassContext, _ graph: Graph
  ) -> PolicyProfile {
    var (samples, tokens) = (random.integer(in: 5...50), 0)
    tokens = samples * random.integer(in: 2...20)
    let everywhere = context.everywhere(graph)
    var entry: PolicyProfile.Layer?
    if everywhere.exits.contains(.entry) {
      let left = random.integer(in: 0...samples)
      entry = PolicyProfile.Layer(
        samplesEntered: samples, samplesLeft: left, tokensEntered: tokens, tokensLeft: tokens * left / samples,
        tokensKept: tokens - tokens * left / samples, decidesExit: true)
      (samples, tokens) = (samples - left, tokens - tokens * left / samples)
    }
    let layers = (0..<graph.shape.layers).map { index in
      var layer = PolicyProfile.Layer(
        samplesEntered: samples, tokensEntered: tokens, decidesExit: true, decidesPrune: true)
      let isLast = index == graph.shape.layers - 1
      if isLast || everywhere.exits.contains(.after(index)) && random.integer(in: 0...1) == 0 {
        layer.samplesLeft = isLast ? samples : random.integer(in: 0...samples)
        layer.tokensLeft = samples == 0 ? 0 : tokens * layer.samplesLeft / samples
      }
      samples -= layer.samplesLeft
      tokens -= layer.tokensLeft
      let dies = everywhere.prunes.contains(.after(index)) && random.integer(in: 0...1) == 0
      layer.tokensKept = dies ? max(samples, tokens * random.integer(in: 1...10) / 10) : tokens
      tokens = layer.tokensKept
      return layer
    }
    return PolicyProfile(
      model: graph.name, checkpoint: "", exit: context.policies.exit?.spec.description,
      prune: context.policies.prune?.spec.description, entry: entry, layers: layers)
  }

  @Test func `answer as the reference does with the same decisions`() throws {
    var random = SeededValues("placements")
    var placements: Set<PolicyPlacement> = []
    for number in 0..<18 {
      let folder = try TemporaryFolder()
      let recipe = Self.recipe(number)
      let choice = PolicyChoice(
        exit: number % 5 == 4 ? nil : try PolicySpec("entropy(threshold=0.85)"),
        prune: number % 4 == 3 ? nil : try PolicySpec(Self.prunes[number % 3]))
      let compilation = try Compilation(checkpoint: recipe.write(in: folder), policies: choice)
      let (compiler, policies) = (compilation.compiler, compilation.policies)
      var context = PassContext(compiler.lowered, policies: policies, target: .portable)
      context.profile = Self.profile(&random, context, compiler.lowered.graph)
      var (plain, placed) = (compiler.lowered.graph, compiler.lowered.graph)
      try Pipeline().run(on: &placed, context)
      plain.placement = placed.decisions
      placements.insert(placed.decisions)
      try Pipeline.schedulePolicies(on: &plain, context)
      #expect(plain.decisions == placed.decisions)
      let samples = recipe.samples(
        lengths: (0..<random.integer(in: 1...6)).map { _ in random.integer(in: 1...14) }, seed: "batch")
      let answers = try [plain, placed].map { graph in
        try ReferenceInterpreter(
          graph: graph, weight: { try compiler.weights.values(of: $0) }, policies: policies
        ).run(ReferenceBatch(tokenIDs: samples))
      }
      for (expected, actual) in zip(answers[0], answers[1]) {
        let place: Comment = "\(recipe), \(placed.decisions)"
        #expect(actual.exitLayer == expected.exitLayer && actual.label == expected.label, place)
        #expect(actual.tokensAlive == expected.tokensAlive && actual.alivePositions == expected.alivePositions, place)
        #expect(actual.logits.largestDifference(to: expected.logits) <= 1e-4, place)
      }
    }
    #expect(placements.count > 6)
    #expect(Set(placements.map { $0.exits.contains(.entry) }).count == 2)
  }

  /// With equal lengths nothing in the expectation is an approximation.
  @Test(arguments: [nil, CheckpointRecipe.Entry.pairs(16)])
  func `are chosen by the operations that run`(entry: CheckpointRecipe.Entry?) throws {
    var recipe = Self.recipe(0)
    recipe.entry = entry
    let compiled = try CompiledCheckpoint(
      recipe, for: .portable, exit: "entropy(threshold=0.85)", prune: "top-k(keep=[9, 7, 7, 5])")
    let classifier = try Classifier(model: compiled.model, registry: CompiledCheckpoint.registry.get())
    let samples = Self.recipe(0).samples(lengths: Array(repeating: 11, count: 30), seed: "equal")
    let answers = try classifier.run(PackedBatch(samples))
    var profile = PolicyProfile(of: classifier)
    for answer in answers { profile.count(answer, tokens: 11) }
    #expect(Set(answers.map(\.exitLayer)).count > 1 && answers.contains { $0.exitLayer == 0 } == (entry != nil))
    #expect(try PolicyProfile(reading: JSONField(profile.json, file: "")) == profile)

    let context = PassContext(compiled.compiler.lowered, policies: classifier.policies, target: .portable)
    var fused = compiled.compiler.lowered.graph
    let pipeline = try Pipeline()
    for pass in pipeline.fusions { try pass.run(on: &fused, context) }
    let costs = try LayerCosts(fused, context, pipeline.demand)
    let everywhere = context.everywhere(fused)
    let expected = costs.total(
      everywhere, profile.flows(everywhere), CostModel(operationsPerWeight: 0))
    #expect(Int(expected.rounded()) == answers.reduce(0) { $0 + $1.operations.executed })
  }

  private static func subsets(_ boundaries: Set<Boundary>) -> [Set<Boundary>] {
    var subsets: [Set<Boundary>] = [[]]
    for boundary in boundaries { subsets += subsets.map { $0.union([boundary]) } }
    return subsets
  }

  /// Decisions are taken out one by one; what only two of them together would save is rare, and small.
  @Test(arguments: 0...1)
  func `cost as little as the cheapest of all subsets, or nearly`(number: Int) throws {
    var recipe = Self.recipe(number)
    (recipe.layers, recipe.thresholds) = (4, [0.5, 0.8, 0.9])
    let compiled = try CompiledCheckpoint(
      recipe, for: .portable, exit: "entropy(threshold=0.85)", prune: "top-k(fraction=0.7)")
    let context = PassContext(compiled.compiler.lowered, policies: try compiled.policies(), target: .portable)
    var fused = compiled.compiler.lowered.graph
    let pipeline = try Pipeline()
    for pass in pipeline.fusions { try pass.run(on: &fused, context) }
    let costs = try LayerCosts(fused, context, pipeline.demand)
    let everywhere = context.everywhere(fused)
    let placements = Self.subsets(everywhere.exits).flatMap { exits in
      Self.subsets(everywhere.prunes).map { PolicyPlacement(exits: exits, prunes: $0) }
    }
    #expect(Set(placements).count >= 64 && placements.contains(everywhere))
    var random = SeededValues("subsets \(number)")
    var (cheapest, chosen) = (0, Set<PolicyPlacement>())
    for _ in 0..<6 {
      let profile = Self.profile(&random, context, fused)
      func cost(_ placement: PolicyPlacement) -> Double {
        costs.total(placement, profile.flows(placement), CostModel.batchOfOne)
      }
      let found = PlacePolicies.cheapest(context, in: fused, cost: cost)
      let lowest = try #require(placements.map(cost).min())
      #expect(cost(found) <= 1.05 * lowest, "\(found) costs \(cost(found)), the cheapest \(lowest)")
      cheapest += cost(found) <= lowest * (1 + 1e-9) ? 1 : 0
      chosen.insert(found)
    }
    #expect(cheapest >= 4 && chosen.count > 1, "\(cheapest) of 6 are the cheapest, \(chosen.count) differ")
  }

  /// A graph whose profile says that so many percent of the samples of ten tokens leave at each head, and the heads that
  /// there are.
  private static func profiled(
    _ exit: String, leaving percent: Int, _ registry: PolicyRegistry
  ) throws -> (graph: Graph, all: Set<Boundary>) {
    let folder = try TemporaryFolder()
    let compilation = try Compilation(
      checkpoint: recipe(1).write(in: folder), policies: PolicyChoice(exit: PolicySpec(exit)), registry: registry)
    let lowered = compilation.compiler.lowered
    var context = PassContext(
      policies: compilation.policies, exitHeads: lowered.exitHeads, headInput: lowered.headInput, target: .portable)
    var samples = 10_000
    let layers = (1...lowered.graph.shape.layers).map { layer in
      let left = layer == lowered.graph.shape.layers ? samples : samples * percent / 100
      defer { samples -= left }
      return PolicyProfile.Layer(
        samplesEntered: samples, samplesLeft: left, tokensEntered: 10 * samples, tokensLeft: 10 * left,
        tokensKept: 10 * (samples - left), decidesExit: true)
    }
    context.profile = PolicyProfile(
      model: lowered.graph.name, checkpoint: "", exit: context.policies.exit?.spec.description, prune: nil,
      entry: nil, layers: layers)
    var graph = lowered.graph
    try Pipeline().run(on: &graph, context)
    return (graph, context.everywhere(lowered.graph).exits)
  }

  @Test func `keep every head of a policy that reads what earlier heads said`() throws {
    let alone = try Self.profiled("entropy", leaving: 0, CompiledCheckpoint.registry.get())
    let together = try Self.profiled("reads-all", leaving: 0, PolicyRegistry([PolicyType(ReadsAll.self)]))
    #expect(alone.graph.decisions.exits.count < alone.all.count)
    #expect(together.graph.decisions.exits == together.all && together.all.count == 4)
  }

  @Test func `let tokens live on where a pruning is dropped, and die at the next one that is left`() {
    // Of ten samples a hundred tokens enter, half of them die after each of two layers.
    let layers = [(100, 50), (50, 25), (25, 0)].map { entered, kept in
      let isLast = kept == 0
      return PolicyProfile.Layer(
        samplesEntered: 10, samplesLeft: isLast ? 10 : 0, tokensEntered: entered, tokensLeft: isLast ? entered : 0,
        tokensKept: kept, decidesPrune: !isLast)
    }
    let profile = PolicyProfile(model: "", checkpoint: "", exit: nil, prune: "top-k", entry: nil, layers: layers)
    func entering(_ prunes: Set<Boundary>) -> [Double] {
      profile.flows(PolicyPlacement(prunes: prunes)).layers.map(\.tokensEntering)
    }
    #expect(entering([.after(0), .after(1)]) == [100, 50, 25])
    #expect(entering([.after(0)]) == [100, 50, 50] && entering([.after(1)]) == [100, 100, 50])
    #expect(entering([]) == [100, 100, 100])
  }

  @Test func `a peek has to save a twentieth, and something where nobody comes`() {
    #expect(CostModel.peeks(94, 100) && !CostModel.peeks(95.1, 100) && !CostModel.peeks(0, 0))
  }

  /// A peek reads a layer's weights for one row, and the layer reads them again for the others.
  @Test(arguments: [(60, true), (3, false)])
  func `peek where many leave, and decide after the whole layer where few do`(percent: Int, peeks: Bool) throws {
    let (graph, all) = try Self.profiled("entropy", leaving: percent, CompiledCheckpoint.registry.get())
    let (exits, peeked) = (graph.decisions.exits, graph.nodes.filter { $0.op.facts.attention?.isOfFirst == true })
    // Behind the last head that is left, only [CLS] is computed in any case.
    let early = exits.filter { exit in peeked.contains { $0.section == .layer(exit.number - 1) } }
    #expect(!exits.isEmpty && early == (peeks ? exits : []), "\(exits) of \(all), early \(early)")
  }

  @Test func `let a sample leave at the next head that is left, with that head's answer`() throws {
    let folder = try TemporaryFolder()
    let recipe = Self.recipe(1)
    let compilation = try Compilation(
      checkpoint: recipe.write(in: folder), policies: PolicyChoice(exit: PolicySpec("entropy(threshold=0.9)")))
    let (compiler, policies) = (compilation.compiler, compilation.policies)
    let context = PassContext(policies: policies, exitHeads: compiler.lowered.exitHeads, target: .portable)
    let samples = recipe.samples(lengths: Array(repeating: 9, count: 12), seed: "later")
    func run(_ exits: Set<Int>) throws -> [ReferenceAnswer] {
      var graph = compiler.lowered.graph
      graph.placement = PolicyPlacement(exits: Set(exits.map { .after($0) }))
      try Pipeline.schedulePolicies(on: &graph, context)
      return try ReferenceInterpreter(
        graph: graph, weight: { try compiler.weights.values(of: $0) }, policies: policies
      ).run(ReferenceBatch(tokenIDs: samples))
    }
    let (all, some) = (try run([0, 1, 2, 3]), try run([1, 3]))
    #expect(all.contains { $0.exitLayer == 1 || $0.exitLayer == 3 })
    for (all, some) in zip(all, some) {
      #expect(some.exitLayer >= all.exitLayer && [2, 4, 5].contains(some.exitLayer))
      if [2, 4, 5].contains(all.exitLayer) { #expect(some.exitLayer == all.exitLayer && some.logits == all.logits) }
    }
  }

  @Test(arguments: [("entropy(threshold=0.5)", false), ("patience-divergence(threshold=0.5)", true)])
  func `hand earlier probabilities on to policies that read them, and make none for others`(
    exit: String, reads: Bool
  ) throws {
    let folder = try TemporaryFolder()
    let compilation = try Compilation(
      checkpoint: Self.recipe(1).write(in: folder), policies: PolicyChoice(exit: PolicySpec(exit)))
    var graph = compilation.compiler.lowered.graph
    graph.placement = PolicyPlacement(exits: [.after(0), .after(1), .after(2), .after(3)])
    let context = PassContext(compilation.compiler.lowered, policies: compilation.policies, target: .portable)
    try Pipeline.schedulePolicies(on: &graph, context)
    // Values that dead nodes made are there still: with hundreds of layers they took a quarter of a minute.
    #expect(graph.values.contains { $0.name.hasPrefix("earlier") } == reads)
  }
}
