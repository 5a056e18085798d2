// The measures of quality that reports speak of, and how each is called and written: a column or a member of JSON takes its
// name from here, so that a number that fits one task never stands under the name of another's.

import PyramidFormats

/// What says how good answers are, or how alike two contenders' are.
public enum Measure: Sendable, CaseIterable {
  /// Share of right labels.
  case accuracy
  /// The mean of the classes' F1, where one label is the answer.
  case classF1
  /// The correlation coefficient of Matthews.
  case matthews
  /// Share of texts whose set of labels is right as a whole.
  case subsetAccuracy
  /// F1 over all labels of all texts together.
  case microF1
  /// The mean of the labels' F1, where sets are the answer.
  case macroF1
  /// Pearson's correlation of the values with the labels.
  case pearson
  /// Spearman's correlation, which is Pearson's of the ranks.
  case spearman
  /// Normalised discounted cumulative gain of the first ten of a group.
  case ndcg
  /// Mean of 1 / the place of the first relevant pair among the first ten of a group, 0 where there is none.
  case mrr
  /// Share of texts that two contenders answer alike.
  case agreement
  /// Mean absolute difference of two contenders' values.
  case meanDifference

  private var facts: (key: String, short: String, name: String, isShare: Bool) {
    switch self {
    case .accuracy: ("accuracy", "accuracy", "accuracy", true)
    case .classF1: ("macro_f1", "F1", "macro F1", true)
    case .matthews: ("matthews", "MCC", "the correlation of Matthews", false)
    case .subsetAccuracy: ("subset_accuracy", "subset accuracy", "subset accuracy", true)
    case .microF1: ("micro_f1", "micro F1", "micro F1", true)
    case .macroF1: ("macro_f1", "macro F1", "macro F1", true)
    case .pearson: ("pearson", "Pearson", "Pearson's correlation", false)
    case .spearman: ("spearman", "Spearman", "Spearman's correlation", false)
    case .ndcg: ("ndcg_at_10", "nDCG@10", "nDCG@10", false)
    case .mrr: ("mrr_at_10", "MRR@10", "MRR@10", false)
    case .agreement: ("agreement", "agreement", "agreement", true)
    case .meanDifference: ("mean_absolute_difference", "mean absolute difference", "mean absolute difference", false)
    }
  }

  /// Its name in JSON and CSV.
  public var key: String { facts.key }
  /// Its name in a sentence.
  public var name: String { facts.name }
  /// Its name over a column, with the unit.
  public var title: String { facts.short + (facts.isShare ? " %" : "") }
  /// Whether it is a share of texts or labels, written in percent.
  var isShare: Bool { facts.isShare }
  /// What it is multiplied by where it is written.
  var scale: Double { isShare ? 100 : 1 }
  /// Its name at the start of a sentence.
  var heading: String { self == .accuracy ? "Accuracy" : self == .subsetAccuracy ? "Subset accuracy" : name }

  /// A value as it is written.
  func text(_ value: Double) -> String {
    switch self {
    case .meanDifference: significant(value)
    case .matthews: decimal(value, 3)
    default: decimal(scale * value, isShare ? 2 : 4)
    }
  }

  /// A difference or margin with its unit: `0.50 points`, `0.0050 of Pearson's correlation`.
  func amount(_ value: Double) -> String { text(value) + (isShare ? " points" : " of \(name)") }
}

/// A measure's value, with an interval where there is one.
public struct Estimate: Sendable, Equatable {
  /// What is measured.
  public let measure: Measure
  /// The value.
  public let value: Double
  /// The value with its 95% interval; nil where none is known.
  public let interval: Interval?

  init(_ measure: Measure, _ interval: Interval) {
    (self.measure, self.value, self.interval) = (measure, interval.value, interval)
  }

  init(_ measure: Measure, _ value: Double) { (self.measure, self.value, interval) = (measure, value, nil) }

  /// The value as it is written, without an interval.
  var text: String { measure.text(value) }
}

/// How good answers are: the measure that contenders are compared by, and what else is known.
public struct Quality: Sendable, Equatable {
  /// What differences, verdicts and the front are about.
  public let headline: Estimate
  /// The others.
  public let further: [Estimate]

  /// The headline's value.
  public var value: Double { headline.value }
}
