// Names the kernel of every node and the layout of every weight for one instruction set. The runtime follows the names;
// it never looks at the CPU to pick another one, so a compiled graph runs the same code wherever it runs.

import PyramidIR

/// Picks kernels and weight layouts for the context's target.
struct ChooseKernels: Pass {
  static let name = "choose-kernels"
  static let isOptional = false

  func run(on graph: inout Graph, _ context: PassContext) {
    graph.target = context.target.rawValue
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      switch node.op {
      case .linear, .linearAddNorm:
        if let width = context.target.panelWidth { graph[node.weights[0]].layout = .panels(width) }
        graph.nodes[index].kernel = "\(node.op.mnemonic).\(context.target)"
      case .embed, .activate, .add, .layerNorm, .attention, .attentionQKV, .firstAttention, .softmax, .rowNorm:
        graph.nodes[index].kernel = "\(node.op.mnemonic).\(context.target)"
      case .firstRows, .compact, .decideExit, .decidePrune, .keepSamples, .compactSegments, .input, .classify:
        // Moves and decisions: one version serves every target.
        continue
      }
    }
  }
}
