// The exit policies that a server goes through as its queue fills, from the operator's to the certified one: which
// those are, and that none of them lets a text leave that the certified one keeps.

import MagicPyramid

enum AdaptiveExits {
  static let levelCount = 5

  /// The policies, from the strictest on. Throws `ServingError` where there is nothing certified to go to, or where
  /// what comes before it is looser or of other policies than the certificate's.
  static func levels(
    _ classifier: Classifier, _ options: ServingOptions, _ registry: PolicyRegistry
  ) throws -> [PolicyPair<PolicyInstance>] {
    let model = classifier.model
    try model.requireOneTask(for: "certificates, which adaptive exits go by, are")
    guard model.header.certificate != nil, let certified = try model.policies(registry: registry).exit else {
      throw ServingError(
        .invalid, "\(model.path): has no certificate to loosen exits within: mp-compare calibrate makes one")
    }
    guard let strict = classifier.policies.exit, strict.spec != certified.spec else {
      throw ServingError(
        .invalid,
        "adaptive exits go from a stricter policy to the certified '\(certified.spec)': give the stricter one (--exit)")
    }
    guard options.classifier.policies.prune == nil else {
      throw ServingError(
        .invalid, "adaptive exits are certified with the model's own pruning policy: leave out --prune")
    }
    let range = try PolicyRange(strict.spec, certified.spec)
    guard strict.isStricter(than: certified, classifier) else {
      throw ServingError(
        .invalid,
        "'\(strict.spec)' is not known to be stricter than the certified '\(certified.spec)': texts may leave earlier")
    }
    return try (0..<levelCount).map { level in
      let spec = range.interpolated(Double(level) / Double(levelCount - 1))
      return try model.policies(registry: registry, exit: spec, prune: nil)
    }
  }
}

extension PolicyInstance {
  /// Whether it leaves at no head that `loose` stays at: both are asked about heads of rising certainty, at each layer.
  /// False for policies that need more than such a head to decide.
  fileprivate func isStricter(than loose: PolicyInstance, _ classifier: Classifier) -> Bool {
    guard !hasMemory, exitSignals.isSubset(of: [.logits, .probabilities]) else { return false }
    return (0..<1000).allSatisfy { step in
      var logits = [Float](repeating: 0, count: classifier.model.graph.shape.classes)
      logits[0] = Float(step) * 0.02
      let probabilities = classifier.task.scores(logits)
      return (0..<model.layers).allSatisfy { layer in
        let head = ExitView(
          layer: layer, layers: model.layers, answers: classifier.task.answers, logits: logits,
          probabilities: probabilities)
        return !leaves(at: head, layer) || loose.leaves(at: head, layer)
      }
    }
  }

  private func leaves(at head: borrowing ExitView, _ layer: Int) -> Bool {
    isActive(afterLayer: layer) && withMemory { shouldExit(head, memory: $0) }
  }
}
