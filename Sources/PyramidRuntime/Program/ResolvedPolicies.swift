// Makes the policy instances that a model runs with: those of its graph, or others given at run time. Parameters may
// change freely; where decisions stand in the graph and which signals they are handed was fixed at compile time, so an
// override may want no more.

import PyramidIR
import PyramidPolicy

/// The policies of one executor.
public typealias ResolvedPolicies = PolicyPair<PolicyInstance>

extension ResolvedPolicies {
  /// The graph's own policies, or `override` in their place. Throws `PolicyError`, or `RuntimeError` when an override
  /// needs what the graph lacks.
  public init(
    graph: Graph, registry: PolicyRegistry, learned: [String: LearnedTensor], override: PolicyPair<PolicySpec>
  ) throws {
    func make(_ kind: PolicyKind, _ spec: PolicySpec) throws -> PolicyInstance {
      try registry.make(spec, kind: kind, shape: graph.shape, learned: learned)
    }
    for (kind, spec) in override.all where graph.policies[kind] == nil {
      // What leaves nowhere is what such a model does.
      if kind == .exit, try make(kind, spec).neverExits { continue }
      throw RuntimeError(
        "'\(spec)' can't be used: the model was compiled without \(kind == .exit ? "an exit" : "a prune") policy; "
          + "compile it again with --\(kind.rawValue) '\(spec)'")
    }
    self = try graph.policies.map { kind, compiled in
      let instance: PolicyInstance
      do { instance = try make(kind, override[kind] ?? compiled) } catch PolicyError.unknownPolicy(
        let name, _, let available)
        where override[kind] == nil
      {
        throw RuntimeError(
          "the model was compiled with the \(kind.rawValue) policy '\(name)', which is not built in: give the plugin that "
            + "it is in (--plugin FILE), or another policy (--\(kind.rawValue) SPEC); there are: "
            + available.joined(separator: ", "))
      }
      // A graph that mp-compile wrote hands its policies what they read; another need not.
      try graph.check(override: instance, of: override[kind] == nil ? instance : try? make(kind, compiled), kind)
      return instance
    }
  }
}

extension PruningMoment {
  fileprivate var words: String {
    switch self {
    case .afterAttention: "after the layer's attention"
    case .beforeLayer: "before the layer"
    }
  }
}

extension Graph {
  /// Where in their layers tokens die: before them if the decision reads the attention weights of [CLS] alone; nil when
  /// nothing is pruned.
  private var pruningMoment: PruningMoment? {
    var early: Set<ValueID> = []
    for node in nodes {
      if node.op.facts.attention?.isOfFirst == true { early.formUnion(node.results.dropFirst()) }
      // The entry's decision is the same whatever the moment in a layer.
      guard let decision = PruneDecision(node), decision.boundary != .entry else { continue }
      return early.isDisjoint(with: decision.signals.map(\.operand)) ? .afterAttention : .beforeLayer
    }
    return nil
  }

  /// Throws when `instance` is active at a boundary without a decision, or reads a signal that a decision isn't handed.
  /// Boundaries that the compiled policy too was active at, but that have no exit head, don't count, nor does a policy
  /// that never decides otherwise than a boundary without one.
  fileprivate func check(override instance: PolicyInstance, of compiled: PolicyInstance?, _ kind: PolicyKind) throws {
    let again = "compile the model again with --\(kind.rawValue) '\(instance.spec)'"
    if kind == .prune, let decided = pruningMoment, instance.moment != decided {
      throw RuntimeError(
        "'\(instance.spec)' prunes \(instance.moment.words), the compiled model \(decided.words); \(again)")
    }
    let rests = Set(nodes.compactMap { PruneDecision($0)?.rest })
    if kind == .prune, let decided = rests.first, rests != [instance.remainder] {
      throw RuntimeError(
        "tokens that '\(instance.spec)' prunes are \(instance.remainder.rawValue), in the compiled model "
          + "\(decided.rawValue); \(again)")
    }
    var decisions: [Boundary: Set<String>] = [:]
    for node in nodes {
      if kind == .exit, let decision = ExitDecision(node) {
        decisions[decision.boundary] = Set(decision.signals.map(\.signal.rawValue)).union([ExitSignal.logits.rawValue])
      } else if kind == .prune, let decision = PruneDecision(node) {
        decisions[decision.boundary] = Set(decision.signals.map(\.signal.rawValue))
      }
    }
    // The control that never exits looks at nothing.
    let exitSignals = instance.neverExits ? [] : instance.exitSignals
    let tokenSignals = instance.tokenSignals
    for boundary in shape.boundaries where instance.isActive(afterLayer: boundary.number) {
      guard let reads = decisions[boundary] else {
        if compiled?.isActive(afterLayer: boundary.number) == true || instance.neverExits { continue }
        throw RuntimeError("'\(instance.spec)' decides \(boundary), where the compiled model does not; \(again)")
      }
      let known = tokenSignals.filter { boundary != .entry || $0.isKnownAtEntry }
      let wanted = exitSignals.map(\.rawValue) + known.map(\.rawValue)
      if let missing = Set(wanted).subtracting(reads).min() {
        throw RuntimeError("'\(instance.spec)' reads \(missing), which the compiled model does not compute; \(again)")
      }
    }
  }
}
