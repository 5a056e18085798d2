// What one contender answered to every text, and the summary of it. Separate from times: answers are the same in every
// run, so they are taken once, outside of the clock.

import PyramidFormats

/// One contender's answer to one text, in plain numbers.
public struct SampleOutcome: Sendable, Equatable {
  /// The class, the classes, or the number.
  public var answer: LabelTarget
  /// The layer after which the text left, from 1; 0 for the entry.
  public var exitLayer: Int
  /// Tokens alive when each layer that it went through started.
  public var tokensAlive: [Int]
  /// Operations that ran.
  public var operations: Int
  /// Operations by the paper's formula.
  public var paperOperations: Int
  /// The probabilities of all classes; empty where there are none or they are not wanted.
  public var probabilities: [Float]

  /// An outcome from its parts.
  public init(
    _ answer: LabelTarget, exitLayer: Int, tokensAlive: [Int], operations: Int, paperOperations: Int,
    probabilities: [Float] = []
  ) {
    (self.answer, self.exitLayer, self.tokensAlive) = (answer, exitLayer, tokensAlive)
    (self.operations, self.paperOperations, self.probabilities) = (operations, paperOperations, probabilities)
  }

  /// One line of a file with every answer: which text, who answered, what was expected, and what happened.
  public func line(index: Int, policy: String, expected: LabelTarget, labels: [String]) -> String {
    func json(_ target: LabelTarget) -> JSONValue {
      switch target {
      case .one(let label): JSONValue(labels[label])
      case .several(let set): .array(set.map { JSONValue(labels[$0]) })
      case .value(let value): JSONValue(value)
      }
    }
    let name =
      switch answer {
      case .one: "label"
      case .several: "labels"
      case .value: "value"
      }
    return JSONWriter.string([
      "index": JSONValue(index), "policy": JSONValue(policy), "expected": json(expected), name: json(answer),
      "exit_layer": JSONValue(exitLayer), "tokens": .array(tokensAlive.map { JSONValue($0) }),
      "probabilities": .array(probabilities.map { JSONValue($0) }),
    ])
  }
}

/// One contender's answers in sum.
public struct AnswerSummary: Sendable, Equatable {
  /// How good they are.
  public var quality: Quality
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

  /// Sums up `outcomes`, of which there is at least one, for a model of `layers`, which `key` judges.
  public init(_ outcomes: [SampleOutcome], _ key: AnswerKey, layers: Int) {
    quality = key.quality(outcomes)
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
  /// Share of right answers; nil without texts, and for numbers, which are neither right nor wrong.
  public let accuracy: Interval?
  /// Operations of dense over the contender's; nil without texts.
  public let operations: Double?

  /// The usual bins: short, middling and long texts.
  public static let usual = [1...35, 36...70, 71...Int.max]

  /// One bin of a contender's outcomes; `dense` are the dense model's, whose first layer every token reaches.
  init(_ lengths: ClosedRange<Int>, _ outcomes: [SampleOutcome], dense: [SampleOutcome], _ key: AnswerKey) {
    let texts = dense.indices.filter { lengths.contains(dense[$0].tokensAlive.first ?? 0) }
    self.lengths = lengths
    count = texts.count
    func total(_ outcomes: [SampleOutcome]) -> Double { texts.reduce(0) { $0 + Double(outcomes[$1].operations) } }
    accuracy =
      texts.isEmpty || key.kind == .value
      ? nil : LabelStatistics.accuracy(texts.map { outcomes[$0].answer }, expected: texts.map { key.targets[$0] })
    operations = texts.isEmpty ? nil : total(dense) / max(total(outcomes), 1)
  }

  /// `1-35`, or `over 70`.
  public var name: String {
    lengths.upperBound == .max ? "over \(lengths.lowerBound - 1)" : "\(lengths.lowerBound)-\(lengths.upperBound)"
  }
}
