// What answers are judged by. The task decides what can be said of them: labels are right or wrong, one by one; numbers
// are neither, and only many of them together agree with the data more or less, or rank its groups better or worse.

import PyramidFormats

/// The labels of a data set, and which texts are ranked together.
public struct AnswerKey: Sendable {
  /// The labels, all of one kind; at least one.
  public let targets: [LabelTarget]
  /// Classes of the model.
  public let classes: Int
  /// The groups that numbers rank; nil for none.
  public let groups: RankedGroups?

  /// A key. Throws a sentence where the labels can't tell good answers from bad ones: numbers that are all the same,
  /// relevances that are none, groups without a relevant pair. `groups` names each text's, where labels are numbers.
  public init(_ targets: [LabelTarget], classes: Int, groups: [String]? = nil) throws(UnfitLabels) {
    precondition(!targets.isEmpty, "a label at least")
    precondition(groups == nil || Self.kind(of: targets[0]) == .value, "groups of numbers")
    (self.targets, self.classes) = (targets, classes)
    let numbers = targets.compactMap(\.number)
    if let first = numbers.first, numbers.allSatisfy({ $0 == first }) {
      throw UnfitLabels(sentence: "all labels are the same number, which says nothing of the answers")
    }
    self.groups = try groups.map { names throws(UnfitLabels) in try RankedGroups(names, relevance: numbers) }
  }

  /// What the labels are.
  public var kind: LabelKind { Self.kind(of: targets[0]) }

  /// What a label is.
  package static func kind(of target: LabelTarget) -> LabelKind {
    switch target {
    case .one: .one
    case .several: .several
    case .value: .value
    }
  }

  /// How good answers are, one for each label.
  public func quality(_ outcomes: [SampleOutcome]) -> Quality {
    let answers = outcomes.map(\.answer)
    switch kind {
    case .one:
      let counts = ConfusionCounts(answers.map(\.index), expected: targets.map(\.index))
      return Quality(
        headline: Estimate(.accuracy, LabelStatistics.accuracy(answers, expected: targets)),
        further: [Estimate(.classF1, counts.macroF1), Estimate(.matthews, counts.matthews)])
    case .several:
      let counts = ConfusionCounts(answers.map(\.classes), expected: targets.map(\.classes), of: classes)
      return Quality(
        headline: Estimate(.subsetAccuracy, LabelStatistics.accuracy(answers, expected: targets)),
        further: [Estimate(.microF1, counts.microF1), Estimate(.macroF1, counts.labelF1)])
    case .value:
      let (values, wanted) = (answers.compactMap(\.number), targets.compactMap(\.number))
      let pearson = Estimate(.pearson, Correlation.pearson(values, wanted))
      let spearman = Estimate(.spearman, Correlation.spearman(values, wanted))
      guard let groups else { return Quality(headline: pearson, further: [spearman]) }
      let places = groups.ranked(values)
      let mrr = Bootstrap.interval(of: places.count) { Bootstrap.mean(places.map(\.reciprocalRank), $0) }
      return Quality(
        headline: Estimate(.ndcg, Bootstrap.interval(of: places.count) { Bootstrap.mean(places.map(\.ndcg), $0) }),
        further: [Estimate(.mrr, mrr), pearson, spearman])
    }
  }

  /// How much better answers are than others.
  public func difference(
    _ outcomes: [SampleOutcome], from others: [SampleOutcome], confidence: Double = 0.95
  ) -> QualityDifference {
    let (answers, otherAnswers) = (outcomes.map(\.answer), others.map(\.answer))
    guard kind == .value else {
      let counts = PairedDifference(answers, against: otherAnswers, expected: targets)
      return QualityDifference(counts, confidence: confidence)
    }
    let (values, otherValues) = (answers.compactMap(\.number), otherAnswers.compactMap(\.number))
    let interval: Interval
    if let groups {
      let gains = zip(groups.ranked(values), groups.ranked(otherValues)).map { $0.ndcg - $1.ndcg }
      interval = Bootstrap.interval(of: gains.count, confidence: confidence) { Bootstrap.mean(gains, $0) }
    } else {
      let wanted = targets.compactMap(\.number)
      interval = Bootstrap.interval(of: wanted.count, confidence: confidence) {
        Correlation.pearson(values, wanted, times: $0) - Correlation.pearson(otherValues, wanted, times: $0)
      }
    }
    return QualityDifference(interval, texts: targets.count, confidence: confidence)
  }

  /// How alike two contenders answer.
  func likeness(_ outcomes: [SampleOutcome], _ others: [SampleOutcome]) -> Estimate {
    let (answers, otherAnswers) = (outcomes.map(\.answer), others.map(\.answer))
    guard kind == .value else { return Estimate(.agreement, LabelStatistics.agreement(answers, otherAnswers)) }
    let (values, otherValues) = (answers.compactMap(\.number), otherAnswers.compactMap(\.number))
    return Estimate(.meanDifference, zip(values, otherValues).map { abs($0 - $1) }.mean)
  }
}

/// Why labels can't tell good answers from bad ones.
public struct UnfitLabels: Error, Equatable {
  /// The reason, without a subject before it.
  public let sentence: String
}

/// How much better one contender's answers are than another's on the same texts.
public struct QualityDifference: Sendable, Equatable {
  /// Where labels are right or wrong, how often only one of both is right; nil for numbers.
  public let counts: PairedDifference?
  /// The estimate: Tango's interval of counts, else that of a paired bootstrap over texts or groups.
  public let interval: Interval
  private let texts: Int
  private let confidence: Double

  init(_ counts: PairedDifference, confidence: Double) {
    (self.counts, interval) = (counts, counts.interval(confidence: confidence))
    (texts, self.confidence) = (counts.count, confidence)
  }

  init(_ interval: Interval, texts: Int, confidence: Double) {
    (counts, self.interval, self.texts, self.confidence) = (nil, interval, texts, confidence)
  }

  /// Whether it is worse by more than `margin`, as far as the interval tells.
  public func verdict(margin: Double) -> Verdict { interval.verdict(margin: margin) }

  /// About how many texts of this kind a verdict would take with a power of 80%; nil where no number settles it. Of
  /// numbers the interval's width is taken for a normal one, which shrinks with the root of the texts.
  public func textsNeeded(margin: Double) -> Int? {
    if let counts { return counts.textsNeeded(margin: margin, confidence: confidence) }
    let z = Normal.twoSided(confidence)
    let error = (interval.high - interval.low) / (2 * z)
    let root = (z + Normal.quantile(0.8)) * error / (interval.value + margin)
    let needed = (Double(texts) * root * root).rounded(.up)
    return needed.isFinite && needed < 1e12 ? max(Int(needed), 1) : nil
  }
}

extension LabelTarget {
  /// The classes of an answer of several.
  var classes: [Int] { if case .several(let classes) = self { classes } else { [] } }
  /// The number of an answer that is one.
  var number: Double? { if case .value(let number) = self { number } else { nil } }
}
