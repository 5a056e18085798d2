// Drops exit heads and prunings that cost more than they save. A profile says how often each head fires and how many
// tokens each layer keeps, a cost model (CostModel.swift) what that is worth. A sample whose head was dropped leaves at
// a later one, and a token whose pruning was dropped lives longer: both are on the accurate side. Without a profile all
// decisions stay.
//
// Heads stay where the exit policy remembers earlier heads or reads their probabilities: what it answers at one head
// would change meaning with the heads before it.

import PyramidFormats
import PyramidIR
import PyramidPolicy

/// Chooses the boundaries at which policies decide, and leaves the choice in `Graph.placement`.
struct PlacePolicies: Pass {
  static let name = "place-policies"

  /// The passes that will weave the policies in: what they make of the graph says what a decision costs.
  let demand: [any Pass]

  func run(on graph: inout Graph, _ context: PassContext) throws {
    guard let profile = context.profile, !context.policies.isEmpty else { return }
    try profile.check(against: graph, context)
    let costs = try LayerCosts(graph, context, demand)
    let placement = Self.cheapest(context, in: graph) {
      costs.total($0, profile.flows($0), CostModel.batchOfOne)
    }
    if placement != context.everywhere(graph) { graph.placement = placement }
  }

  /// Starts from all decisions and takes out the one whose loss saves most, again and again, until none saves anything.
  static func cheapest(_ context: PassContext, in graph: Graph, cost: (PolicyPlacement) -> Double) -> PolicyPlacement {
    var best = context.everywhere(graph)
    var lowest = cost(best)
    while true {
      let exits = context.mayDropHeads ? best.exits.sorted() : []
      var smaller = exits.map { PolicyPlacement(exits: best.exits.subtracting([$0]), prunes: best.prunes) }
      smaller += best.prunes.sorted().map { PolicyPlacement(exits: best.exits, prunes: best.prunes.subtracting([$0])) }
      let found = smaller.map { ($0, cost($0)) }.min { $0.1 < $1.1 }
      guard let found, found.1 < lowest else { return best }
      (best, lowest) = found
    }
  }
}

extension PassContext {
  /// Every boundary at which a policy is active, exits only where there are heads.
  func everywhere(_ graph: Graph) -> PolicyPlacement {
    let boundaries = graph.shape.boundaries
    return PolicyPlacement(
      exits: Set(boundaries.filter { policies.exit?.isActive(at: $0) == true && hasHead($0) }),
      prunes: Set(boundaries.filter { policies.prune?.isActive(at: $0) == true }))
  }

  /// Whether a policy may decide at the entry.
  func decidesAtEntry(of graph: Graph) -> Bool {
    let everywhere = everywhere(graph)
    return everywhere.exits.contains(.entry) || everywhere.prunes.contains(.entry)
  }

  /// Whether a head that decides under a placement adds what the entry's head says.
  func readsEntry(_ placement: PolicyPlacement) -> Bool {
    placement.exits.contains { boundary in
      guard case .after(let layer) = boundary else { return false }
      return entryReaders.contains(layer) || tasks.contains { $0.entryReaders.contains(layer) }
    }
  }

  /// Whether the checkpoint has an exit head there.
  func hasHead(_ boundary: Boundary) -> Bool {
    switch boundary {
    case .entry: entryHead != nil
    case .after(let layer): exitHeads.contains(layer)
    }
  }

  /// The graph's placement as far as policies are active there, or every boundary.
  func placement(in graph: Graph) -> PolicyPlacement {
    let everywhere = everywhere(graph)
    guard let placement = graph.placement else { return everywhere }
    return PolicyPlacement(
      exits: placement.exits.intersection(everywhere.exits), prunes: placement.prunes.intersection(everywhere.prunes))
  }

  /// Whether the exit policy answers at each head by that head alone.
  var mayDropHeads: Bool {
    policies.exit.map { !$0.hasMemory && !$0.exitSignals.contains(.earlierProbabilities) } ?? false
  }
}

extension PolicyProfile {
  /// Throws when the profile is not of this model with these policies, or lacks a decision that could be placed.
  func check(against graph: Graph, _ context: PassContext) throws {
    func failure(_ place: String, _ problem: String) -> FormatError {
      FormatError(file: file, place: place, problem: problem + "; profile this model with mp-run --write-profile")
    }
    guard layers.count == graph.shape.layers else {
      throw failure("layers", "has \(layers.count), the model \(graph.shape.layers)")
    }
    if let digest = graph.checkpoint, digest != checkpoint {
      throw failure("checkpoint", "the profile is of another checkpoint")
    }
    let wanted = context.everywhere(graph)
    for (kind, found, asked) in [
      ("exit", exit, wanted.exits.isEmpty ? nil : context.policies.exit),
      ("prune", prune, wanted.prunes.isEmpty ? nil : context.policies.prune),
    ] where found != asked?.spec.description {
      let words = "the profile is of '\(found ?? "none")', the model is compiled with "
      throw failure(kind, words + "'\(asked?.spec.description ?? "none")'")
    }
    for boundary in graph.shape.boundaries {
      let counts = self[boundary]
      let lacks = wanted.exits.contains(boundary) && counts?.decidesExit != true ? "exit" : "prune"
      guard lacks == "exit" || wanted.prunes.contains(boundary) && counts?.decidesPrune != true else { continue }
      let place = boundary == .entry ? "entry" : "layers.\(boundary.number - 1)"
      throw failure(
        "\(place).decides_\(lacks)",
        "the profiled model does not decide \(boundary), so nothing is known about it; compile without "
          + "--profile first, with all decisions in place")
    }
  }

  /// The counts of a boundary and of the layer before it; nil for an entry at which nothing was decided.
  private subscript(boundary: Boundary) -> Layer? {
    switch boundary {
    case .entry: entry
    case .after(let layer): layers[layer]
    }
  }

  /// What enters each layer, and the entry if the profile has one, under a placement. Samples whose head is dropped leave
  /// at the next one that is kept; a pruning that is kept keeps the share of tokens that it kept in the profile, whatever
  /// was pruned before.
  func flows(_ placement: PolicyPlacement) -> PolicyFlows {
    var late = (samples: 0.0, tokens: 0.0)
    var growth = 1.0
    let counts = (entry.map { [(Boundary.entry, $0)] } ?? []) + layers.enumerated().map { (.after($0), $1) }
    let flows = counts.map { boundary, layer in
      var flow = LayerFlow()
      flow.samplesEntering = Double(layer.samplesEntered) + late.samples
      flow.tokensEntering = Double(layer.tokensEntered) * growth + late.tokens
      let staying = Double(layer.tokensEntered - layer.tokensLeft)
      if placement.exits.contains(boundary) {
        late = (0, 0)
      } else if boundary.number < layers.count {
        late.samples += Double(layer.samplesLeft)
        late.tokens += Double(layer.tokensLeft) * growth
      }
      flow.samplesStaying = Double(layer.samplesEntered - layer.samplesLeft) + late.samples
      flow.tokensStaying = staying * growth + late.tokens
      let share = staying > 0 ? Double(layer.tokensKept) / staying : 1
      if placement.prunes.contains(boundary) { late.tokens *= share } else if share > 0 { growth /= share }
      flow.tokensKept = Double(layer.tokensKept) * growth + late.tokens
      return flow
    }
    return PolicyFlows(entry: entry == nil ? nil : flows[0], layers: Array(flows.suffix(layers.count)))
  }
}

extension PolicyInstance {
  /// Whether the policy is asked at a boundary.
  func isActive(at boundary: Boundary) -> Bool { isActive(afterLayer: boundary.number) }
}
