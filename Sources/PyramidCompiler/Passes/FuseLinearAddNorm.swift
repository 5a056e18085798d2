// Joins a projection, the residual sum and the layer norm after it: three passes over [T, H] become one that still has
// the rows in the cache.

import PyramidIR

/// Replaces `linear`, `add`, `layer_norm`, one after the other and each read once, by `linear_add_norm`.
struct FuseLinearAddNorm: Pass {
  static let name = "fuse-linear-add-norm"

  func run(on graph: inout Graph, _ context: PassContext) {
    let producers = graph.producers
    let readers = graph.readers
    var removed: Set<NodeID> = []
    func soleProducer(of value: ValueID) -> Node? {
      guard readers[value]?.count == 1, let index = producers[value] else { return nil }
      return graph.nodes[index]
    }
    for index in graph.nodes.indices {
      let norm = graph.nodes[index]
      guard case .layerNorm(let epsilon) = norm.op, let sum = soleProducer(of: norm.inputs[0]), sum.op == .add,
        sum.inputs[0] != sum.inputs[1]
      else { continue }
      for (operand, other) in [(0, 1), (1, 0)] {
        guard let linear = soleProducer(of: sum.inputs[operand]), linear.op == .linear(.none) else { continue }
        graph.nodes[index] = graph.makeNode(
          .linearAddNorm(epsilon: epsilon), [linear.inputs[0], sum.inputs[other]], linear.weights + norm.weights,
          results: norm.results, in: norm.section)
        removed.formUnion([linear.id, sum.id])
        break
      }
    }
    graph.remove(removed)
  }
}
