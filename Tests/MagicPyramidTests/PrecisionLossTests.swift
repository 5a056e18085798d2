// What bf16 and int8 cost in accuracy, on labelled texts of real models, dense and with policies. The bars are the
// project's: on whole test sets bf16 loses at most 0.1 points against f32, int8 0.3.

import Foundation
import MagicPyramid
import PyramidTestSupport
import Testing

@Suite(.serialized) struct `Accuracy lost to precision` {
  private struct LabelledText { let label: String, text: String }

  private static func read(_ path: String, limit: Int = .max) throws -> [LabelledText] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").prefix(limit).map { line in
      let fields = line.split(separator: "\t", maxSplits: 1)
      return LabelledText(label: String(fields[0]), text: String(fields[1]))
    }
  }

  /// Texts that a model answers right, of all.
  private func correct(
    _ checkpoint: String, _ texts: [LabelledText], _ precision: Precision, exit: String?, prune: String?
  ) throws -> Int {
    let set = try #require(InstructionSet.supported.last)
    let compiled = try CompiledCheckpoint(checkpoint, for: set, exit: exit, prune: prune, precision: precision)
    let classifier = try Classifier(model: compiled.model, registry: CompiledCheckpoint.registry.get())
    let answers = try classifier.classify(texts.map(\.text))
    return zip(texts, answers).count { $0.0.label == $0.1.label || Int($0.0.label) == $0.1.labelIndex }
  }

  @Test(arguments: [Precision.bf16, .int8])
  func `is next to nothing on a hundred texts`(precision: Precision) throws {
    let texts = try Self.read(Repository.defaultCheckpoint + "/sample.tsv", limit: 100)
    for (exit, prune) in [(nil, nil), ("entropy(threshold=0.1)", "received-attention")] {
      let plain = try correct(Repository.defaultCheckpoint, texts, .f32, exit: exit, prune: prune)
      let reduced = try correct(Repository.defaultCheckpoint, texts, precision, exit: exit, prune: prune)
      #expect(plain > 90 && reduced >= plain - 1, "\(reduced) of \(texts.count) right, \(plain) in f32")
    }
  }

  private static let models = [
    ("dbpedia14-minilm-l6-v8k", "dbpedia14_part", "entropy(threshold=0.1)"),
    ("agnews-minilm-l6", "ag_news", "entropy(threshold=0.3)"),
  ]

  @Test(
    .enabled(if: Repository.runsLongTests && Repository.shared != nil, "needs MP_LONG_TESTS=1 and the shared folder"),
    arguments: models)
  func `stays within its bar on whole test sets`(model: String, data: String, exit: String) throws {
    let shared = try #require(Repository.shared)
    let texts = try Self.read("\(shared)/data/\(data)/test.tsv")
    for (exit, prune) in [(nil, nil), (exit, "received-attention")] {
      let counts = try Precision.allCases.map {
        try correct("\(shared)/models/\(model)", texts, $0, exit: exit, prune: prune)
      }
      let points = counts.map { 100 * Double($0) / Double(texts.count) }
      let lost = points.map { points[0] - $0 }
      #expect(lost[1] <= 0.1 && lost[2] <= 0.3, "\(model), exit \(exit ?? "none"): f32, bf16, int8 \(points)")
    }
  }
}
