// Joins `linear` and the elementwise function that alone reads it. The [T, 4H] tensor between them is the widest of the
// model; fused, it is written once and never read back.

import PyramidIR

/// Moves an `activate` into the `linear` before it: gelu of the feed-forward layer, tanh, relu or gelu of the heads.
struct FuseLinearActivation: Pass {
  static let name = "fuse-linear-activation"

  func run(on graph: inout Graph, _ context: PassContext) {
    let producers = graph.producers
    let readers = graph.readers
    var removed: Set<NodeID> = []
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard case .activate(let activation) = node.op, let producer = producers[node.inputs[0]],
        case .linear(.none) = graph.nodes[producer].op, readers[node.inputs[0]]?.count == 1
      else { continue }
      let linear = graph.nodes[producer]
      graph.nodes[index] = graph.makeNode(
        .linear(activation), linear.inputs, linear.weights, results: node.results, in: node.section)
      removed.insert(linear.id)
    }
    graph.remove(removed)
  }
}
