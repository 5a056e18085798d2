// Exits for models whose layers have no gradients here: stage 4 and the entry run them as they are, in every family. What
// the trainer's heads say is what the compiled model answers.

import Foundation
import PyramidFormats
import PyramidKernels
import PyramidModels
import PyramidRuntime
import PyramidTestSupport
import Testing

@testable import PyramidTraining

@Suite("Exits in families that are not trained")
struct FamilyExitTests {
  static let names = ["mpnet", "deberta-v3", "deberta-v2-own", "modernbert", "modernbert-mean"]

  /// Rows of two classes or three for a checkpoint of the goldens.
  private func sample(_ name: String) throws -> TrainingSample {
    let path = "\(Repository.root)/Tests/Golden/families/\(name)"
    return try TrainingSample(checkpoint: path, classes: Checkpoint(path: path).classes ?? 0)
  }

  private func options(_ stages: [StageName]) -> TrainingOptions {
    var options = TrainingOptions()
    (options.stages, options.epochs, options.batchTokens) = (stages, [2], 200)
    (options.headLearningRate, options.exits) = (1e-2, ExitChoice(entry: true, layers: [1]))
    return options
  }

  @Test(
    "A checkpoint gets an entry and heads that answer as they were trained, and no tensor of it changes",
    arguments: names)
  func exits(name: String) throws {
    let sample = try sample(name)
    try sample.train("out", options: options([.entry, .exits]), make: StageCatalogue.make)
    let (before, after) = try (
      Checkpoint(path: sample.checkpoint), Checkpoint(path: sample.folder.path("out"))
    )
    for tensor in before.weights.originals.keys where !tensor.hasPrefix("exits.") {
      let values = try before.weights.tensors.floats(of: #require(before.weights.originals[tensor]))
      #expect(try after.weights.tensors.floats(of: #require(after.weights.originals[tensor])) == values, "\(tensor)")
    }
    let again = try sample.training(of: sample.folder.path("out"), options([.exits]))
    let stage = try StageCatalogue.make(.exits, again.context)
    try stage.prepare()
    let batch = again.context.dev.batch(Array(0..<min(5, again.context.dev.count)))
    let trained = try stage.predict(batch)
    for (head, exit) in ["fixed-layer(layer=1)", nil].enumerated() {
      let executor = try CompiledCheckpoint(sample.folder.path("out"), for: .native(), exit: exit).executor()
      let answers = try executor.run(batch.tokens)
      let classes = again.context.labels.count
      for (row, answer) in answers.enumerated() {
        #expect(exit == nil || answer.exitLayer == 1)
        let expected = Array(trained[head][row * classes..<(row + 1) * classes])
        #expect(answer.logits.largestDifference(to: expected) <= 1e-4, "head \(head), row \(row)")
      }
    }
  }

  @Test("Stages that would change their layers are refused before anything is trained", arguments: names)
  func layers(name: String) throws {
    let sample = try sample(name)
    for stages in [[StageName.fineTuning], [.entry, .softPruning, .hardPruning]] {
      let error = #expect(throws: (any Error).self) {
        try sample.train("out", options: options(stages), make: StageCatalogue.make)
      }
      #expect("\(error.map { "\($0)" } ?? "")".contains("can't be trained here; --stages entry,4 adds exits"))
    }
    #expect(!FileManager.default.fileExists(atPath: sample.folder.path("out")))
    #expect(try !hasGradients(sample.checkpoint))
  }

  /// Whether all operations of a model have gradients by their facts, which is what mp-compile goes by.
  private func hasGradients(_ path: String) throws -> Bool {
    try LoweredModel(Checkpoint(path: path), name: "x").graph.nodes.allSatisfy { $0.op.facts.hasGradient }
  }

  @Test("Families that are trained have gradients of all operations", arguments: CheckpointRecipe.Family.allCases)
  func gradients(family: CheckpointRecipe.Family) throws {
    let folder = try TemporaryFolder()
    #expect(try hasGradients(CheckpointRecipe(family).write(in: folder)))
  }
}
