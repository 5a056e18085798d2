// Makes the policy instances that a model runs with: those of its graph, or others given at run time. Parameters may
// change freely; where decisions stand in the graph and which signals they are handed was fixed at compile time, so an
// override may want no more.

import PyramidIR
import PyramidPolicy

/// The policies of one executor.
public struct ResolvedPolicies: Sendable {
  /// Decides who leaves; nil when the graph has no exit decision.
  public let exit: PolicyInstance?
  /// Decides which tokens die; nil when the graph has no pruning decision.
  public let prune: PolicyInstance?

  /// The graph's own policies, or `exit` and `prune` in their place. Throws `PolicyError`, or `RuntimeError` when an
  /// override needs what the graph lacks.
  public init(
    graph: Graph, registry: PolicyRegistry, learned: [String: [Float]], exit: PolicySpec?, prune: PolicySpec?
  ) throws {
    let facts = ModelFacts(layers: graph.shape.layers, classes: graph.shape.classes, heads: graph.shape.heads)
    func resolve(_ use: PolicyUse.Kind, _ kind: PolicyKind, _ override: PolicySpec?) throws -> PolicyInstance? {
      func make(_ spec: PolicySpec) throws -> PolicyInstance {
        try registry.type(named: spec.name, kind: kind).make(spec, model: facts, learned: learned)
      }
      guard let compiled = graph.policy(use) else {
        guard let override else { return nil }
        throw RuntimeError(
          "'\(override)' can't be used: the model was compiled without \(use.article) policy; compile it again with "
            + "--\(use.rawValue) '\(override)'")
      }
      guard let override else {
        // A graph that mp-compile wrote hands its policies what they read; another need not.
        let instance = try make(compiled.spec)
        try graph.check(override: instance, of: instance, use)
        return instance
      }
      let instance = try make(override)
      try graph.check(override: instance, of: try? make(compiled.spec), use)
      return instance
    }
    self.exit = try resolve(.exit, .exit, exit)
    self.prune = try resolve(.prune, .prune, prune)
  }
}

extension PolicyUse.Kind {
  fileprivate var article: String { self == .exit ? "an exit" : "a prune" }
}

extension PruningMoment {
  fileprivate var words: String {
    switch self {
    case .afterAttention: "behind the layer's attention"
    case .beforeLayer: "before the layer"
    }
  }
}

extension Graph {
  /// Where in their layers tokens die: before them if the decision reads what a row of [CLS] alone pays; nil when
  /// nothing is pruned.
  private var pruningMoment: PruningMoment? {
    var early: Set<ValueID> = []
    for node in nodes {
      if case .firstAttention = node.op { early.formUnion(node.results.dropFirst()) }
      guard case .decidePrune = node.op else { continue }
      return early.isDisjoint(with: node.inputs) ? .afterAttention : .beforeLayer
    }
    return nil
  }

  /// Throws when `instance` is active at a boundary without a decision, or reads a signal that a decision isn't handed.
  /// Boundaries that the compiled policy too was active at, but that have no exit head, don't count.
  fileprivate func check(override instance: PolicyInstance, of compiled: PolicyInstance?, _ kind: PolicyUse.Kind) throws
  {
    let wanted = Set(kind == .exit ? instance.exitSignals.map(\.rawValue) : instance.tokenSignals.map(\.rawValue))
    let again = "compile the model again with --\(kind.rawValue) '\(instance.spec)'"
    if kind == .prune, let decided = pruningMoment, instance.moment != decided {
      throw RuntimeError(
        "'\(instance.spec)' prunes \(instance.moment.words), the compiled model \(decided.words); \(again)")
    }
    var decisions: [Int: Set<String>] = [:]
    for node in nodes {
      switch (node.op, kind) {
      case (.decideExit(_, let layer, let reads), .exit):
        decisions[layer] = Set(reads.map(\.rawValue)).union(["logits"])
      case (.decidePrune(_, let layer, let reads, _), .prune): decisions[layer] = Set(reads.map(\.rawValue))
      default: continue
      }
    }
    for layer in 0..<max(shape.layers - 1, 0) where instance.isActive(afterLayer: layer + 1) {
      guard let reads = decisions[layer] else {
        if compiled?.isActive(afterLayer: layer + 1) == true { continue }
        throw RuntimeError(
          "'\(instance.spec)' decides after layer \(layer + 1), where the compiled model does not; \(again)")
      }
      if let missing = wanted.subtracting(reads).sorted().first {
        throw RuntimeError("'\(instance.spec)' reads \(missing), which the compiled model does not compute; \(again)")
      }
    }
  }
}
