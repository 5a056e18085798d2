// How tokens die in stages 3 and 4: by the policy that is asked for, or by the thresholds that stage 2 learned. Whether a
// model can be trained under a policy is tried before anything is computed.

import BuiltInPolicies
import PyramidCompiler
import PyramidIR
import PyramidModels
import PyramidPolicy

extension TrainingContext {
  /// As the compiled model prunes; `none` where there is neither a policy nor thresholds.
  func hardPruning() throws -> PruningMode {
    let usual = parameters[Graph.thresholds].map { _ in PolicySpec(name: ReceivedAttention.name) }
    guard let spec = options.prune ?? usual else { return .none }
    var learned: [String: LearnedTensor] = [:]
    for parameter in parameters.all where parameter.name.hasPrefix("prune.") {
      learned[parameter.name] = LearnedTensor(shape: parameter.shape, values: parameter.array)
    }
    if let table = learned[TokenTable.salience] {
      learned[TokenTable.salience] = LearnedTensor(TokenTable.keepingSpecial(table.values, of: checkpoint))
    }
    return .hard(try spec.pruning(plainGraph(), learned))
  }
}

extension TrainingOptions {
  /// The model's graph with the pruning policy, if there is one, woven in. Throws what speaks against the policy: what
  /// stages are still to learn is taken to be zero.
  func pruned(_ model: LoweredModel, of checkpoint: Checkpoint) throws -> Graph {
    var (graph, learned) = (model.graph, model.learned)
    guard let prune else { return graph }
    func learn(_ name: String, _ count: Int) {
      learned[name] = LearnedTensor([Float](repeating: 0, count: count))
    }
    if stages.contains(.entry) {
      learn(TokenTable.salience, checkpoint.configuration.vocabularySize)
      learn(TokenTable.threshold, 1)
    }
    if stages.contains(.softPruning) { learn(Graph.thresholds, max(graph.shape.layers - 1, 0)) }
    do {
      let policy = try prune.pruning(graph, learned)
      guard policy.remainder == .dropped else {
        throw TrainingError("'\(prune)' makes rows go into others, which has no gradient")
      }
      let known = PolicySpec.trainedSignals
      guard policy.tokenSignals.isSubset(of: known) else {
        throw TrainingError(
          "'\(prune)' reads what training does not compute; it computes "
            + TokenSignal.allCases.filter(known.contains).map(\.rawValue).joined(separator: ", "))
      }
      try Pipeline.weavePruning(into: &graph, policy)
    } catch { throw TrainingError("--prune: \(error)") }
    return graph
  }
}

extension PolicySpec {
  /// What graphs that train compute of tokens: their attention hands out only what each receives.
  fileprivate static let trainedSignals: Set<TokenSignal> = [
    .receivedAttention, .receivedAttentionSum, .hiddenNorm, .hidden, .position, .tokenID,
  ]

  /// The built-in pruning policy that this names, for a model. One with weights of its own is refused: they were fitted
  /// to a model as it was.
  fileprivate func pruning(_ graph: Graph, _ learned: [String: LearnedTensor]) throws -> PolicyInstance {
    let registry = try PolicyRegistry(BuiltInPolicies.all.map { try PolicyType($0, origin: PolicyType.builtIn) })
    guard try registry.type(named: name, kind: .prune).tensors.isEmpty else {
      throw TrainingError("'\(self)' has weights that are fitted to a trained model: --fit-policy \(name)")
    }
    return try registry.make(self, kind: .prune, model: graph.shape.facts, learned: learned)
  }
}
