// Which task a checkpoint is for, by what config.json says (`problem_type`) or, where it is silent, by the number of its
// logits, as Hugging Face's text-classification pipeline decides; and what sentence-transformers wrote beside it.

import PyramidFormats
import PyramidIR

/// The values of `problem_type`.
public enum ProblemType: String, Sendable, CaseIterable {
  /// One label of several.
  case singleLabel = "single_label_classification"
  /// Any number of labels.
  case multiLabel = "multi_label_classification"
  /// Numbers.
  case regression
}

extension ModelConfiguration {
  /// The task of a model with so many logits. One logit is a rank, or how true one label is, unless it is called
  /// regression.
  public func task(logits count: Int) -> ModelTask {
    switch problemType {
    case .regression: .regression
    case .multiLabel: .multiLabel
    case .singleLabel, nil: count == 1 ? .ranking : .classification
    }
  }

  static func problemType(_ root: JSONField) throws(FormatError) -> ProblemType? {
    guard let field = try root.optional("problem_type") else { return nil }
    if let type = ProblemType(rawValue: try field.string()) { return type }
    let known = ProblemType.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
    throw field.failure("expected \(known), found \(field.found)")
  }

  /// The function that a cross-encoder of sentence-transformers applies, under its new name or the old one.
  static func scoreFunction(_ root: JSONField) throws(FormatError) -> ScoreFunction? {
    let older = try root.optional("sbert_ce_default_activation_function")
    guard let field = try root.optional("sentence_transformers")?.optional("activation_fn") ?? older else { return nil }
    switch try field.string().utf8.split(separator: UInt8(ascii: ".")).last.map({ String(Substring($0)) }) {
    case "Identity": return .identity
    case "Sigmoid": return .sigmoid
    case "Tanh": return .tanh
    case "Softmax": return .softmax
    default:
      throw field.failure("the function \(field.found) is not supported; supported: Identity, Sigmoid, Tanh, Softmax")
    }
  }
}
