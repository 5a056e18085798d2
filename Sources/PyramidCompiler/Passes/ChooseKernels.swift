// Chooses the kernel of every node, and the layout and precision of every weight, for one instruction set. What is
// written on a node is what runs: the runtime takes set and precision from there, attention's too, and refuses a graph
// that lacks one. It looks at the CPU only for what stands beside the set: int8 by VNNI has the same bits; bf16 by
// AVX512-BF16 is rounded as that instruction does. A graph that trains keeps its weights as they are, plain and f32:
// they change with every step, and its products pack and round them on the fly.

import PyramidIR

/// Picks kernels and weight layouts for the context's target.
struct ChooseKernels: Pass {
  static let name = "choose-kernels"
  static let isOptional = false

  func run(on graph: inout Graph, _ context: PassContext) {
    let target = context.target
    graph.target = target
    if graph.purpose == .train { return chooseForTraining(&graph, context) }
    let heads = HeadLayers(graph)
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      let facts = node.op.facts
      for place in facts.packable {
        if let width = target.panelWidth { graph[node.weights[place]].layout = .panels(width) }
      }
      var precision = facts.packable.isEmpty ? context.precision : heads.precision(of: node, in: context.precision)
      let reducible = facts.reducible.map { node.weights[$0] }
      let isTooDeep = reducible.contains { graph[$0].type.columns > Precision.deepestInt8 }
      if precision == .int8 && isTooDeep { precision = .bf16 }
      guard let kernel = Self.kernel(of: node.op, target, precision) else { continue }
      graph.nodes[index].kernel = kernel
      for weight in reducible { graph[weight].precision = kernel.precision }
    }
  }

  private func chooseForTraining(_ graph: inout Graph, _ context: PassContext) {
    let rounded: Precision = context.precision == .f32 ? .f32 : .bf16
    for index in graph.nodes.indices {
      let op = graph.nodes[index].op
      let isProduct = op.facts.roundsFactors || !op.facts.packable.isEmpty
      graph.nodes[index].kernel = Self.kernel(of: op, context.target, isProduct ? rounded : .f32)
    }
  }

  /// The kernel that comes nearest to a precision without being shorter; nil for moves and decisions.
  private static func kernel(of op: Op, _ target: InstructionSet, _ precision: Precision) -> Kernel? {
    let longestFirst = Precision.allCases
    let allowed = longestFirst[...longestFirst.firstIndex(of: precision)!]
    return op.kernelPrecisions(target).last(where: allowed.contains).map { Kernel(target, $0) }
  }
}

/// The layers between the [CLS] row of a layer and an answer. They are small, and nothing after them averages their
/// rounding away: measured on an AG news checkpoint, int8 in the hidden layer of exit heads alone costs 2 points.
private struct HeadLayers {
  /// Logits of all heads, and what the layers that make them read, back to the layer that makes that. What a linear head
  /// reads is a row of the model, no layer of the head.
  private let logits: Set<ValueID>
  private let pooled: Set<ValueID>

  init(_ graph: Graph) {
    var logits = Set(graph.nodes.compactMap { $0.answered?.logits })
    // Those of several tasks are put side by side.
    for node in graph.nodes.reversed() where node.op == .concat && logits.contains(node.results[0]) {
      logits.formUnion(node.inputs)
    }
    let last = graph.nodes.filter { $0.op != .concat && $0.results.contains(where: logits.contains) }
    var pooled = Set(last.map { $0.inputs[0] })
    for node in graph.nodes where node.results.contains(where: pooled.contains) {
      if case .linearAddNorm = node.op { pooled.subtract(node.results) }
    }
    for node in graph.nodes.reversed() {
      guard let result = node.results.first, pooled.contains(result) else { continue }
      switch node.op {
      case .activate, .layerNorm: pooled.insert(node.inputs[0])
      default: break
      }
    }
    (self.logits, self.pooled) = (logits, pooled)
  }

  /// The precision of a linear layer in a graph of `precision`: the layer of the logits stays in f32, the one before it
  /// is not rounded further than to bf16.
  func precision(of node: Node, in precision: Precision) -> Precision {
    if logits.contains(node.results[0]) { return .f32 }
    return precision == .int8 && pooled.contains(node.results[0]) ? .bf16 : precision
  }
}
