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
    let logits = graph.logits
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      switch node.op {
      case .linear, .linearAddNorm:
        if let width = context.target.panelWidth { graph[node.weights[0]].layout = .panels(width) }
        let isLogits = logits.contains(node.results[0])
        graph.nodes[index].kernel = reduce(node, to: isLogits ? .f32 : context.precision, context.target, &graph)
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
    for place in node.op.reducibleWeights { graph[node.weights[place]].precision = precision }
    return "\(node.op.mnemonic).\(target)" + (precision == .f32 ? "" : ".\(precision)")
  }
}

extension Graph {
  /// What decisions and answers are read from. The layer that makes it stays in f32: it is small, and nothing behind it
  /// averages its rounding away.
  fileprivate var logits: Set<ValueID> {
    Set(
      nodes.compactMap { node in
        switch node.op {
        case .decideExit, .classify: node.inputs[1]
        default: nil
        }
      })
  }
}
