// A policy without a checkpoint: what lists of policies show is known of an instance only, and an instance may want learned
// values. Apart from PolicyType because nothing decides by such an instance.

extension PolicyType {
  /// An instance with default parameters for a made-up model of 12 layers, 2 classes (or one number) and width 8 that gives answers which
  /// the policy is for, learned values being made up as well; nil when the policy refuses them.
  public var example: PolicyInstance? {
    let answers = AnswerKind.allCases.first(where: requires.contains) ?? .probabilities
    let model = ModelFacts(layers: 12, classes: answers == .value ? 1 : 2, heads: 4, hidden: 8, answers: answers)
    return try? make(PolicySpec(name: name), model: model, learned: madeUp(for: model) { 0 })
  }

  /// Learned values for each parameter and tensor that is declared to have them: 1, or the least that a parameter may be,
  /// and what `weight` returns for each number of a tensor. An axis whose length is not known is 4.
  public func madeUp(for model: ModelFacts, weight: () -> Float) -> [String: LearnedTensor] {
    var learned: [String: LearnedTensor] = [:]
    for parameter in parameters {
      guard case .numbers(.learned(let symbol, nil), let range) = parameter.kind else { continue }
      learned[symbol] = [Float(range.contains(1) ? 1 : range.lowerBound)]
    }
    for tensor in tensors {
      let shape = tensor.extents.map { $0.count(model) ?? 4 }
      for name in tensor.names(model) {
        let values = (0..<shape.reduce(1, *)).map { _ in weight() }
        learned["policies.\(self.name).\(name)"] = LearnedTensor(shape: shape, values: values)
      }
    }
    return learned
  }
}
