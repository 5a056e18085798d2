// A stage that runs the whole model: fine-tuning, and the two of pruning. Which heads, masks and losses there are is its
// recipe's; which parameters train at which rate is decided here.

import PyramidIR
import PyramidModels
import PyramidRuntime

/// Stage 1, 2 or 3.
final class ModelStage: TrainingStage {
  let name: StageName
  let heads: [String]
  let epochs: Int
  let keepsBest: Bool
  private(set) var groups: [ParameterGroup] = []
  private let context: TrainingContext
  /// What batches are trained by, in turn: one recipe, or two that alternate.
  private let recipes: [StageRecipe]
  private var training: [StageProgram] = []
  private var evaluation: StageProgram?

  /// A stage of a training. `recipes` take turns batch by batch, and have the same exits and pruning.
  init(_ name: StageName, _ context: TrainingContext, _ recipes: [StageRecipe], keepsBest: Bool = true) {
    (self.name, self.context, self.recipes, self.keepsBest) = (name, context, recipes, keepsBest)
    heads = recipes[0].exits.map { "\($0 + 1)" } + ["\(context.layers)"]
    epochs = context.options.epochs(of: name)
  }

  func prepare() throws {
    let plain = try context.plainGraph()
    training = try recipes.map { recipe in
      try StageProgram(
        .training(plain, recipe, dropout: context.checkpoint.configuration.dropout, target: .native()), context)
    }
    evaluation = try StageProgram(.evaluation(plain, recipes[0], target: .native()), context)
    groups = context.groups(of: Set(training.flatMap(\.trained)))
  }

  func accumulate(_ batch: TrainingBatch) throws -> Double {
    try training[batch.number % training.count].train(batch, targets: context.targets(of: batch))
  }

  func predict(_ batch: TrainingBatch) throws -> [[Float]] { try evaluation!.logits(of: batch) }

  func finish() throws {}
}

extension TrainingContext {
  /// The parameters of these names in groups: embeddings and layers; the heads; the thresholds.
  func groups(of names: Set<String>) -> [ParameterGroup] {
    func group(_ rate: Double, _ belongs: (String) -> Bool) -> ParameterGroup {
      ParameterGroup(
        parameters.all.filter { names.contains($0.name) && belongs($0.name) }, learningRate: rate,
        weightDecay: options.weightDecay)
    }
    let isHead = { (name: String) in
      name.hasPrefix("exits.") || checkpoint.family.headTensors.contains { name.hasPrefix($0) }
    }
    let isThreshold = { (name: String) in name == StageGraph.thresholds }
    return [
      group(options.learningRate) { !isHead($0) && !isThreshold($0) }, group(options.headLearningRate, isHead),
      group(options.thresholdLearningRate, isThreshold),
    ].filter { !$0.parameters.isEmpty }
  }

  /// The distribution that each sample of a batch is trained towards, [B, classes]: all on its class, or half of it
  /// what the teachers say.
  func targets(of batch: TrainingBatch) -> [Float] {
    let classes = labels.count
    var targets = [Float](repeating: 0, count: batch.samples.count * classes)
    for (row, label) in batch.labels.enumerated() { targets[row * classes + label] = 1 }
    return targets
  }
}
