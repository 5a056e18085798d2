// Compute only what is read, and nothing that is read changes: policies that read every signal, exit heads at any
// subset of layers, random ragged batches, any of the passes left out; the reference interpreter runs both graphs.

import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@Suite struct `Row demand` {
  private static let demand: Set = ["peek", "hoist-compaction", "last-layer-cls"]

  private static func recipe(_ number: Int) -> CheckpointRecipe {
    var recipe = CheckpointRecipe(CheckpointRecipe.Family.allCases[number % 5])
    (recipe.layers, recipe.hidden, recipe.heads, recipe.seed) = (4, 12, 3, "demand \(number)")
    (recipe.embedding, recipe.readsMean) = (12, number % 2 == 1)
    if number % 4 != 3 { recipe.entry = number % 2 == 0 ? .pairs(16) : .tokens }
    return recipe
  }

  @Test(arguments: TokenSignal.allCases)
  func `changes no answer, whatever policies read and wherever heads are`(signal: TokenSignal) throws {
    try compare("scores-by(signal=\(signal.rawValue))")
  }

  @Test(arguments: [TokenSignal.attentionFromCLS, .hiddenNorm, .position, .tokenID, .hidden])
  func `changes no answer where tokens die before the layer`(signal: TokenSignal) throws {
    try compare("scores-by(signal=\(signal.rawValue), early=true)")
  }

  @Test(arguments: [TokenSignal.position, .tokenID], [false, true])
  func `changes no answer where tokens die at the entry as well`(signal: TokenSignal, isEarly: Bool) throws {
    try compare("scores-by(signal=\(signal.rawValue), early=\(isEarly), entry=true)")
  }

  /// The plain and the optimised graph of a dozen models under a pruning policy.
  private func compare(_ pruning: String) throws {
    var random = SeededValues("demand of \(pruning)")
    var exits: Set<Int> = []
    for number in 0..<12 {
      let folder = try TemporaryFolder()
      let recipe = Self.recipe(number)
      let compiler = try ModelCompiler(checkpoint: recipe.write(in: folder))
      let facts = compiler.facts
      let threshold = [0.3, 0.8, 10][number % 3]
      // What reads everything is not asked at the entry, what remembers is.
      let exit =
        try number % 2 == 0
        ? PolicyType(AddsUp.self).make(PolicySpec("adds-up(threshold=\(threshold / 3))"), model: facts)
        : PolicyType(ReadsAll.self).make(PolicySpec("reads-all(threshold=\(threshold))"), model: facts)
      let prune = try PolicyType(ScoresBy.self).make(PolicySpec(pruning), model: facts)
      let heads = Set((0..<3).filter { _ in random.integer(in: 0...2) > 0 }).union([number % 3])
      let context = PassContext(
        policies: PolicyPair(exit: exit, prune: number % 4 == 3 ? nil : prune), exitHeads: heads,
        headInput: compiler.lowered.headInput, entryHead: compiler.lowered.entryHead, target: .portable)
      let disabled = Set(Self.demand.sorted().filter { _ in random.integer(in: 0...3) == 0 })
      var (plain, optimised) = (compiler.lowered.graph, compiler.lowered.graph)
      try Pipeline.schedulePolicies(on: &plain, context)
      try Pipeline(disabling: disabled).run(on: &optimised, context)
      // Whatever the policy reads, exits are decided before their layers: else this suite would compare nothing.
      if !disabled.contains("peek") {
        #expect(Self.lateExits(of: optimised) == 0, "\(recipe), heads \(heads.sorted())")
      }

      let samples = recipe.samples(
        lengths: (0..<random.integer(in: 1...6)).map { _ in random.integer(in: 1...14) }, seed: "batch")
      let answers = try [plain, optimised].map { graph in
        let interpreter = try ReferenceInterpreter(
          graph: graph, weight: { try compiler.weights.values(of: $0) }, policies: context.policies)
        return try interpreter.run(ReferenceBatch(tokenIDs: samples))
      }
      for (sample, (expected, actual)) in zip(answers[0], answers[1]).enumerated() {
        let place: Comment = "sample \(sample) of \(recipe), heads \(heads.sorted()), without \(disabled.sorted())"
        #expect(actual.exitLayer == expected.exitLayer, place)
        #expect(actual.tokensAlive == expected.tokensAlive && actual.alivePositions == expected.alivePositions, place)
        #expect(actual.label == expected.label, place)
        #expect(actual.logits.largestDifference(to: expected.logits) <= 1e-4, place)
        exits.insert(actual.exitLayer)
      }
    }
    #expect(exits.count > 3 && exits.contains(0), "samples leave at \(exits.sorted()) only")
  }

  /// Exits that are decided after their layer's attention over all tokens.
  private static func lateExits(of graph: Graph) -> Int {
    let exits = graph.nodes.indices.filter { ExitDecision(graph.nodes[$0]) != nil }
    return exits.count { exit in
      graph.nodes[..<exit].contains { node in
        switch node.op {
        case .attention, .attentionQKV: node.section == graph.nodes[exit].section
        default: false
        }
      }
    }
  }

  /// Attention weights of [CLS] are the same numbers before the first layer as after its attention, so the same
  /// tokens live on.
  @Test func `reads the same weights before the layer as after its attention`() throws {
    let samples = Sieve.samples
    func run(_ prune: String) throws -> [ReferenceAnswer] {
      let folder = try TemporaryFolder()
      let compiler = try ModelCompiler(checkpoint: Sieve.recipe.write(in: folder))
      let policy = try PolicyType(ScoresBy.self).make(PolicySpec(prune), model: compiler.facts)
      let policies = PolicyPair(prune: policy)
      var graph = compiler.lowered.graph
      try Pipeline.schedulePolicies(on: &graph, PassContext(policies: policies, target: .portable))
      return try ReferenceInterpreter(
        graph: graph, weight: { try compiler.weights.values(of: $0) }, policies: policies
      ).run(ReferenceBatch(tokenIDs: samples))
    }
    let signal = "signal=attention-from-cls, fraction=0.5"
    let (after, before) = (try run("scores-by(\(signal))"), try run("scores-by(\(signal), early=true)"))
    for (after, before) in zip(after, before) { #expect(after.alivePositions[1] == before.alivePositions[1]) }
    #expect(zip(after, before).contains { $0.logits != $1.logits })
  }

  @Test(arguments: [
    ("received-attention", "where received-attention is not known; it may read attention-from-cls, hidden-norm"),
    ("value-norm", "where value-norm is not known"),
  ])
  func `is refused to a policy that prunes before the layer by what the layer computes`(
    signal: String, words: String
  ) throws {
    let folder = try TemporaryFolder()
    let compiler = try ModelCompiler(checkpoint: Self.recipe(0).write(in: folder))
    let policy = try PolicyType(ScoresBy.self).make(
      PolicySpec("scores-by(signal=\(signal), early=true)"), model: compiler.facts)
    let error = #expect(throws: CompileError.self) {
      try compiler.compile(PolicyPair(prune: policy), options: CompileOptions(target: .portable))
    }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }
}
