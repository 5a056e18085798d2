// Gives every value a buffer slot, reusing the slots of values that nothing reads any more. A slot has a size for each
// row of an admitted dim, so the plan holds for any batch within the bounds, and later dims, being bounded by earlier
// ones, always fit.

import PyramidIR

/// Assigns slots by one walk in program order, first fit among free slots of the family.
struct PlanMemory: Pass {
  static let name = "plan-memory"
  static let isOptional = false

  func run(on graph: inout Graph, _ context: PassContext) {
    var lastRead: [ValueID: Int] = [:]
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs { lastRead[input] = index }
    }
    graph.slots = []
    var free: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      if case .input = node.op { continue }
      var dying = Set(node.inputs).filter { lastRead[$0] == index && graph[$0].slot != nil }
      for result in node.results {
        let slot: Int
        if let operand = overwritable(node, dying, graph) {
          slot = graph[operand].slot!
          dying.remove(operand)
        } else {
          slot = takeSlot(for: graph[result].type, &free, &graph)
        }
        graph[result].slot = slot
      }
      free.formUnion(dying.map { graph[$0].slot! })
      // Losses are read when the run is over.
      if node.op.facts.training == .loss { continue }
      for result in node.results where lastRead[result] == nil { free.insert(graph[result].slot!) }
    }
  }

  /// The dying operand that the operation may overwrite.
  private func overwritable(_ node: Node, _ dying: Set<ValueID>, _ graph: Graph) -> ValueID? {
    let facts = node.op.facts
    return node.inputs.first {
      dying.contains($0) && node.overwrites($0, facts) && graph[$0].type == graph[node.results[0]].type
    }
  }

  /// The free slot that fits with the least waste; failing that, the largest one grown; failing that, a new one.
  private func takeSlot(for type: TensorType, _ free: inout Set<Int>, _ graph: inout Graph) -> Int {
    let family = type.rows.dim!.family
    let bytes = 4 * type.columns
    let usable = free.filter { graph.slots[$0].family == family }.sorted()
    let fitting = usable.filter { graph.slots[$0].bytesPerRow >= bytes }
    let slots = graph.slots
    if let best = fitting.min(by: { slots[$0].bytesPerRow < slots[$1].bytesPerRow }) {
      free.remove(best)
      return best
    }
    if let largest = usable.max(by: { slots[$0].bytesPerRow < slots[$1].bytesPerRow }) {
      free.remove(largest)
      graph.slots[largest].bytesPerRow = bytes
      return largest
    }
    graph.slots.append(Slot(family: family, bytesPerRow: bytes))
    return graph.slots.count - 1
  }
}
