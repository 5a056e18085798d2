// Weaves the policies in. At the entry and after each layer but the last: exit head, `decide_exit`, `decide_prune`, then
// compaction to new dims, as far as a policy is active there and `place-policies` left it. Later sections then run on the survivors'
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
    if let exit = context.policies.exit, exit.exitSignals.contains(.groupLogits), !graph.shape.tasks.isEmpty {
      throw CompileError("'\(exit.spec)' ranks the pairs of a group, which a model of several tasks does not do")
    }
    try checkExitHeads(graph, context)
    try context.policies.prune?.checkMoment()
    if let prune = context.policies.prune, prune.remainder == .fused,
      graph.nodes.contains(where: \.op.facts.readsPositions)
    {
      throw CompileError(
        "'\(prune.spec)' makes one row of many tokens, which has no position in the text; this model's attention needs one"
      )
    }
    graph.policies = context.policies.map { _, instance in instance.spec }
    var state = try BoundaryState(graph)
    // A sum over layers goes on where nothing is pruned, up to the last boundary that reads it.
    let readsSum = context.policies.prune?.tokenSignals.contains(.receivedAttentionSum) ?? false
    let lastSum = readsSum ? placement.prunes.max() : nil
    for boundary in graph.shape.boundaries {
      let exit = placement.exits.contains(boundary) ? context.policies.exit : nil
      let prune = placement.prunes.contains(boundary) ? context.policies.prune : nil
      let addsUp = boundary != .entry && lastSum.map { boundary <= $0 } ?? false
      let isRead = boundary == .entry && context.readsEntry(placement)
      if exit == nil && prune == nil && !addsUp && !isRead { continue }
      let pools = prune.map { $0.remainder != .dropped } ?? false
      if let exit, pools, case .after(let layer) = boundary {
        // Rows go into others within the layer, so the exit is decided before it.
        var early = try BoundaryBuilder(graph, before: layer, state: state, emits: [])
        try early.decideExit(exit, context)
        try early.compact()
        (graph, state) = try early.finish()
      }
      var built = try Self.start(boundary, of: graph, state, prune)
      if addsUp { try built.addReceived() }
      if isRead { try built.addEntryLogits(context) }
      if let exit, !pools { try built.decideExit(exit, context) }
      if let prune { try built.decidePrune(prune) }
      if exit != nil || prune != nil { try built.compact() }
      (graph, state) = try built.finish()
    }
    graph.removeDeadNodes()
    let asked = Set(graph.nodes.compactMap(\.op.policy))
    for (kind, policy) in graph.policies.all where !asked.contains(policy.name) { graph.policies[kind] = nil }
  }

  /// The boundary's builder; `prune` says where its decisions stand.
  private static func start(
    _ boundary: Boundary, of graph: Graph, _ state: BoundaryState, _ prune: PolicyInstance?
  ) throws -> BoundaryBuilder {
    guard case .after(let layer) = boundary else { return BoundaryBuilder(atEntryOf: graph, state: state) }
    if prune?.moment == .beforeLayer {
      return try BoundaryBuilder(graph, before: layer, state: state, emits: [.fromFirst])
    }
    let pools = prune.map { $0.remainder != .dropped } ?? false
    return try BoundaryBuilder(graph, layer: layer, state: state, pools: pools)
  }

  private func checkExitHeads(_ graph: Graph, _ context: PassContext) throws {
    guard let exit = context.policies.exit else { return }
    let wanted = graph.shape.boundaries.filter { exit.isActive(at: $0) }
    if wanted.isEmpty || wanted.contains(where: context.hasHead) { return }
    let atEntry = wanted == [.entry]
    let layers = wanted.filter { $0 != .entry }.map { "\($0.number)" }.joined(separator: ", ")
    let hasOthers = context.entryHead != nil || !context.exitHeads.isEmpty
    if exit.neverExits { return }
    let place = atEntry ? " at the entry" : hasOthers ? " after layer \(layers)" : ""
    let problem = "exit policy '\(exit.spec)' needs exit heads\(place), and the checkpoint has none there; "
    guard graph.shape.tasks.isEmpty else {
      throw CompileError(
        problem + "every task needs one there: tasks.<name>.exits.<layer>.*, or exits of its checkpoint")
    }
    guard graph.shape.task == .classification else {
      throw CompileError(
        problem + "mp-train fits them for one label of several only: write exits.<layer>.classifier.weight and .bias "
          + "into the checkpoint")
    }
    // Heads that also read the mean and add what the entry says are the best that leave the model as it is (Train).
    let stages = atEntry ? "entry" : "4 --bag pairs --head-input first+mean --add-entry"
    throw CompileError(
      problem
        + "fit them with: mp-train \(context.checkpointArgument) --data TRAIN.tsv --output DIR --stages \(stages)")
  }
}
