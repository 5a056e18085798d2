// At which boundaries a policy decides. `place-policies` chooses it from a profile, `schedule-policies` weaves it in,
// and from then on the decisions themselves say it. Separate from the graph because the oracle of a compiled model must
// be woven at the same places, and reads them off the compiled graph.

import PyramidPolicy

/// The boundaries at which decisions stand.
public struct PolicyPlacement: Hashable, Sendable {
  /// Boundaries with an exit decision.
  public var exits: Set<Boundary>
  /// Boundaries with a pruning decision.
  public var prunes: Set<Boundary>

  /// A placement.
  public init(exits: Set<Boundary> = [], prunes: Set<Boundary> = []) {
    self.exits = exits
    self.prunes = prunes
  }
}

extension Graph {
  /// Where the decisions that are woven in stand.
  public var decisions: PolicyPlacement {
    var placement = PolicyPlacement()
    for node in nodes {
      if let decision = ExitDecision(node) { placement.exits.insert(decision.boundary) }
      if let decision = PruneDecision(node) { placement.prunes.insert(decision.boundary) }
    }
    return placement
  }
}

extension PolicyInstance {
  /// Whether no sample ever leaves by it, so that it asks for no exit heads: the control `never-exit`.
  public var neverExits: Bool { spec.name == "never-exit" }
}
