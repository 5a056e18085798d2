// Weaves the policies in. After each layer but the last: exit head, `decide_exit`, `decide_prune`, then compaction to
// new dims, as far as a policy is active there and `place-policies` left it. Later sections then run on the survivors'
// rows only. Without policies the graph is untouched. One boundary is built in Scheduling/Boundary.swift.

import PyramidIR
import PyramidPolicy

/// Schedules exit and pruning decisions at layer boundaries.
struct SchedulePolicies: Pass {
  static let name = "schedule-policies"
  static let isOptional = false

  func run(on graph: inout Graph, _ context: PassContext) throws {
    let placement = context.placement(in: graph)
    graph.placement = nil
    if context.policies.isEmpty { return }
    try checkExitHeads(graph, context)
    try context.policies.prune?.checkMoment()
    graph.policies = context.policies.map { _, instance in instance.spec }
    var state = try BoundaryState(graph)
    for layer in 0..<max(graph.shape.layers - 1, 0) {
      let exit = placement.exits.contains(layer) ? context.policies.exit : nil
      let prune = placement.prunes.contains(layer) ? context.policies.prune : nil
      if exit == nil && prune == nil { continue }
      var boundary =
        try prune?.moment == .beforeLayer
        ? Boundary(graph, pruningBefore: layer, state: state) : Boundary(graph, layer: layer, state: state)
      if let exit { try boundary.decideExit(exit, heads: context.headInput) }
      if let prune { try boundary.decidePrune(prune) }
      try boundary.compact()
      (graph, state) = try boundary.finish()
    }
    graph.removeDeadNodes()
    let asked = Set(graph.nodes.compactMap(\.op.policy))
    for (kind, policy) in graph.policies.all where !asked.contains(policy.name) { graph.policies[kind] = nil }
  }

  private func checkExitHeads(_ graph: Graph, _ context: PassContext) throws {
    guard let exit = context.policies.exit else { return }
    let wanted = (0..<max(graph.shape.layers - 1, 0)).filter { exit.isActive(afterLayer: $0 + 1) }
    if wanted.isEmpty || wanted.contains(where: context.exitHeads.contains) { return }
    let place = context.exitHeads.isEmpty ? "" : " after layer \(wanted.map { "\($0 + 1)" }.joined(separator: ", "))"
    throw CompileError(
      "exit policy '\(exit.spec)' needs exit heads\(place), and the checkpoint has none there; fit them with: "
        + "mp-train \(context.checkpointArgument) --data TRAIN.tsv --output DIR --stages 4")
  }
}
