// From what a user wrote to a value for each declared parameter: unknown names, wrong types, values out of range and
// missing learned values end here, before a policy sees anything.

extension PolicyParameter {
  /// `value` in the type of the parameter: whole numbers for `.integer`, a list for `.numbers`.
  ///
  /// - Throws: `PolicyError.badValue` for another type or a value out of range. Learned values stay symbolic.
  func checked(_ value: PolicySpec.Value, policy: String) throws(PolicyError) -> PolicySpec.Value {
    switch (kind, value) {
    case (.number(_, let range), .number(let number)) where number.isFinite && range.contains(number): return value
    case (.integer(_, let range), .number(let number)):
      if let whole = wholeNumber(number), range.contains(whole) { return value }
    case (.numbers(_, let range), .number(let number)) where number.isFinite && range.contains(number):
      return .numbers([number])
    case (.numbers(_, let range), .numbers(let numbers)):
      if numbers.allSatisfy({ $0.isFinite && range.contains($0) }) { return value }
    case (.numbers, .learned): return value
    case (.word(_, let choices), .word(let word)) where choices.contains(word): return value
    case (.flag, .word("true")), (.flag, .word("false")): return value
    default: break
    }
    throw .badValue(policy: policy, parameter: name, value: value.description, expected: expectation)
  }
}

extension PolicyDescription {
  /// `spec` with a checked value for each declared parameter, in the declared order; learned values stay symbolic.
  ///
  /// - Throws: `PolicyError`: the specification of another policy, an unknown parameter, or a bad value.
  func resolve(_ spec: PolicySpec) throws(PolicyError) -> PolicySpec {
    guard spec.name == name else { throw .unknownPolicy(name: spec.name, kind: kind, available: [name]) }
    for argument in spec.arguments where !parameters.contains(where: { $0.name == argument.name }) {
      throw .unknownParameter(policy: name, parameter: argument.name, available: parameters.map(\.name))
    }
    var arguments: [PolicySpec.Argument] = []
    for parameter in parameters {
      let value = try parameter.checked(spec[parameter.name] ?? parameter.defaultValue, policy: name)
      arguments.append(PolicySpec.Argument(name: parameter.name, value: value))
    }
    return PolicySpec(name: name, arguments: arguments)
  }

  /// A resolved specification with numbers in place of learned symbols; a declared default may have numbers of its own
  /// for a checkpoint without them. `isFitted` says whether mp-train fits the policy's own values, `policies.<name>.*`.
  ///
  /// - Throws: `PolicyError.missingLearned`, or `badValue` for a learned value that is not finite or out of range.
  func substitute(
    _ learned: [String: LearnedTensor], in spec: PolicySpec, isFitted: Bool = false
  ) throws(PolicyError) -> PolicySpec {
    var arguments: [PolicySpec.Argument] = []
    for (argument, parameter) in zip(spec.arguments, parameters) {
      guard case .learned(let symbol) = argument.value else {
        arguments.append(argument)
        continue
      }
      guard let values = learned[symbol]?.values.map({ Double($0) }) ?? parameter.numbers(without: symbol) else {
        let isTrained = isFitted || !symbol.hasPrefix("policies.")
        throw .missingLearned(
          policy: name, parameter: argument.name, symbol: symbol, checkpoint: isTrained ? "CHECKPOINT" : nil)
      }
      let numbers = try parameter.checked(.numbers(values), policy: name)
      arguments.append(PolicySpec.Argument(name: argument.name, value: numbers))
    }
    return PolicySpec(name: name, arguments: arguments)
  }

  /// The weights that the policy declares, by the names that it asks for, in the order declared.
  ///
  /// - Throws: `PolicyError.missingTensor` for one that is missing or has another shape, `rejected` for one with a number
  ///   that is not finite.
  func tensors(
    of learned: [String: LearnedTensor], model: ModelFacts, isFitted: Bool = false
  ) throws(PolicyError) -> [(name: String, tensor: LearnedTensor)] {
    var found: [(String, LearnedTensor)] = []
    for declared in tensors {
      for name in declared.names(model) {
        let full = "policies.\(self.name).\(name)"
        guard let tensor = learned[full], declared.fits(tensor.shape, model) else {
          throw .missingTensor(
            policy: self.name, tensor: full, expected: declared.expectation(model), found: learned[full]?.shape,
            checkpoint: isFitted ? "CHECKPOINT" : nil)
        }
        guard tensor.values.allSatisfy(\.isFinite) else {
          throw .rejected("policy '\(self.name)': tensor '\(full)' holds a number that is not finite")
        }
        found.append((name, tensor))
      }
    }
    return found
  }
}
