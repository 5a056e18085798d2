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
    let parts = ModelParts(graph)
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      let facts = node.op.facts
      for place in facts.packable {
        if let width = target.panelWidth { graph[node.weights[place]].layout = .panels(width) }
      }
      var precision = Self.precision(of: node, parts, context)
      let reducible = facts.reducible.map { node.weights[$0] }
      let isTooDeep = reducible.contains { graph[$0].type.columns > Precision.deepestInt8 }
      if precision == .int8 && isTooDeep { precision = .bf16 }
      guard let kernel = Self.kernel(of: node.op, target, precision) else { continue }
      graph.nodes[index].kernel = kernel
      for weight in reducible { graph[weight].precision = kernel.precision }
    }
  }

  /// The precision that a node's part is to have. Layers between the [CLS] row of a layer and an answer are small, and
  /// nothing after them averages their rounding away (measured on an AG news checkpoint, int8 in the hidden layer of exit
  /// heads alone costs 2 points): logits stay in f32, the layer before them is not rounded further than to bf16.
  private static func precision(of node: Node, _ parts: ModelParts, _ context: PassContext) -> Precision {
    guard let part = parts.part(of: node) else { return .f32 }
    let wanted = context.partPrecisions[part] ?? context.precision
    return part == .heads && parts.isBeforeLogits(node) ? min(wanted, .bf16) : wanted
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
    return op.kernelPrecisions(target, op.facts).last(where: allowed.contains).map { Kernel(target, $0) }
  }
}
