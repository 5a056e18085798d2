// What the reverse-mode pass builds and what it leaves out: frozen weights, stops, teachers, and that the passes after
// it take the graph.

import PyramidCompiler
import PyramidIR
import PyramidReference
import PyramidTestSupport
import PyramidTraining
import Testing

@Suite struct DifferentiationTests {
  private let compiler: ModelCompiler
  private let folder: TemporaryFolder
  private var plain: Graph { compiler.lowered.graph }

  init() throws {
    folder = try TemporaryFolder()
    compiler = try ModelCompiler(checkpoint: CheckpointRecipe().write(in: folder))
  }

  private func gradients(_ graph: Graph) throws -> [String: [Double]] {
    var weights: [String: [Float]] = [:]
    for weight in graph.weights { weights[weight.name] = try compiler.weights.values(of: weight) }
    let batch = ReferenceBatch(tokenIDs: CheckpointRecipe().samples(lengths: [5, 1, 8], seed: "x"))
    let targets: [[Float]] = [[1, 0, 0], [0, 0.5, 0.5], [0, 1, 0]]
    return try TrainingCase(graph, weights: weights, batch: batch, inputs: ReferenceTrainingInputs(targets: targets))
      .reference().weights
  }

  private func backward(_ graph: Graph) -> [Node] { graph.nodes.filter { $0.section == .gradients } }

  /// Exit heads distilled from the last head, and the last head's own loss if it is asked for.
  private func distilled(withLast: Bool) throws -> Graph {
    let last = plain.answeredLogits!
    let (graph, heads) = try plain.addingExitHeads(after: [0, 1])
    return try graph.trainingGraph(
      losses: (withLast ? [HeadLoss(last)] : []) + heads.logits.map { HeadLoss($0, towards: .probabilities(of: last)) })
  }

  @Test func `A frozen trunk gets no backward node`() throws {
    let graph = try distilled(withLast: false).differentiated { !$0.name.hasPrefix("exits.") }
    let words = Set(backward(graph).map(\.op.mnemonic))
    #expect(
      words == ["cross_entropy_gradient", "linear_weight_gradient", "linear_input_gradient", "activation_gradient"])
    #expect(backward(graph).flatMap(\.weights).allSatisfy { graph[$0].name.hasPrefix("exits.") })
    #expect(backward(graph).count { $0.op == .gradient(.linearInputGradient) } == 2)
    #expect(try gradients(graph).count == 8)
  }

  @Test func `No gradient flows through a teacher's probabilities`() throws {
    let alone = try gradients(plain.trainingGraph().differentiated())
    let both = try gradients(distilled(withLast: true).differentiated())
    for name in ["head.classifier.weight", "head.dense.weight", "l2.query.weight"] {
      #expect(gradientError([name: both[name]!], expected: [name: alone[name]!]) < 1e-12)
    }
    #expect(both["l1.query.weight"] != alone["l1.query.weight"])
  }

  @Test func `A stopped value lets nothing through and changes nothing above`() throws {
    let graph = try plain.trainingGraph()
    let hidden = try #require(graph.nodes.last { $0.section == .layer(0) }).results[0]
    let whole = try gradients(graph.differentiated())
    let stopped = try gradients(graph.differentiated(stopping: [hidden]))
    #expect(stopped.keys.allSatisfy { $0.hasPrefix("l1.") || $0.hasPrefix("l2.") || $0.hasPrefix("head.") })
    #expect(stopped.keys.count { $0.hasPrefix("l1.") } == 16)
    #expect(stopped.allSatisfy { whole[$0.key] == $0.value })
  }

  @Test func `Frozen tables and norms are left out, and the rest is as it was`() throws {
    let graph = try plain.trainingGraph()
    let frozen: Set = ["embeddings.positions", "l1.output.norm.gamma", "l1.output.norm.beta"]
    let whole = try gradients(graph.differentiated())
    let some = try gradients(graph.differentiated { frozen.contains($0.name) })
    #expect(Set(some.keys) == Set(whole.keys).subtracting(frozen))
    #expect(some.allSatisfy { whole[$0.key] == $0.value })
  }

  @Test func `A layer with its activation fused in has the gradients of the two`() throws {
    var fused = plain
    for index in fused.nodes.indices {
      guard case .activate(let activation) = fused.nodes[index].op, index > 0,
        fused.nodes[index - 1].op == .linear(.none)
      else { continue }
      let linear = fused.nodes[index - 1]
      fused.nodes[index] = fused.makeNode(
        .linear(activation), linear.inputs, linear.weights, results: fused.nodes[index].results, in: linear.section)
      fused.nodes[index - 1].section = .gradients
    }
    fused.nodes.removeAll { $0.section == .gradients }
    #expect(fused.nodes.count < plain.nodes.count)
    #expect(try gradients(fused.trainingGraph().differentiated()) == gradients(plain.trainingGraph().differentiated()))
  }

  @Test func `What has no gradient is named`() throws {
    var graph = plain
    try Pipeline(disabling: []).run(on: &graph, PassContext(target: .portable))
    graph.slots = []
    for index in graph.values.indices { graph.values[index].slot = nil }
    let training = try graph.trainingGraph()
    let error = #expect(throws: DifferentiationError.self) { try training.differentiated() }
    #expect(error?.description.contains("has no gradient; graphs that train have nothing fused") == true)
    #expect(throws: DifferentiationError.self) { try plain.differentiated() }
    #expect(throws: DifferentiationError.self) { try plain.trainingGraph().differentiated().differentiated() }
  }

  @Test func `A differentiated graph is read as it is written`() throws {
    let soft = try plain.softlyPruned(temperature: 0.001, penalty: 0.1).trainingGraph(losses: [
      HeadLoss(plain.answeredLogits!)
    ])
    let graph = try soft.insertingDropout(ModelGradientTests.rates).differentiated()
    let again = try Graph.parse(graph.description)
    #expect(again.description == graph.description)
    #expect(again.purpose == .train)
    try again.verify()
  }

  @Test(arguments: [InstructionSet.avx512, .avx2, .portable], [Precision.f32, .bf16])
  func `The backend takes a graph that trains`(target: InstructionSet, precision: Precision) throws {
    var graph = try distilled(withLast: true).insertingDropout(ModelGradientTests.rates).differentiated()
    try Pipeline.prepareTraining(&graph, target: target, precision: precision)
    #expect(graph.weights.allSatisfy { $0.layout == .plain && $0.precision == .f32 })
    for node in graph.nodes {
      if case .input = node.op { continue }
      #expect(node.results.allSatisfy { graph[$0].slot != nil })
      let isProduct = node.op == .linear(.none) || node.op.facts.roundsFactors
      if node.op.facts.hasKernel { #expect(node.kernel == Kernel(target, isProduct ? precision : .f32)) }
    }
    let losses = graph.nodes.filter { $0.op.facts.training == .loss }.map { graph[$0.results[0]].slot! }
    #expect(losses.count == 3 && Set(losses).count == 3)
    #expect(graph.costs.last?.section == .gradients)
    // Backward products are twice the forward ones, give or take heads, embeddings and attention.
    func products(_ section: (Section) -> Bool) -> Int {
      graph.costs.filter { section($0.section) }.flatMap(\.executed).filter {
        $0.dim == .admittedTokens && $0.power == 1
      }
      .reduce(0) { $0 + $1.coefficient }
    }
    let ratio = Double(products { $0 == .gradients }) / Double(products { $0 != .gradients })
    #expect(ratio > 1.5 && ratio < 2.5)
  }
}
