// What is fitted to a model that stays as it is: a linear predictor on made-up rows, and what a frozen model is seen to say
// against the oracle.

import PyramidEvaluation
import PyramidFormats
import PyramidModels
import PyramidPolicy
import PyramidReference
import PyramidRuntime
import PyramidTestSupport
import Testing

@testable import PyramidTraining

@Suite struct PolicyFitTests {
  /// Rows of three numbers, of which the second says most and lies far from 0; one in ten is wrong.
  private func rows(_ count: Int) -> (rows: [Float], labels: [Bool]) {
    var random = SeededRandom(seed: 4, stream: "rows")
    var (rows, labels): ([Float], [Bool]) = ([], [])
    for _ in 0..<count {
      let row = [random.normal(), 30 + 4 * random.normal(), random.normal()]
      rows += row
      labels.append((row[1] > 32) != (random.unit() < 0.1))
    }
    return (rows, labels)
  }

  @Test func `A linear predictor finds what decides, at a probability that is true`() {
    let (rows, labels) = rows(2000)
    let (weight, bias) = LogisticRegression.fit(rows, width: 3, labels, seed: 1)
    #expect(weight[1] > 10 * max(abs(weight[0]), abs(weight[2])) / 4 && weight[1] > 0.2)
    func predicted(_ x: Float) -> Float { 1 / (1 + exponential(-(weight[1] * x + bias))) }
    #expect(predicted(24) < 0.2 && predicted(40) > 0.8)
    let mean = labels.indices.reduce(Float(0)) { sum, index in
      let z = (0..<3).reduce(bias) { $0 + weight[$1] * rows[index * 3 + $1] }
      return sum + 1 / (1 + exponential(-z))
    }
    // Of the likeliest predictor the mean prediction is the share of labels.
    #expect(abs(mean / 2000 - Float(labels.count { $0 }) / 2000) < 0.03)
    let again = LogisticRegression.fit(rows, width: 3, labels, seed: 1)
    #expect(again.weight == weight && again.bias == bias)
  }

  private func exponential(_ x: Float) -> Float { Float(PyramidPolicy.exponential(Double(x))) }

  @Test(arguments: [HeadInput.first, .firstAndMean])
  func `What heads are seen to say, and the rows, are the oracle's`(input: HeadInput) throws {
    let folder = try TemporaryFolder()
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.classes, recipe.readsMean) = (3, 3, input == .firstAndMean)
    let path = try recipe.write(in: folder)
    let data = try folder.write(
      "train.tsv", (0..<30).map { "\($0 % 3)\tw\(5 + $0) w\(6 + $0 % 7) w\(5 + $0 % 11)\n" }.joined())
    let checkpoint = try Checkpoint(path: path)
    let rows = try TrainingData(
      path: data, dev: data, checkpoint: checkpoint.configuration.labels, seed: 1, layout: { _ in TextLayout(.tsv) })
    let training = try Training(checkpoint, rows, TrainingOptions(), threads: 1)
    let texts = training.context.train
    let compiled = try CompiledCheckpoint(path, for: .portable, exit: "never-exit")
    let ids = (0..<texts.count).map { Array(texts.tokens(of: $0)) }
    let oracle = try compiled.oracle().run(ReferenceBatch(tokenIDs: ids))
    var seen = 0
    let model = try FrozenModel(training.context, needsHeads: true)
    #expect(model.boundaries == 2 && model.exits == [0, 1])
    try model.observe(texts, "test") { observation in
      for (place, sample) in observation.samples.enumerated() {
        seen += 1
        #expect(observation.labels[place] == texts.labels[sample])
        for head in model.exits {
          let logits = try #require(oracle[sample].headLogits[head + 1])
          #expect(Int(observation.said[head][place]) == logits.indices.max { logits[$0] < logits[$1] })
        }
        #expect(observation.rows.count == observation.samples.count * 2 * model.width)
      }
    }
    #expect(seen == 30)
    // Weights of heads are their accuracies.
    let fit = try #require(PolicyFit.all.first { $0.policy == "expert-vote" })
    let weights = try fit.fit(training.context).tensors[0].tensor.values
    let right = (0..<2).map { head in
      Float(
        oracle.indices.count { sample in
          let logits = oracle[sample].headLogits[head + 1] ?? []
          return logits.indices.max { logits[$0] < logits[$1] } == texts.labels[sample]
        }) / 30
    }
    #expect(weights == right)
  }

  @Test(arguments: [
    ("exits.0.classifier", ["expert-vote", "prototype", "learned-exit"]),
    ("bert.encoder.layer.0.output.dense", PolicyFit.all.map(\.policy)),
  ])
  func `To scores that are no numbers nothing is fitted`(part: String, policies: [String]) throws {
    let sample = try TrainingSample()
    let path = try CheckpointRecipe().write(in: sample.folder)
    let file = try SafetensorsFile(path: path + "/model.safetensors")
    var writer = try SafetensorsWriter(
      path: file.path, tensors: file.tensors.map { TensorDeclaration($0.name, $0.type, $0.shape) }, alignment: 1)
    for tensor in file.tensors {
      // Finite each, and their sums are not; by rows with either sign, so that one overflows whatever it is multiplied by.
      func large(_ place: Int) -> Float {
        tensor.shape.count > 1 && place / tensor.shape[1] % 2 == 1 ? -3.4e38 : 3.4e38
      }
      let values = try file.floats(of: tensor)
      try writer.append(tensor.name.hasPrefix(part) ? values.indices.map(large) : values, to: tensor.name)
    }
    try writer.finish()
    let context = try sample.training(of: path, TrainingOptions()).context
    for policy in policies {
      let fit = try #require(PolicyFit.all.first { $0.policy == policy })
      let error = #expect(throws: TrainingError.self, "\(policy)") { try fit.fit(context) }
      #expect(error?.description.contains("infinite or no numbers") == true, "\(policy): \(String(describing: error))")
    }
  }
}
