// Stages 3 and 4 under a pruning policy that is named: tokens die in training as they do in the compiled model.

import BuiltInPolicies
import PyramidFormats
import PyramidModels
import PyramidPolicy
import PyramidRuntime
import PyramidTestSupport
import Testing

@testable import PyramidTraining

@Suite("Training under a pruning policy")
struct PruningChoiceTests {
  private func options(_ stages: [StageName], _ prune: String?) throws -> TrainingOptions {
    var options = TrainingOptions()
    (options.stages, options.epochs, options.batchTokens) = (stages, [2], 60)
    (options.learningRate, options.headLearningRate) = (1e-3, 1e-2)
    options.prune = try prune.map { try PolicySpec($0) }
    return options
  }

  @Test(
    "Heads that were trained while tokens die answer the same when compiled with that policy, and others without it",
    arguments: ["salience(threshold=1000)", "top-k(fraction=0.5)", "first-k(tokens=3)", "salience(attention=0.9)"])
  func compiled(prune: String) throws {
    let sample = try TrainingSample.ofThreeLayers()
    try sample.train("out", options: options([.entry, .hardPruning, .exits], prune), make: StageCatalogue.make)
    let again = try sample.training(of: sample.folder.path("out"), options([.exits], prune))
    let stage = try StageCatalogue.make(.exits, again.context)
    try stage.prepare()
    let batch = again.context.dev.batch(Array(0..<min(5, again.context.dev.count)))
    let trained = try stage.predict(batch).last!
    func answers(_ prune: String?) throws -> [[Float]] {
      try CompiledCheckpoint(sample.folder.path("out"), for: .native(), prune: prune).executor().run(batch.tokens)
        .map(\.logits)
    }
    let classes = again.context.labels.count
    let (same, dense) = (try answers(prune), try answers(nil))
    for row in same.indices {
      let expected = Array(trained[row * classes..<(row + 1) * classes])
      #expect(same[row].largestDifference(to: expected) <= 1e-4, "row \(row)")
    }
    #expect(zip(same, dense).contains { $0.largestDifference(to: $1) > 1e-3 })
  }

  @Test(
    "Every built-in policy trains the model, or is refused with a reason before anything is computed",
    arguments: BuiltInPolicies.all.compactMap { $0 as? any PruningPolicy.Type }.map { $0.name })
  func all(name: String) throws {
    let refused = [
      "merge": "makes rows go into others", "cls-fused": "makes rows go into others",
      "learned-skim": "--fit-policy learned-skim", "received-attention": "no learned 'prune.thresholds'",
    ]
    let unknown = ["cls-attention", "column-sum", "contribution", "inverse-cdf", "value-weighted"]
    let sample = try TrainingSample.ofThreeLayers()
    let options = try options([.entry, .hardPruning], name)
    do {
      _ = try sample.training(of: sample.checkpoint, options)
      #expect(refused[name] == nil && !unknown.contains(name), "\(name)")
    } catch {
      let reason = unknown.contains(name) ? "reads what training does not compute" : refused[name] ?? "no refusal"
      #expect("\(error)".hasPrefix("--prune: ") && "\(error)".contains(reason), "\(name): \(error)")
      return
    }
    try sample.train("out", options: options, make: StageCatalogue.make)
    let tensor = "bert.encoder.layer.2.output.dense.weight"
    let (before, after) = try (
      SafetensorsFile(path: sample.checkpoint + "/model.safetensors"),
      SafetensorsFile(path: sample.folder.path("out/model.safetensors"))
    )
    #expect(
      try before.floats(of: #require(before.entry(named: tensor)))
        != after.floats(of: #require(after.entry(named: tensor))))
  }

  @Test("A policy that there is not, of the other kind or out of range is refused, and stage 2 gives thresholds to one")
  func refused() throws {
    let sample = try TrainingSample.ofThreeLayers()
    for (prune, reason) in [
      ("entropy", "is an exit policy"), ("nope", "there is no prune policy 'nope'"),
      ("top-k(fraction=2)", "fraction=2"), ("salience(attention=[1, 1, 1])", "attention"),
    ] {
      #expect {
        _ = try sample.training(of: sample.checkpoint, options([.entry, .hardPruning], prune))
      } throws: { "\($0)".hasPrefix("--prune: ") && "\($0)".contains(reason) }
    }
    try sample.train(
      "out", options: options([.entry, .softPruning, .hardPruning], "salience(attention=#prune.thresholds)"),
      make: StageCatalogue.make)
    // Another policy is another training.
    #expect(try options([.exits], "top-k").arguments != options([.exits], "first-k").arguments)
  }
}
