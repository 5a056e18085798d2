// At which boundaries a policy decides. `place-policies` chooses it from a profile, `schedule-policies` weaves it in,
// and from then on the decisions themselves say it. Separate from the graph because the oracle of a compiled model must
// be woven at the same places, and reads them off the compiled graph.

/// The layers, from 0, after which decisions stand.
public struct PolicyPlacement: Hashable, Sendable {
  /// Layers with an exit decision.
  public var exits: Set<Int>
  /// Layers with a pruning decision.
  public var prunes: Set<Int>

  /// A placement.
  public init(exits: Set<Int> = [], prunes: Set<Int> = []) {
    self.exits = exits
    self.prunes = prunes
  }
}

extension Graph {
  /// Where the decisions that are woven in stand.
  public var decisions: PolicyPlacement {
    var placement = PolicyPlacement()
    for node in nodes {
      if let decision = ExitDecision(node) { placement.exits.insert(decision.layer) }
      if let decision = PruneDecision(node) { placement.prunes.insert(decision.layer) }
    }
    return placement
  }
}
