// What the executor's buffers and records rest on beyond what the verifier promises. mp-compile writes graphs that
// pass; an artefact can also be written to cause a wild read, and must be refused in a line before it runs.

import PyramidIR

/// Checks of a verified graph.
struct ProgramCheck {
  let graph: Graph
  let target: InstructionSet
  /// By node: all checks read them.
  let facts: [OpFacts]
  /// What the graph costs without policies.
  let dense: [CostTerm]
  private let origins: ValueOrigins

  init(graph: Graph, target: InstructionSet) {
    (self.graph, self.target, facts) = (graph, target, graph.nodes.map(\.op.facts))
    (dense, origins) = (graph.denseOperations(), ValueOrigins(graph))
  }

  /// Most tokens or samples that a graph may admit, bytes per row of a slot, and number of slots or dims: together
  /// they keep every sum of sizes within 64 bits.
  private static let limits = (rows: 1 << 22, slotBytes: 1 << 26, count: 4096)
  /// Most operations that a full batch may be said to take: what counts them stays within 64 bits.
  private static let mostOperations = 1 << 60

  /// Throws `RuntimeError` when the graph can't be run safely.
  func run() throws {
    try checkSizes()
    try checkPositions()
    try checkCosts()
    try checkLayouts()
    try checkAttention()
    try checkEmbedding()
    try checkAnswers()
    try checkPruning()
    try checkKernels()
  }

  private func failure(_ problem: String) -> RuntimeError { RuntimeError("graph @\(graph.name): \(problem)") }

  private func checkSizes() throws {
    let limits = Self.limits
    for family in DimFamily.allCases where graph.admitted(family) > limits.rows {
      throw failure("admits \(graph.admitted(family)) rows of \(family.rawValue)0, more than \(limits.rows)")
    }
    guard graph.slots.count <= limits.count, graph.slots.allSatisfy({ $0.bytesPerRow <= limits.slotBytes }) else {
      throw failure(
        "its memory plan has more than \(limits.count) slots, or one of more than \(limits.slotBytes) bytes per row")
    }
    if let dim = graph.dims.first(where: { $0.dim.index >= limits.count })?.dim {
      throw failure("dim \(dim) is numbered too high")
    }
    guard graph.shape.layers <= limits.count else {
      throw failure("has \(graph.shape.layers) layers, more than \(limits.count)")
    }
  }

  /// Costs are stored, not counted again: whatever they say, adding them up must not overflow.
  private func checkCosts() throws {
    var sum = 0
    let terms = graph.costs.flatMap { $0.executed + $0.paper } + dense
    for term in terms {
      let rows = graph.admitted(term.dim.family)
      let (operations, isTooMuch) = term.coefficient.multipliedReportingOverflow(
        by: term.power == 2 ? rows * rows : rows)
      guard !isTooMuch, operations <= Self.mostOperations, sum + operations <= Self.mostOperations else {
        throw failure("the costs of its sections come to more than \(Self.mostOperations) operations")
      }
      sum += operations
    }
  }

  /// Kernels read packed weights by the layout of their instruction set: another layout would be read past its end.
  private func checkLayouts() throws {
    if graph.purpose == .train { return }  // the verifier has seen that all are plain
    let packed = target.panelWidth.map { WeightLayout.panels($0) } ?? .plain
    for index in graph.nodes.indices {
      for (place, weight) in graph.nodes[index].weights.enumerated() {
        if graph.weights[weight.index].layout != (facts[index].packable.contains(place) ? packed : .plain) {
          throw failure("#\(graph[weight].name) is not laid out for \(target.rawValue)")
        }
      }
    }
  }

  /// A kernel reads packed weights as its own set and precision lay them out, and runs on machines that have the set.
  private func checkKernels() throws {
    for index in graph.nodes.indices where facts[index].hasKernel {
      let node = graph.nodes[index]
      if graph.purpose == .train, let problem = node.untrainable { throw failure(problem) }
      let name = facts[index].mnemonic
      guard let kernel = node.kernel else { throw failure("a \(name) names no kernel; it was not compiled to the end") }
      if kernel.set != target { throw failure("\(name)\(kernel.suffix) is not a kernel of \(target.rawValue)") }
      for place in facts[index].reducible {
        let weight = graph[node.weights[place]]
        // In training the kernels round on the way.
        if weight.precision == (graph.purpose == .train ? .f32 : kernel.precision) { continue }
        throw failure("\(name)\(kernel.suffix) can't read #\(weight.name), stored as \(weight.precision.rawValue)")
      }
    }
  }

  /// The attention kernel's scratch is sized by the model's heads and width.
  private func checkAttention() throws {
    for index in graph.nodes.indices {
      var heads = facts[index].attention?.heads
      if case .gradient(.attentionGradient(let count, _, _)) = graph.nodes[index].op { heads = count }
      guard let heads else { continue }
      guard heads == graph.shape.heads, graph[graph.nodes[index].results[0]].type.columns == graph.shape.hidden else {
        throw failure("an attention has other heads or another width than the model")
      }
    }
  }

