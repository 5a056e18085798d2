// What one contender answered to every text, and the summary of it. Separate from times: answers are the same in every
// run, so they are taken once, outside of the clock.

/// One contender's answer to one text, in plain numbers.
public struct SampleOutcome: Sendable, Equatable {
  /// Number of the class.
  public var label: Int
  /// The layer after which the text left, from 1; 0 for the entry.
  public var exitLayer: Int
  /// Tokens alive when each layer that it went through started.
  public var tokensAlive: [Int]
  /// Operations that ran.
  public var operations: Int
  /// Operations by the paper's formula.
  public var paperOperations: Int

  /// An outcome from its parts.
  public init(label: Int, exitLayer: Int, tokensAlive: [Int], operations: Int, paperOperations: Int) {
    (self.label, self.exitLayer, self.tokensAlive) = (label, exitLayer, tokensAlive)
    (self.operations, self.paperOperations) = (operations, paperOperations)
  }
}

/// One contender's answers in sum.
public struct AnswerSummary: Sendable, Equatable {
  /// Share of right labels, with Wilson's interval.
  public var accuracy: Interval
  /// Mean operations of a text that ran, in billions.
  public var gflop: Double
  /// Mean operations of a text by the paper's formula, in billions.
  public var gflopPaper: Double
  /// Mean layer after which texts left, from 1; the entry counts as 0.
  public var meanExitLayer: Double
  /// Texts that left at the entry, then after each layer, [layers + 1].
  public var exitHistogram: [Int]
  /// Tokens alive when each layer starts, mean over all texts, 0 for those that had left; [layers].
  public var tokensAlive: [Double]

  /// Sums up `outcomes`, of which there is at least one, for a model of `layers`; `expected` holds the data set's
  /// labels.
  public init(_ outcomes: [SampleOutcome], expected: [Int], layers: Int) {
    accuracy = LabelStatistics.accuracy(outcomes.map(\.label), expected: expected)
    gflop = outcomes.lazy.map { Double($0.operations) / 1e9 }.mean
    gflopPaper = outcomes.lazy.map { Double($0.paperOperations) / 1e9 }.mean
    meanExitLayer = outcomes.lazy.map { Double($0.exitLayer) }.mean
    exitHistogram = (0...max(layers, 1)).map { layer in outcomes.count { $0.exitLayer == layer } }
    tokensAlive = (0..<max(layers, 1)).map { layer in
      // A text that left at the entry tells how many tokens it had, but none of them came to a layer.
      outcomes.lazy.map {
        layer < $0.exitLayer && $0.tokensAlive.indices.contains(layer) ? Double($0.tokensAlive[layer]) : 0
      }.mean
    }
  }
}

extension ComparisonReport.Comparison {
  /// Compares a policy's outcomes and times with dense's on the same texts. Times are `[repetition][block]` in any one
  /// unit.
  init(
    outcomes: [SampleOutcome], dense: [SampleOutcome], expected: [Int], latency: PairedRatio, throughput: PairedRatio
  ) {
    let (labels, denseLabels) = (outcomes.map(\.label), dense.map(\.label))
    func ratio(_ count: (SampleOutcome) -> Int) -> Interval {
      let counts = [dense, outcomes].map { [$0.map { Double(count($0)) }] }
      return PairedRatio(baseline: counts[0], contender: counts[1]).interval()
    }
    self.init(
      agreement: LabelStatistics.agreement(labels, denseLabels),
      mcnemar: LabelStatistics.mcnemar(labels, denseLabels, expected: expected),
      operations: ratio(\.operations), paperOperations: ratio(\.paperOperations), latency: latency.interval(),
      throughput: throughput.interval())
  }
}
