// What each layer costs with and without an exit decision and a pruning decision after it. The later passes move both
// into the layer (`peek`, `hoist-compaction`), and what a layer costs then does not depend on its neighbours; so the
// graph is compiled for each of the four cases, all layers alike, and the layers' costs are read off.

import PyramidIR

/// Cost terms of one layer, over what its dims count.
struct LayerCost {
  private typealias Count = KeyPath<LayerFlow, Double>

  /// Operations for each row, or for each pair of rows of a sample, and what counts the rows and their samples.
  private var operations: [(term: CostTerm, rows: Count, samples: Count)] = []
  /// Weights that are read where the samples are those that enter, and where they are those that stay.
  private var weightsEntering = 0, weightsStaying = 0

  /// The costs of a section of a compiled graph.
  init(_ graph: Graph, _ section: Section) {
    var definitions: [Dim: Node] = [:]
    for node in graph.nodes where node.op.definesDim {
      if let dim = graph[node.results[0]].type.rows.dim { definitions[dim] = node }
    }
    func population(_ dim: Dim) -> (rows: Count, samples: Count) {
      guard let definition = definitions[dim], definition.section == section else {
        return (dim.family == .samples ? \.samplesEntering : \.tokensEntering, \.samplesEntering)
      }
      if dim.family == .samples { return (\.samplesStaying, \.samplesStaying) }
      return (definition.op == .keepSamples ? \.tokensStaying : \.tokensKept, \.samplesStaying)
    }
    // What a peek reads for the samples that enter is read again for those that stay.
    var counted: [Bool: Set<WeightID>] = [:]
    for node in graph.nodes where node.section == section {
      for term in graph.executedOperations(of: node) {
        let (rows, samples) = population(term.dim)
        operations.append((term, rows, samples))
      }
      guard !node.op.facts.readsRows, let dim = node.results.first.flatMap({ graph[$0].type.rows.dim }) else {
        continue
      }
      let isOfAll = population(dim).samples == \.samplesEntering
      let weights = node.weights.filter { counted[isOfAll, default: []].insert($0).inserted }.reduce(0) {
        $0 + graph[$1].rowCount * graph[$1].type.columns
      }
      if isOfAll { weightsEntering += weights } else { weightsStaying += weights }
    }
  }

  /// What the layer costs over all samples of a flow, in operations.
  func total(_ flow: LayerFlow, _ model: CostModel) -> Double {
    let executed = operations.reduce(0.0) { sum, cost in
      let rows = flow[keyPath: cost.rows]
      // Squares of rows are summed as if all samples were of one length.
      let count = cost.term.power == 2 ? rows * rows / max(flow[keyPath: cost.samples], 1e-9) : rows
      return sum + Double(cost.term.coefficient) * count
    }
    let read = Double(weightsEntering) * flow.samplesEntering + Double(weightsStaying) * flow.samplesStaying
    return executed + read * model.operationsPerWeight
  }
}

/// Costs of all sections in the cases.
struct LayerCosts {
  /// What stands after a layer.
  struct Case: Hashable {
    var hasExit, hasPrune: Bool
    /// Whether the exit is decided before the layer.
    var peeks = true
  }

  private var entry: [Case: LayerCost] = [:]
  private var layers: [Case: [LayerCost]] = [:]
  private let isPeekChosen: Bool
  private let embeddings: LayerCost
  private let output: LayerCost

  /// Compiles the cases of a plain, fused graph by the passes of `demand`. With a profile `peek` chooses, so that both of its
  /// choices are cases; without one it has none.
  init(_ graph: Graph, _ context: PassContext, _ demand: [any Pass]) throws {
    let everywhere = context.everywhere(graph)
    var plain = graph
    var unprofiled = context
    unprofiled.profile = nil
    isPeekChosen = context.profile != nil
    for (hasExit, hasPrune) in [(false, false), (false, true), (true, false), (true, true)] {
      for peeks in hasExit ? [true, false] : [true] {
        var compiled = graph
        compiled.placement = PolicyPlacement(
          exits: hasExit ? everywhere.exits : [], prunes: hasPrune ? everywhere.prunes : [])
        for pass in demand where peeks || !(pass is Peek) { try pass.run(on: &compiled, unprofiled) }
        let costs = (0..<graph.shape.layers).map { LayerCost(compiled, .layer($0)) }
        layers[Case(hasExit: hasExit, hasPrune: hasPrune, peeks: peeks)] = costs
        entry[Case(hasExit: hasExit, hasPrune: hasPrune)] = LayerCost(compiled, .entry)
        if !hasExit && !hasPrune { plain = compiled }
      }
    }
    embeddings = LayerCost(plain, .embeddings)
    output = LayerCost(plain, .output)
  }

  /// What all sections cost together under a placement, in operations over all samples of a profile.
  func total(_ placement: PolicyPlacement, _ flows: PolicyFlows, _ model: CostModel) -> Double {
    var sum = flows.entry.map { entry[Self.decisions(.entry, placement)]!.total($0, model) } ?? 0
    sum += flows.layers.first.map { embeddings.total($0, model) } ?? 0
    for (layer, flow) in flows.layers.enumerated() { sum += total(ofLayer: layer, placement, flow, model) }
    return sum + (flows.layers.last.map { output.total($0, model) } ?? 0)
  }

  /// What one layer costs under a placement, in operations over all samples of a profile, with or without a peek, or as
  /// `peek` will choose.
  func total(
    ofLayer layer: Int, _ placement: PolicyPlacement, _ flow: LayerFlow, _ model: CostModel, peeks: Bool? = nil
  ) -> Double {
    var decisions = Self.decisions(.after(layer), placement)
    func cost(_ peeks: Bool) -> Double {
      decisions.peeks = peeks || !decisions.hasExit
      return layers[decisions]![layer].total(flow, model)
    }
    return cost(peeks ?? isPeeked(layer, placement, flow, model))
  }

  /// Whether `peek` will take a layer's exit before it.
  func isPeeked(_ layer: Int, _ placement: PolicyPlacement, _ flow: LayerFlow, _ model: CostModel) -> Bool {
    guard isPeekChosen else { return true }
    let costs = [true, false].map { total(ofLayer: layer, placement, flow, model, peeks: $0) }
    return CostModel.peeks(costs[0], costs[1])
  }

  private static func decisions(_ boundary: Boundary, _ placement: PolicyPlacement) -> Case {
    Case(hasExit: placement.exits.contains(boundary), hasPrune: placement.prunes.contains(boundary))
  }
}
