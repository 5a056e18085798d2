// Names the kernel of every node and the layout and precision of every weight for one instruction set. The runtime
// follows the names; it never looks at the CPU to pick another one, so a compiled graph runs the same code wherever it
// runs.

import PyramidIR

/// Picks kernels and weight layouts for the context's target.
struct ChooseKernels: Pass {
  static let name = "choose-kernels"
  static let isOptional = false

  func run(on graph: inout Graph, _ context: PassContext) {
    graph.target = context.target.rawValue
    let heads = HeadLayers(graph)
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      switch node.op {
      case .linear, .linearAddNorm:
        if let width = context.target.panelWidth { graph[node.weights[0]].layout = .panels(width) }
        let precision = heads.precision(of: node, in: context.precision)
        graph.nodes[index].kernel = reduce(node, to: precision, context.target, &graph)
      case .firstAttention:
        graph.nodes[index].kernel = reduce(node, to: context.precision, context.target, &graph)
      case .embed, .activate, .add, .layerNorm, .attention, .attentionQKV, .softmax, .rowNorm:
        graph.nodes[index].kernel = "\(node.op.mnemonic).\(context.target)"
      case .firstRows, .compact, .decideExit, .decidePrune, .keepSamples, .compactSegments, .input, .classify:
        // Moves and decisions: one version serves every target.
        continue
      }
    }
  }

  /// Stores the node's matrices in a precision; the name of the kernel that reads them.
  private func reduce(_ node: Node, to precision: Precision, _ target: InstructionSet, _ graph: inout Graph) -> String {
    let reducible = node.op.facts.reducible.map { node.weights[$0] }
    let isTooDeep = reducible.contains { graph[$0].type.columns > Precision.deepestInt8 }
    let precision = precision == .int8 && isTooDeep ? .bf16 : precision
    for weight in reducible { graph[weight].precision = precision }
    return "\(node.op.mnemonic).\(target)" + (precision == .f32 ? "" : ".\(precision)")
  }
}

/// The layers between the [CLS] row of a layer and an answer. They are small, and nothing after them averages their
/// rounding away: measured on an AG news checkpoint, int8 in the hidden layer of exit heads alone costs 2 points.
private struct HeadLayers {
  /// Logits of all heads, and what the layers that make them read, back to the layer that makes that.
  private let logits: Set<ValueID>
  private let pooled: Set<ValueID>

  init(_ graph: Graph) {
    let logits = Set(graph.nodes.compactMap { $0.answered?.logits })
    var pooled = Set(graph.nodes.filter { $0.results.contains(where: logits.contains) }.map { $0.inputs[0] })
    for node in graph.nodes.reversed() {
      if case .activate = node.op, pooled.contains(node.results[0]) { pooled.insert(node.inputs[0]) }
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
