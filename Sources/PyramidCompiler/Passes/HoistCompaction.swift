// A token that dies after a layer is not read after the layer's attention. So the pruning decision and the compaction
// move up to right after attention: output projection and feed-forward run on survivors only. It applies where the
// decision reads nothing made after attention and no exit is decided between; `peek` sees to the latter.

import PyramidIR

/// Moves pruning from the end of each layer to right after its attention.
struct HoistCompaction: Pass {
  static let name = "hoist-compaction"

  func run(on graph: inout Graph, _ context: PassContext) throws {
    for id in graph.nodes.map(\.id) {
      // Looked up anew: hoisting in an earlier layer changes what later nodes read.
      guard let index = graph.index(of: id) else { continue }
      let node = graph.nodes[index]
      if let decision = PruneDecision(node), decision.stay == nil { try hoist(node, in: &graph) }
    }
    graph.removeDeadNodes()
  }

  private func hoist(_ decision: Node, in graph: inout Graph) throws {
    let keep = decision.results[0]
    let readers = graph.readers
    let nodes = graph.nodes.filter { $0.section == decision.section }
    for move in nodes where move.op == .compact && move.inputs[1] == keep {
      let hidden = move.inputs[0]
      guard let path = FirstRowPath(graph, to: hidden), path.section == decision.section, readers[hidden]?.count == 1,
        let attention = graph.nodes.firstIndex(where: { $0.results.first == path.context })
      else { continue }
      let signals = Self.signals(of: decision, after: graph.nodes[attention], nodes)
      let tail = Set(path.tail.map(\.id))
      let tailResults = Set(path.tail.flatMap(\.results))
      // A value made between may be read by the tail alone, and no signal may come from there.
      guard !signals.contains(where: { tail.contains($0.id) }), tailResults.isDisjoint(with: decision.inputs),
        tailResults.allSatisfy({ value in
          (readers[value] ?? []).allSatisfy { tail.contains(graph.nodes[$0].id) || graph.nodes[$0].id == move.id }
        })
      else { continue }
      let (compactions, alive) = try graph.makeNodes(in: decision.section) { builder in
        var alive: [ValueID: ValueID] = [:]
        for value in [path.context, path.input] {
          alive[value] = try builder.add(.compact, [value, keep], name: "\(builder.graph[value].name).kept")
        }
        return alive
      }
      let moved = path.tail.map { node in
        var node = node
        node.inputs = node.inputs.map { alive[$0] ?? $0 }
        return node
      }
      let gone = Set([decision.id, move.id] + signals.map(\.id)).union(tail)
      let before = graph.nodes[...attention].filter { !gone.contains($0.id) }
      let after = graph.nodes[(attention + 1)...].filter { !gone.contains($0.id) }
      graph.nodes = before + signals + [decision] + compactions + moved + after
      graph.replaceUses(of: move.results[0], by: hidden)
      try graph.inferTypes()
    }
  }

  /// The nodes after the layer's attention that make what the decision reads.
  private static func signals(of decision: Node, after attention: Node, _ nodes: [Node]) -> [Node] {
    var read = Set(decision.inputs)
    var signals: [Node] = []
    for node in nodes.reversed().prefix(while: { $0.id != attention.id }) where node.id != decision.id {
      if read.isDisjoint(with: node.results) { continue }
      signals.insert(node, at: 0)
      read.formUnion(node.inputs)
    }
    return signals
  }
}