  /// Ids of a batch are checked against the tables of the one `embed`, which must read them as they come, or those of
  /// them that are left.
  private func checkEmbedding() throws {
    let embeds = graph.nodes.filter(\.isEmbed)
    if graph.purpose == .train {
      // Heads alone are trained from features.
      for node in graph.nodes where node.op == .gradient(.embedGradient) {
        let tables = embeds.first.map { Array(zip($0.inputs, $0.weights)).map { [$0.0.index, $0.1.index] } } ?? []
        let added = zip(node.inputs, node.weights).map { [$0.0.index, $0.1.index] }
        if !added.allSatisfy(tables.contains) { throw failure("embed_gradient adds to other rows than embed reads") }
      }
      if embeds.isEmpty { return }
    }
    guard embeds.count == 1 else { throw failure("has \(embeds.count) embed nodes, expected 1") }
    let kinds = embedded(embeds[0])
    guard kinds.first == .tokenIDs, kinds == InputKind.embedded.filter(kinds.contains) else {
      throw failure("embed reads something else than the batch")
    }
    for index in graph.nodes.indices {
      guard case .bagLogits = graph.nodes[index].op else { continue }
      guard origins.input(behind: graph.nodes[index].inputs[0]) == .tokenIDs else {
        throw failure("bag_logits reads something else than the batch")
      }
    }
  }

  /// What indexes the tables of an `embed`.
  func embedded(_ node: Node) -> [InputKind?] { node.inputs.map(origins.input(behind:)) }

  /// Tables for every position that a batch may have are made when the graph is opened: two of heads of 128 columns at
  /// most positions.
  private func checkPositions() throws {
    let (most, mostNumbers) = (1 << 17, 1 << 25)
    let positions = graph.admitted(.tokens)
    guard facts.contains(where: \.readsPositions) else { return }
    guard positions <= most else {
      throw failure("admits \(positions) tokens, more than the \(most) that have positions")
    }
    var (turned, buckets): (Set<Rotation>, Set<DistanceBuckets>) = ([], [])
    for node in graph.nodes {
      if case .rotate(let rotation) = node.op { turned.insert(rotation.angles) }
      if case .relativeAttention(let relative, _) = node.op, let some = relative.buckets { buckets.insert(some) }
    }
    let numbers = positions * turned.reduce(2 * buckets.count) { $0 + $1.size }
    guard numbers <= mostNumbers else {
      throw failure("its tables of positions have \(numbers) numbers, more than \(mostNumbers)")
    }
  }

  /// Each sample is answered once, and its slot given back once: every decision is about all samples alive, and those
  /// that come to the end are those left.
  private func checkAnswers() throws {
    var alive = Dim.admittedSamples
    var decided: Set<Section> = []
    for index in graph.nodes.indices {
      guard let samples = graph.nodes[index].answered?.samples else { continue }
      let node = graph.nodes[index]
      if ExitDecision(node) != nil {
        guard decided.insert(node.section).inserted, node.section < .layer(graph.shape.layers - 1) else {
          throw failure("decides exits twice in a layer, or in the last one")
        }
      }
      guard graph[samples].type.rows == .dim(alive), origins.numbersSamples(samples) else {
        throw failure("\(node.op.mnemonic) is not about the samples of \(alive), which are alive there")
      }
      if case .dim(let staying)? = node.results.first.map({ graph[$0].type.rows }) { alive = staying }
    }
  }

  /// What is recorded of each boundary has room for one decision, and the first layer starts with the tokens admitted or
  /// those that the entry left.
  private func checkPruning() throws {
    var pruned: Set<Section> = []
    for index in graph.nodes.indices {
      guard case .decidePrune = graph.nodes[index].op else { continue }
      let section = graph.nodes[index].section
      guard pruned.insert(section).inserted, section < .layer(graph.shape.layers - 1) else {
        throw failure("prunes twice in a layer, or in the last one")
      }
    }
    if graph.purpose == .train { return }
    let entering =
      graph.nodes.lazy.filter { $0.section == .entry && $0.op.definedFamily == .tokens }.last
      .map { graph[$0.results[0]].type.rows } ?? .dim(.admittedTokens)
    guard graph.tokensEntering(layer: 0).map({ .dim($0) }) == entering else {
      throw failure("the first layer does not attend to the tokens that the entry left")
    }
  }

  /// By node, the value that holds the numbers of the samples that it keeps records of; nil where it keeps none.
  func recordedSamples() throws -> [ValueID?] {
    // Only answers have samples to be recorded for.
    if graph.purpose == .train { return Array(repeating: nil, count: graph.nodes.count) }
    return try origins.recordedSamples(in: graph, offsets: \.recordedSegments) { dim in
      failure("the numbers of the samples of \(dim) are gone when they are needed")
    }
  }
}

extension Node {
  /// Why a graph that trains can't hold this node; nil when it can.
  fileprivate var untrainable: String? {
    if let kernel, kernel.precision != .f32 {
      let isProduct = if case .linear = op { true } else { op.facts.roundsFactors }
      guard isProduct, kernel.precision == .bf16 else {
        return "\(op.mnemonic)\(kernel.suffix): training rounds the factors of products, to bf16, and nothing else"
      }
    }
    if case .linearAddNorm = op { return "\(op.mnemonic) needs packed weights, which training has not" }
    return nil
  }

  /// The offsets of the samples that the step keeps records of; nil when it keeps none.
  fileprivate var recordedSegments: ValueID? {
    if case .compactSegments = op { return inputs[0] }
    return op.definedFamily == .tokens ? inputs[0] : nil
  }

  /// Whether the node looks the tokens up. A pattern, since `==` compares all that operations may hold.
  var isEmbed: Bool { if case .embed = op { true } else { false } }
}
