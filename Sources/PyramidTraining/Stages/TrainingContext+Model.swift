// What stages that run the model ask of a training: its plain graph, the parameters of heads and thresholds, their
// groups, targets, and temperatures.

import PyramidIR
import PyramidKernels
import PyramidModels

extension TrainingContext {
  /// The instruction set that stages run on.
  var target: InstructionSet { (try? .native()) ?? .portable }

  /// The plain graph of the model with the training's classes.
  func plainGraph() throws -> Graph {
    try LoweredModel(checkpoint, name: "training", training: labels).graph
  }

  /// Adds the parameters of a recipe's exit heads.
  func addHeads(of recipe: StageRecipe) {
    let configuration = checkpoint.configuration
    let shape = ModelShape(
      family: configuration.family, layers: configuration.layers, hidden: configuration.hiddenSize,
      heads: configuration.heads, intermediate: configuration.intermediateSize, classes: labels.count)
    for layer in recipe.exits {
      for (name, shape) in ExitHead(layer: layer, input: recipe.headInput).tensors(of: shape) {
        parameters.add(name, shape)
      }
    }
  }

  /// Adds the pruning thresholds [layers - 1], which start as LTP's: rising linearly with depth to 0.01 of a text that
  /// is padded to 128 tokens, 1.28 of uniform attention.
  func addThresholds() {
    parameters.add(StageGraph.thresholds, [layers - 1]) {
      (0..<layers - 1).map { 1.28 * Float($0) / Float(layers) }
    }
  }

  /// The parameters of these names in groups: embeddings and layers; heads; thresholds.
  func groups(of names: Set<String>) -> [ParameterGroup] {
    func group(_ rate: Double, _ belongs: (String) -> Bool) -> ParameterGroup {
      ParameterGroup(
        parameters.all.filter { names.contains($0.name) && belongs($0.name) }, learningRate: rate,
        weightDecay: options.weightDecay)
    }
    let isHead = { [checkpoint] (name: String) in name.hasPrefix("exits.") || checkpoint.isHead(name) }
    let isThreshold = { (name: String) in name == StageGraph.thresholds }
    return [
      group(options.learningRate) { !isHead($0) && !isThreshold($0) }, group(options.headLearningRate, isHead),
      group(options.thresholdLearningRate, isThreshold),
    ].filter { !$0.parameters.isEmpty }
  }

  /// The distribution that each sample of a batch is trained towards, [B, classes]: all on its class; with a teacher half
  /// of it is what that says.
  func targets(of batch: TrainingBatch) throws -> [Float] {
    let classes = labels.count
    var targets = [Float](repeating: 0, count: batch.samples.count * classes)
    for (row, label) in batch.labels.enumerated() { targets[row * classes + label] = 1 }
    return targets
  }

  /// Fits the temperature of each exit on dev and writes `exits.temperatures` [layers - 1], 1 where there is no head.
  func fitTemperatures(exits: [Int], predict: (TrainingBatch) throws -> [[Float]]) throws {
    let answers = try devAnswers(layers: exits.map { $0 + 1 } + [layers], predict: predict)
    let temperatures = parameters.add("exits.temperatures", [layers - 1]) { Array(repeating: 1, count: layers - 1) }
    for (number, layer) in exits.enumerated() { temperatures.values[layer] = answers.temperature(head: number) }
  }

  /// What heads say of the samples of dev.
  func devAnswers(layers: [Int], predict: (TrainingBatch) throws -> [[Float]]) throws -> HeadAnswers {
    var answers = HeadAnswers(layers: layers, classes: labels.count)
    for samples in BatchPlan(lengths: dev.lengths, budget: options.batchTokens).batches {
      try Interruption.check()
      let batch = dev.batch(samples)
      answers.add(labels: batch.labels.map { Int32($0) }, logits: try predict(batch))
    }
    return answers
  }
}
