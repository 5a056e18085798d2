// The bridge between a policy's spec (SDK) and its use in a graph (IR). Neither module imports the other, so the
// compiler, which knows both, translates.

import PyramidIR
import PyramidPolicy

extension PolicyUse {
  /// A policy's spec as the IR writes it.
  public init(_ kind: Kind, _ spec: PolicySpec) {
    self.init(
      kind, spec.name,
      spec.arguments.map { argument in
        switch argument.value {
        case .number(let number): Argument(argument.name, .number(number))
        case .numbers(let numbers): Argument(argument.name, .numbers(numbers))
        case .word(let word): Argument(argument.name, .word(word))
        case .learned(let name): Argument(argument.name, .tensor(name))
        }
      })
  }
}
