// `--explain`: what each exit head, peek and compaction costs and saves, and what was chosen. With a profile these are
// expectations; without one the text is one that stays to the end and keeps all tokens, so that nothing saves anything
// and the difference is the price.

import PyramidFormats
import PyramidIR

/// The table of choices for a fused graph into which no policy is woven yet.
struct PlacementExplanation {
  /// Tokens of the text that is assumed without a profile.
  private static let tokens = 64

  private let context: PassContext
  private let profile: PolicyProfile
  private let everywhere, chosen: PolicyPlacement
  /// Whether `place-policies` has a choice.
  private let isPlaced: Bool
  private let costs: LayerCosts
  private let model = CostModel.batchOfOne

  /// Works the costs out; throws what `place-policies` would.
  init(_ graph: Graph, _ context: PassContext, _ pipeline: Pipeline) throws {
    try context.profile?.check(against: graph, context)
    let profile =
      context.profile ?? Self.staying(layers: graph.shape.layers, hasEntry: context.decidesAtEntry(of: graph))
    let costs = try LayerCosts(graph, context, pipeline.demand)
    (self.context, self.profile, self.costs) = (context, profile, costs)
    isPlaced = context.profile != nil && !pipeline.placement.isEmpty
    everywhere = context.everywhere(graph)
    chosen =
      isPlaced
      ? PlacePolicies.cheapest(context, in: graph) { costs.total($0, profile.flows($0), .batchOfOne) } : everywhere
  }

  /// The table, a line for each head, peek and compaction.
  var text: String {
    let basis =
      context.profile.map { "expected cost of one text, by a profile of \($0.samples)" }
      ?? "cost of one text of \(Self.tokens) tokens that stays and keeps all of them; --profile gives expectations"
    var lines = ["; \(basis)", "; in operations, a weight that is read counts as \(Int(model.operationsPerWeight))"]
    if context.profile != nil { lines.append("; a peek that saves less than a twentieth of its layer is dropped") }
    if everywhere == PolicyPlacement() { lines.append("no policy decides anywhere") }
    for boundary in everywhere.exits.union(everywhere.prunes).sorted() { lines += rows(of: boundary) }
    if isPlaced { lines.append("as chosen \(amount(cost(chosen))), with every decision \(amount(cost(everywhere)))") }
    return lines.joined(separator: "\n")
  }

  private func rows(of boundary: Boundary) -> [String] {
    var rows: [String] = []
    func row(_ what: String, with: Double, without: Double, _ choice: String) {
      let costs = "with \(padded(amount(with), 12)) without \(padded(amount(without), 12))"
      let place = rows.isEmpty ? "\(boundary)" : ""
      rows.append("\(padded(place, 16)) \(padded(what, 10)) \(costs) \(choice)")
    }
    let (hasHead, isPruned) = (chosen.exits.contains(boundary), chosen.prunes.contains(boundary))
    if everywhere.exits.contains(boundary) {
      let with = PolicyPlacement(exits: chosen.exits.union([boundary]), prunes: chosen.prunes)
      let without = PolicyPlacement(exits: chosen.exits.subtracting([boundary]), prunes: chosen.prunes)
      let kept = isPlaced && !context.mayDropHeads ? "kept: the policy looks back at earlier heads" : "kept"
      row("head", with: cost(with), without: cost(without), hasHead ? kept : "dropped")
      // Where a row was computed to prune before the layer, the exit is decided early in any case.
      if case .after(let layer) = boundary {
        let (early, late) = (cost(with, layer, peeks: true), cost(with, layer, peeks: false))
        let isPeeked = costs.isPeeked(layer, with, profile.flows(with).layers[layer], model)
        if late != early { row("peek", with: early, without: late, hasHead && isPeeked ? "kept" : "dropped") }
      }
    }
    if everywhere.prunes.contains(boundary) {
      let with = PolicyPlacement(exits: chosen.exits, prunes: chosen.prunes.union([boundary]))
      let without = PolicyPlacement(exits: chosen.exits, prunes: chosen.prunes.subtracting([boundary]))
      row("compaction", with: cost(with), without: cost(without), isPruned ? "kept" : "dropped")
    }
    return rows
  }

  private func cost(_ placement: PolicyPlacement) -> Double {
    costs.total(placement, profile.flows(placement), model) / Double(profile.samples)
  }

  /// The same with one layer's exit decided before the layer, or after the whole of it.
  private func cost(_ placement: PolicyPlacement, _ layer: Int, peeks: Bool) -> Double {
    let flow = profile.flows(placement).layers[layer]
    let asked = costs.total(ofLayer: layer, placement, flow, model, peeks: peeks)
    let chosen = costs.total(ofLayer: layer, placement, flow, model)
    return cost(placement) + (asked - chosen) / Double(profile.samples)
  }

  /// One text that nothing happens to.
  private static func staying(layers: Int, hasEntry: Bool) -> PolicyProfile {
    let layer = PolicyProfile.Layer(samplesEntered: 1, tokensEntered: tokens, tokensKept: tokens)
    return PolicyProfile(
      model: "", checkpoint: "", exit: nil, prune: nil, entry: hasEntry ? layer : nil,
      layers: Array(repeating: layer, count: layers))
  }

  private func amount(_ operations: Double) -> String { "\(Int(operations.rounded()))" }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
  }
}
