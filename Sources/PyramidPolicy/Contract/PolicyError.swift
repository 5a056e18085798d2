// Everything that can be wrong with a policy, its parameters or its text. One enum, so that tools print one line and
// tests compare cases instead of sentences.

/// Whether a policy decides about leaving or about tokens.
public enum PolicyKind: String, Sendable, CaseIterable {
  /// An `ExitPolicy`.
  case exit
  /// A `PruningPolicy`.
  case prune
}

/// Why a policy could not be found, made or understood.
public enum PolicyError: Error, Equatable, Sendable {
  /// The text of a specification breaks off or goes wrong at `column` (in Unicode scalars, from 1).
  case syntax(text: String, column: Int, expected: String)
  /// No policy of this name; `available` are those of the kind asked for.
  case unknownPolicy(name: String, kind: PolicyKind, available: [String])
  /// The policy exists but is of the other kind.
  case wrongKind(name: String, wanted: PolicyKind)
  /// Two policies of one name, with their origins.
  case duplicatePolicy(name: String, origins: [String])
  /// The criterion makes no sense for what the model answers with; `fitting` names policies that do.
  case unsuited(policy: String, requires: Set<AnswerKind>, answers: AnswerKind, fitting: [String])
  /// The policy declares no such parameter.
  case unknownParameter(policy: String, parameter: String, available: [String])
  /// The value has another type or lies out of range.
  case badValue(policy: String, parameter: String, value: String, expected: String)
  /// The parameter stands for learned values that the checkpoint lacks; `checkpoint` is its folder as a shell takes it, nil
  /// for values that mp-train can't fit.
  case missingLearned(policy: String, parameter: String, symbol: String, checkpoint: String? = "CHECKPOINT")
  /// The checkpoint lacks weights that the policy needs, or has them in another shape; `expected` and `found` are shapes.
  /// `checkpoint` is its folder as a shell takes it, nil for a policy that mp-train can't fit.
  case missingTensor(
    policy: String, tensor: String, expected: String, found: [Int]?, checkpoint: String? = "CHECKPOINT")
  /// A declaration of the policy contradicts itself: a bug of the policy.
  case badDeclaration(policy: String, reason: String)
  /// The policy itself refused its arguments; a policy's initialiser throws this with a sentence.
  case rejected(String)
}

extension PolicyError: CustomStringConvertible {
  /// One line that says what is wrong and what would be right.
  public var description: String {
    switch self {
    case .syntax(let text, let column, let expected):
      "policy '\(oneLine(text))': column \(column): expected \(expected)"
    case .unknownPolicy(let name, let kind, let available):
      "there is no \(kind) policy '\(name)'; there are: \(list(available))"
    case .wrongKind(let name, let wanted):
      wanted == .exit
        ? "'\(name)' is a prune policy, not an exit policy: use it with --prune"
        : "'\(name)' is an exit policy, not a prune policy: use it with --exit"
    case .duplicatePolicy(let name, let origins):
      "policy '\(name)' is defined twice: \(origins.joined(separator: " and ")); rename one"
    case .unsuited(let policy, let requires, let answers, let fitting):
      "policy '\(policy)' is for models that answer with "
        + AnswerKind.allCases.filter(requires.contains).map(\.words).joined(separator: " or ")
        + ", and this one answers with \(answers.words)"
        + (fitting.isEmpty ? "" : "; there are: \(fitting.joined(separator: ", "))")
    case .unknownParameter(let policy, let parameter, let available):
      "policy '\(policy)' has no parameter '\(parameter)'; it has: \(list(available))"
    case .badValue(let policy, let parameter, let value, let expected):
      "policy '\(policy)': \(parameter)=\(value): expected \(expected)"
    case .missingLearned(let policy, let parameter, let symbol, let checkpoint):
      "policy '\(policy)': the checkpoint has no learned '\(symbol)' for parameter '\(parameter)'; "
        + (checkpoint.map { "fit it with `\(trainingCommand(for: symbol, $0))`" } ?? "write it into the checkpoint")
        + ", or give \(parameter)=[...]"
    case .missingTensor(let policy, let tensor, let expected, let found, let checkpoint):
      "policy '\(policy)': "
        + (found.map { "tensor '\(tensor)' has shape \($0), expected \(expected)" }
          ?? "the checkpoint has no tensor '\(tensor)' \(expected)")
        + "; "
        + (checkpoint.map { "fit it with `\(fittingCommand(policy, $0))`" } ?? "write it into the checkpoint")
    case .badDeclaration(let policy, let reason): "policy '\(policy)' is declared wrongly: \(reason)"
    case .rejected(let reason): oneLine(reason)
    }
  }

  private func list(_ names: [String]) -> String { names.isEmpty ? "none" : names.joined(separator: ", ") }

  /// Thresholds are learned in the soft stage and settled in the hard one; anything else needs all four stages.
  private func trainingCommand(for symbol: String, _ checkpoint: String) -> String {
    let parts = symbol.utf8.split(separator: UInt8(ascii: "."))
    if symbol.hasPrefix("policies."), parts.count > 1 { return fittingCommand(String(Substring(parts[1])), checkpoint) }
    let stages =
      symbol.hasPrefix("prune.entry.")
      ? "entry" : symbol.hasPrefix("prune.") ? "2,3" : symbol.hasPrefix("exits.") ? "4" : "1,2,3,4"
    return "mp-train \(checkpoint) --data TRAIN.tsv --output DIR --stages \(stages)"
  }

  private func fittingCommand(_ policy: String, _ checkpoint: String) -> String {
    "mp-train \(checkpoint) --data TRAIN.tsv --output DIR --fit-policy \(policy)"
  }

  /// The same error where it is known which checkpoint lacks something; `checkpoint` is its folder as a shell takes it,
  /// nil where mp-train can't fit it.
  public func naming(checkpoint: String?) -> PolicyError {
    switch self {
    case .missingLearned(let policy, let parameter, let symbol, .some):
      .missingLearned(policy: policy, parameter: parameter, symbol: symbol, checkpoint: checkpoint)
    case .missingTensor(let policy, let tensor, let expected, let found, .some):
      .missingTensor(policy: policy, tensor: tensor, expected: expected, found: found, checkpoint: checkpoint)
    default: self
    }
  }
}
