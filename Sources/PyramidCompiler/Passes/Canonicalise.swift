// Brings a graph to one form: nothing dead, nothing computed twice, no operation that does nothing. Other passes and
// the filetests may then expect that form. A node that defines a dim is a definition, never a value, and is left alone.

import PyramidIR

/// Removes identities, repeated computations and dead nodes.
struct Canonicalise: Pass {
  static let name = "canonicalise"

  func run(on graph: inout Graph, _ context: PassContext) {
    removeIdentities(&graph)
    mergeRepeated(&graph)
    graph.removeDeadNodes()
  }

  private func removeIdentities(_ graph: inout Graph) {
    let identities = graph.nodes.filter { $0.op == .activate(.none) }
    for node in identities { graph.replaceUses(of: node.results[0], by: node.inputs[0]) }
    graph.remove(Set(identities.map(\.id)))
  }

  private struct Computation: Hashable {
    let op: Op
    let inputs: [ValueID]
    let weights: [WeightID]
  }

  private func mergeRepeated(_ graph: inout Graph) {
    var seen: [Computation: [ValueID]] = [:]
    var removed: Set<NodeID> = []
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      if node.op.definesDim || node.op.facts.hasEffect { continue }
      let computation = Computation(op: node.op, inputs: node.inputs, weights: node.weights)
      if let earlier = seen[computation] {
        for (old, new) in zip(node.results, earlier) { graph.replaceUses(of: old, by: new) }
        removed.insert(node.id)
      } else {
        seen[computation] = node.results
      }
    }
    graph.remove(removed)
  }
}

extension Graph {
  /// Removes nodes whose results nothing reads and that have no effect, last first. A definition of a dim that a
  /// declaration or a type still names stays. Weights that nothing reads then go, too.
  package mutating func removeDeadNodes() {
    var read: Set<ValueID> = []
    var dead: Set<NodeID> = []
    for node in nodes.reversed() {
      if !node.op.facts.hasEffect && !node.op.definesDim && read.isDisjoint(with: node.results) {
        dead.insert(node.id)
      } else {
        read.formUnion(node.inputs)
      }
    }
    remove(dead)
    dropUnusedWeights()
  }
}
