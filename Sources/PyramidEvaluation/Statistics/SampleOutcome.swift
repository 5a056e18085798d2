// What one contender answered to every text, and the summary of it. Separate from times: answers are the same in every
// run, so they are taken once, outside of the clock.

import PyramidFormats

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
  /// The probabilities of all classes; empty where they are not wanted.
  public var probabilities: [Float]

  /// An outcome from its parts.
  public init(
    label: Int, exitLayer: Int, tokensAlive: [Int], operations: Int, paperOperations: Int, probabilities: [Float] = []
  ) {
    (self.label, self.exitLayer, self.tokensAlive) = (label, exitLayer, tokensAlive)
    (self.operations, self.paperOperations, self.probabilities) = (operations, paperOperations, probabilities)
  }

  /// One line of a file with every answer: which text, who answered, what was expected, and what happened.
  public func line(index: Int, policy: String, expected: String, labels: [String]) -> String {
    JSONWriter.string([
      "index": JSONValue(index), "policy": JSONValue(policy), "expected": JSONValue(expected),
      "label": JSONValue(labels[label]), "exit_layer": JSONValue(exitLayer),
      "tokens": .array(tokensAlive.map { JSONValue($0) }),
      "probabilities": .array(probabilities.map { JSONValue($0) }),
    ])
  }
}

/// One contender's answers in sum.
public struct AnswerSummary: Sendable, Equatable {
  /// Share of right labels, with Wilson's interval.
  public var accuracy: Interval
  /// The mean of the classes' F1.
  public var macroF1: Double
  /// The correlation coefficient of Matthews.
  public var matthews: Double
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
    let labels = outcomes.map(\.label)
    accuracy = LabelStatistics.accuracy(labels, expected: expected)
    let counts = ConfusionCounts(labels, expected: expected)
    (macroF1, matthews) = (counts.macroF1, counts.matthews)
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

/// The texts of some lengths, and how a contender did on them.
public struct LengthBin: Sendable, Equatable {
  /// Tokens of these texts as they enter the model.
  public let lengths: ClosedRange<Int>
  /// Texts.
  public let count: Int
  /// Share of right labels; nil without texts.
  public let accuracy: Interval?
  /// Operations of dense over the contender's; nil without texts.
  public let operations: Double?

  /// The usual bins: short, middling and long texts.
  public static let usual = [1...35, 36...70, 71...Int.max]

  /// One bin of a contender's outcomes; `dense` are the dense model's, whose first layer every token reaches.
  init(_ lengths: ClosedRange<Int>, _ outcomes: [SampleOutcome], dense: [SampleOutcome], expected: [Int]) {
    let texts = dense.indices.filter { lengths.contains(dense[$0].tokensAlive.first ?? 0) }
    self.lengths = lengths
    count = texts.count
    func total(_ outcomes: [SampleOutcome]) -> Double { texts.reduce(0) { $0 + Double(outcomes[$1].operations) } }
    accuracy =
      texts.isEmpty
      ? nil : LabelStatistics.accuracy(texts.map { outcomes[$0].label }, expected: texts.map { expected[$0] })
    operations = texts.isEmpty ? nil : total(dense) / max(total(outcomes), 1)
  }

  /// `1-35`, or `over 70`.
  public var name: String {
    lengths.upperBound == .max ? "over \(lengths.lowerBound - 1)" : "\(lengths.lowerBound)-\(lengths.upperBound)"
  }
}
