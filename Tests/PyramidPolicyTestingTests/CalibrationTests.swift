// Calibration with a model, and its counting by hand.

import PyramidFormats
import PyramidTestSupport
import Testing

@testable import PyramidPolicyTesting

@Suite struct CalibrationTests {
  private func outcome(_ label: Int, _ layer: Int) -> SampleOutcome {
    SampleOutcome(.one(label), exitLayer: layer, tokensAlive: [5], operations: 10 + layer, paperOperations: 1)
  }

  /// Four kinds of texts, 100 of each: expected 0; dense is wrong on the last kind.
  private func calibration(_ goal: Calibration.Goal, exits: [Int] = [0, 1]) -> Calibration {
    let kinds = [0, 1, 2, 3].flatMap { Array(repeating: $0, count: 100) }
    let expected = kinds.map { LabelTarget.one($0 == 1 ? 1 : 0) }
    let dense = kinds.map { outcome($0 == 3 ? 1 : $0 == 1 ? 1 : 0, 2) }
    // The safe one loses nothing; the loose one loses kind 1, which leaves at layer 1, and answers kind 3 as expected.
    let safe = kinds.map { outcome($0 == 3 ? 1 : $0 == 1 ? 1 : 0, $0 == 0 ? 1 : 2) }
    let loose = kinds.map { outcome(0, $0 == 2 ? 2 : 1) }
    return Calibration(
      goal, dense: dense, settings: [("safe", safe), ("loose", loose)], expected: expected, layers: 2, exits: exits,
      prunes: false)
  }

  @Test func `Losses are texts that dense gets right, or all that differ from dense, of the class that counts`() {
    let labels = calibration(.init(maxDrop: 0.3, confidence: 0.95))
    #expect(labels.settings[0].whole == RiskCount(losses: 0, of: 400))
    #expect(labels.settings[1].whole == RiskCount(losses: 100, of: 400))
    #expect(
      labels.settings[1].exits == [.init(losses: 0, of: 0), .init(losses: 100, of: 300), .init(losses: 0, of: 100)])
    #expect(labels.chosen == 1)
    let against = calibration(.init(maxDrop: 0.3, confidence: 0.95, reference: .dense))
    #expect(against.settings[1].whole == RiskCount(losses: 200, of: 400) && against.chosen == 0)
    let missed = calibration(.init(maxDrop: 0.3, confidence: 0.95, missClass: 1))
    #expect(missed.settings[1].whole == RiskCount(losses: 100, of: 100) && missed.chosen == 0)
  }

  @Test func `A bound over all texts hides what an exit loses, one for each exit does not`() {
    let hidden = calibration(.init(maxDrop: 0.3, confidence: 0.95, perExit: true))
    #expect(hidden.chosen == 0 && hidden.exitConfidence == 0.975)
    // Where there is no exit, nothing has to be bounded.
    let single = calibration(.init(maxDrop: 0.3, confidence: 0.95, perExit: true), exits: [1])
    #expect(single.chosen == 0 && single.exitConfidence == 0.95 && !single.markdown.contains("entry"))
    // 100 texts that leave at layer 1 bound nothing as small as this.
    let strict = calibration(.init(maxDrop: 0.01, confidence: 0.95, perExit: true))
    #expect(strict.chosen == nil && strict.lacking.map(\.place) == ["after layer 1"] && strict.lacking[0].found == 100)
    #expect((strict.lacking[0].needed ?? 0) > 300 && strict.objection.contains("it takes about"))
  }

  @Test func `The settings of a policy are those of its range, or of its first number`() throws {
    let source = try Scene().source
    #expect(
      try source.settings(of: "entropy(threshold=0.1...0.3/3)")
        == ["0.1", "0.2", "0.3"].map { "entropy(threshold=\($0))" })
    let usual = try source.settings(of: "entropy")
    #expect(usual.count == 47 && usual[0] == "entropy(threshold=0.001)" && usual[46] == "entropy(threshold=0.999)")
    #expect(try source.settings(of: "patience").first == "patience(patience=1)")
    #expect(throws: ComparisonError.self) { try source.settings(of: "never-exit") }
  }

  @Test func `The walk starts at the setting that leaves last, whichever end that is`() throws {
    let scene = try Scene(texts: 60)
    let found = try ["entropy(threshold=0.2...0.9/4)", "patience(patience=1...2)"].map {
      try ExitCalibration(
        scene.source, exit: $0, prune: nil, goal: .init(maxDrop: 0.9, confidence: 0.9, reference: .dense),
        texts: LabelledDataSet(path: scene.data, labels: Scene.labels), dataChecksum: String(repeating: "0", count: 64))
    }
    #expect(found[0].calibration.settings.map(\.exit).first == "entropy(threshold=0.2)")
    #expect(found[1].calibration.settings.map(\.exit) == ["patience(patience=2)", "patience(patience=1)"])
    let certificate = try #require(found[0].certificate)
    #expect(
      certificate.exit == found[0].calibration.settings[found[0].calibration.chosen!].exit && certificate.count == 60)
    let json = JSONField(certificate.json, file: "c")
    #expect(try Certificate(reading: json) == certificate)
    for (key, value) in [
      ("max_drop", -3), ("confidence", 1.5), ("against", "foo"), ("data_sha256", "00"), ("bounds", .array([])),
      ("n", 1_000_000), ("max_drop", 0.8),
    ] as [(String, JSONValue)] {
      var object = try json.object()
      object[key] = value
      #expect(throws: FormatError.self, "\(key)") {
        try Certificate(reading: JSONField(.object(object), file: "c"))
      }
    }
    #expect(throws: FormatError.self) {
      try certificate.check(checkpoint: certificate.checkpoint, precision: "int8", exit: nil, prune: nil, file: "m")
    }
  }
}
