// What a model's logits are, and what is made of them for people: the one place that tells a classifier from one that
// gives several labels, a rank or a number. Policies know only the coarser AnswerKind.

import Glibc
import PyramidPolicy

/// What the logits of a model stand for; raw values are how the IR writes it.
public enum ModelTask: String, Hashable, Sendable, CaseIterable {
  /// One label of several: a softmax.
  case classification
  /// Any number of labels: a sigmoid each.
  case multiLabel = "multi-label"
  /// One logit that says how well a pair fits (a cross-encoder) or how true one label is: a sigmoid.
  case ranking
  /// Numbers as they are.
  case regression

  /// What exit criteria can be made of.
  public var answers: AnswerKind {
    switch self {
    case .classification: .probabilities
    case .multiLabel: .labels
    case .ranking, .regression: .value
    }
  }

  /// Whether one label is the answer; else the logits' numbers are.
  public var hasOneLabel: Bool { self == .classification }

  /// What Hugging Face's text-classification pipeline makes of logits, [C]; computed in Double, so that it does not
  /// depend on the instruction set.
  public func scores(_ logits: [Float]) -> [Float] {
    switch self {
    case .classification:
      let largest = logits.max() ?? 0
      let powers = logits.map { exp(Double($0) - Double(largest)) }
      let sum = powers.reduce(0, +)
      return powers.map { Float($0 / sum) }
    case .multiLabel, .ranking: return logits.map(Self.sigmoid)
    case .regression: return logits
    }
  }

  /// Whether nothing follows from logits, [C]: one is NaN, or the largest is infinite, or a number that is the answer is.
  public func isBroken(_ logits: [Float]) -> Bool {
    if answers == .value { return !logits.allSatisfy(\.isFinite) }
    return logits.contains(where: \.isNaN) || !(logits.max() ?? 0).isFinite
  }

  /// The scores where they are probabilities; nil for regression.
  public func probabilities(_ logits: [Float]) -> [Float]? { self == .regression ? nil : scores(logits) }

  /// 1 / (1 + e^-x).
  public static func sigmoid(_ x: Float) -> Float { Float(1 / (1 + exp(-Double(x)))) }
}

/// What a checkpoint makes of logits for its `score`, where it says so itself (sentence-transformers' `activation_fn`).
public enum ScoreFunction: String, Hashable, Sendable, CaseIterable {
  case identity
  case sigmoid
  case tanh
  case softmax

  /// The scores of logits, [C].
  public func callAsFunction(_ logits: [Float]) -> [Float] {
    switch self {
    case .identity: logits
    case .sigmoid: logits.map(ModelTask.sigmoid)
    case .tanh: logits.map { Float(Glibc.tanh(Double($0))) }
    case .softmax: ModelTask.classification.scores(logits)
    }
  }
}
