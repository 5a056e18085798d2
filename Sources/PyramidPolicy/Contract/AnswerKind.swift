// What a model answers with, as far as a criterion must know: most are made for a distribution over classes, and say
// nothing, or something false, about independent labels or a single number.

/// The kind of a model's answers.
public enum AnswerKind: String, CaseIterable, Sendable {
  /// One class of several: the head's probabilities are a softmax and sum to 1.
  case probabilities
  /// Several labels: the head's probabilities are a sigmoid each, and independent.
  case labels
  /// Numbers: regression, or one logit to rank by. There are no probabilities to read.
  case value

  /// The kind in words, for errors.
  var words: String {
    switch self {
    case .probabilities: "one class of several"
    case .labels: "several labels"
    case .value: "a number"
    }
  }
}
