// Reads a woven-in policy back from the graph of an artefact.

import PyramidIR
import PyramidPolicy

extension PolicyUse {
  /// The spec that the graph's text stands for.
  public var spec: PolicySpec {
    PolicySpec(
      name: name,
      arguments: arguments.map { argument in
        let value: PolicySpec.Value =
          switch argument.value {
          case .number(let number): .number(number)
          case .numbers(let numbers): .numbers(numbers)
          case .word(let word): .word(word)
          case .tensor(let name): .learned(name)
          }
        return PolicySpec.Argument(name: argument.key, value: value)
      })
  }
}
