// Calibration with models: which settings of a policy are walked, what they answer, and the certificate of the one that
// is chosen. What the losses prove is worked out in PyramidEvaluation.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats

/// One exit policy of a model, calibrated.
public struct ExitCalibration {
  /// Settings, losses and the choice.
  public let calibration: Calibration
  /// The certificate of the setting chosen; nil when none was.
  public let certificate: Certificate?

  /// Calibrates the policy `exit` of a model (its name, perhaps with arguments, perhaps with one range of values), in
  /// company of the pruning policy `prune`, by `texts`, whose file has the checksum `dataChecksum`.
  ///
  /// The settings are walked from the one that leaves last to the one that leaves first. Throws `ComparisonError` when it
  /// is not clear which settings are meant, or answers are neither right nor wrong, and what making and running classifiers
  /// throws.
  public init(
    _ source: ModelSource, exit: String, prune: String?, goal: Calibration.Goal, texts: LabelledDataSet,
    dataChecksum: String, progress: @escaping (String) -> Void = { _ in }
  ) throws {
    guard source.task.labelKind != .value else {
      throw ComparisonError(
        "\(source.path): answers with a number, which is neither right nor wrong, so that there is no loss to bound; "
          + "compare settings instead: mp-compare --policy 'exit=value-change(threshold=LOW...HIGH/COUNT)'")
    }
    let options = try source.settings(of: exit).map { PolicyOption(name: $0, exit: $0, prune: prune) }
    let contenders = try source.contenders(options, progress: progress)
    let dense = contenders[0].classifier
    let workload = try Workload(texts, classifier: dense, batch: min(32, dense.batchLimits.samples))
    var measuring = MeasurementOptions()
    (measuring.isTimed, measuring.progress) = (false, progress)
    let measurement = try Measurement(contenders, workload, measuring)
    var settings = zip(contenders, measurement.measured).dropFirst().map { contender, measured in
      (exit: contender.classifier.policies.exit?.spec.description ?? "", outcomes: measured.outcomes)
    }
    func depth(_ setting: (exit: String, outcomes: [SampleOutcome])) -> Int {
      setting.outcomes.reduce(0) { $0 + $1.exitLayer }
    }
    if let first = settings.first, let last = settings.last, depth(first) < depth(last) { settings.reverse() }
    let calibration = Calibration(
      goal, dense: measurement.measured[0].outcomes, settings: settings, expected: workload.key.targets,
      layers: dense.model.graph.shape.layers,
      exits: contenders[1].classifier.model.graph.decisions.exits.map(\.number).sorted(), prunes: prune != nil)
    self.calibration = calibration
    certificate = calibration.chosen.map { chosen in
      let setting = calibration.settings[chosen]
      // The setting was chosen by the same texts: what is proven of it is the goal, and no lower bound that they show.
      func bound(_ exit: Int?, _ risk: RiskCount) -> Certificate.Bound {
        .init(exit: exit, count: risk.count, losses: risk.losses, bound: risk.count > 0 ? goal.maxDrop : nil)
      }
      let bounds =
        [bound(nil, setting.whole)]
        + (goal.perExit ? calibration.places.map { bound($0, setting.exits[$0]) } : [])
      return Certificate(
        checkpoint: dense.model.header.checkpoint, precision: source.precision.rawValue, exit: setting.exit,
        prune: contenders[1].classifier.policies.prune.flatMap { prune == nil ? nil : $0.spec.description },
        dataChecksum: dataChecksum, count: workload.texts.count, maxDrop: goal.maxDrop, confidence: goal.confidence,
        against: goal.reference.rawValue, missClass: goal.missClass.map { dense.labels[$0] }, bounds: bounds)
    }
  }
}

extension ModelSource {
  /// The settings of an exit policy that calibration walks: those of the range that its text has, else about fifty values
  /// of its first free number, denser towards both ends of its range, where criteria are decided.
  func settings(of exit: String) throws -> [String] {
    let sweep = try PolicySweep("exit=\(exit)")
    if sweep.options.count > 1 {
      guard sweep.notes.count == 1 else {
        throw ComparisonError(
          "\(exit): settings are walked one after another: give one range, not \(sweep.notes.count)")
      }
      return sweep.options.map { $0.exit ?? "" }
    }
    let spec = try PolicySpec(exit)
    let free = try parameters(spec, .exit).filter { spec[$0.name] == nil }
    for parameter in free {
      let values: [Double]
      switch parameter.kind {
      case .number(_, let range) where range.upperBound - range.lowerBound <= 2:
        values = Self.shares.map { range.lowerBound + $0 * (range.upperBound - range.lowerBound) }
      case .integer(_, let range) where parameter.name != "seed":
        // Most whole numbers count layers or heads.
        let last = max(range.lowerBound, min(range.upperBound, range.lowerBound + 24, layers - 1))
        values = (range.lowerBound...last).map(Double.init)
      default: continue
      }
      return values.map { value in
        let argument = PolicySpec.Argument(name: parameter.name, value: .number(value))
        return PolicySpec(name: spec.name, arguments: [argument] + spec.arguments).description
      }
    }
    throw ComparisonError("\(exit): which settings? give a range, as in threshold=0.01...0.8/40")
  }

  private static let shares: [Double] = {
    let lower = [
      0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.175, 0.2,
      0.25,
      0.3, 0.35, 0.4, 0.45,
    ]
    return lower + [0.5] + lower.reversed().map { ((1 - $0) * 10_000).rounded() / 10_000 }
  }()
}
