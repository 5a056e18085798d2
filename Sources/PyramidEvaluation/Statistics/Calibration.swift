// Which of several settings of a criterion is the loosest whose loss is bounded, by texts that nothing was learned from:
// losses are counted here, the walk over the settings is RiskControl's.

import PyramidFormats

/// Settings of one exit policy, the safest first, and the loosest that is proven to lose little enough.
public struct Calibration: Sendable {
  /// What a text is lost to.
  public enum Reference: String, Sendable, CaseIterable {
    /// The label of the data: lost is a text that dense gets right and the setting wrong. Their share is no less than the
    /// drop in accuracy.
    case labels
    /// Dense's answer: lost is a text that is answered otherwise.
    case dense
  }

  /// What is to be proven.
  public struct Goal: Sendable {
    /// The largest share of texts that may be lost.
    public var maxDrop: Double
    /// How sure that has to be.
    public var confidence: Double
    /// What a text is lost to.
    public var reference: Reference
    /// Whether the share is bounded among the texts that leave at each exit, not only over all.
    public var perExit: Bool
    /// The class whose texts alone count, those that have it among others too; nil for all.
    public var missClass: Int?

    /// A goal.
    public init(
      maxDrop: Double, confidence: Double, reference: Reference = .labels, perExit: Bool = false, missClass: Int? = nil
    ) {
      (self.maxDrop, self.confidence, self.reference) = (maxDrop, confidence, reference)
      (self.perExit, self.missClass) = (perExit, missClass)
    }
  }

  /// One setting and its losses.
  public struct Setting: Sendable {
    /// The policy with its parameters.
    public let exit: String
    /// Mean operations of a text, in billions, over all texts.
    public let gflop: Double
    /// Losses among all texts that count.
    public let whole: RiskCount
    /// Losses among those that leave at each exit, [layers + 1], the entry first.
    public let exits: [RiskCount]
  }

  /// What was to be proven.
  public let goal: Goal
  /// The settings, the safest first.
  public let settings: [Setting]
  /// The number of the setting chosen; nil when not even the safest is proven.
  public let chosen: Int?
  /// Where texts may be lost, by their numbers in `Setting.exits`: the exits that there are, and the last layer if tokens
  /// die, since only pruning can lose texts there.
  public let places: [Int]

  /// Calibrates by the outcomes of dense and of each setting on the same texts, `expected` being their labels. The order
  /// of the settings must not depend on them. `exits` are the boundaries with an exit, 0 for the entry; `prunes` says whether
  /// tokens die, so that texts can be lost at the last layer, too.
  public init(
    _ goal: Goal, dense: [SampleOutcome], settings: [(exit: String, outcomes: [SampleOutcome])],
    expected: [LabelTarget],
    layers: Int, exits: [Int], prunes: Bool
  ) {
    self.goal = goal
    places = exits + (prunes ? [layers] : [])
    let reference = goal.reference == .labels ? expected : dense.map(\.answer)
    let texts = dense.indices.filter { text in
      goal.missClass.map { reference[text].index == $0 || reference[text].classes.contains($0) } ?? true
    }
    self.settings = settings.map { exit, outcomes in
      func isLost(_ text: Int) -> Bool {
        outcomes[text].answer != reference[text] && dense[text].answer == reference[text]
      }
      return Setting(
        exit: exit, gflop: outcomes.lazy.map { Double($0.operations) / 1e9 }.mean,
        whole: RiskCount(losses: texts.count(where: isLost), of: texts.count),
        exits: (0...layers).map { layer in
          let leaving = texts.filter { outcomes[$0].exitLayer == layer }
          return RiskCount(losses: leaving.count(where: isLost), of: leaving.count)
        })
    }
    let control = RiskControl(limit: goal.maxDrop, confidence: goal.confidence)
    let (isPerExit, places) = (goal.perExit, places)
    chosen = control.loosest(
      self.settings.map { setting in isPerExit ? places.map { setting.exits[$0] } : [setting.whole] })
  }

  /// The exits that share the confidence, and that of each of their bounds.
  public var exitConfidence: Double {
    RiskControl(limit: goal.maxDrop, confidence: goal.confidence).confidence(of: places.count)
  }

  /// Where texts that leave are too few to prove anything, by the setting that loses no more than it may: how many there
  /// are, and about how many it takes. Without per-exit bounds the whole is the one place.
  public var lacking: [(place: String, found: Int, needed: Int?)] {
    guard let setting = settings.last(where: { $0.whole.risk <= goal.maxDrop }) ?? settings.first else { return [] }
    let parts: [(String, RiskCount)] =
      goal.perExit
      ? places.map { ($0 == 0 ? "at the entry" : "after layer \($0)", setting.exits[$0]) }
      : [("in all", (settings.first ?? setting).whole)]
    let confidence = goal.perExit ? exitConfidence : goal.confidence
    return parts.compactMap { place, risk in
      guard risk.count > 0 || !goal.perExit, risk.probability(above: goal.maxDrop) > 1 - confidence else { return nil }
      return (place, risk.count, risk.textsNeeded(limit: goal.maxDrop, confidence: confidence))
    }
  }
}
