// A stage that runs the whole model: fine-tuning, the two of pruning, and exits that train with the layers below them.
// Which heads, masks and losses there are is its recipe's affair.

import PyramidIR
import PyramidModels

/// A stage that trains trunk and heads together.
final class ModelStage: TrainingStage {
  let name: StageName
  let heads: [String]
  let epochs: Int
  let keepsBest: Bool
  private(set) var groups: [ParameterGroup] = []
  private let context: TrainingContext
  private let recipes: [StageRecipe]
  private var training: [StageProgram] = []
  private var evaluation: StageProgram?

  /// A stage of a training. `recipes` take turns update by update; they have the same exits and the same pruning.
  init(_ name: StageName, _ context: TrainingContext, _ recipes: [StageRecipe], keepsBest: Bool = true) {
    (self.name, self.context, self.recipes, self.keepsBest) = (name, context, recipes, keepsBest)
    heads = recipes[0].exits.map { "\($0 + 1)" } + ["\(context.layers)"]
    epochs = context.epochs(of: name)
  }

  func prepare() throws {
    try context.addHeads(of: recipes[0])
    if !recipes[0].exits.isEmpty { context.removeEntryShares() }
    if case .soft = recipes[0].pruning { try context.addThresholds() }
    let plain = try context.plainGraph()
    let (target, precision) = (context.target, context.options.precision.kernels)
    let rates = context.checkpoint.configuration.dropout
    training = try recipes.map { recipe in
      let graph = try StageGraph.training(plain, recipe, dropout: rates, target: target, precision: precision)
      return try StageProgram(graph, context, prune: recipe.prune)
    }
    let graph = try StageGraph.evaluation(plain, recipes[0], target: target)
    evaluation = try StageProgram(graph, context, prune: recipes[0].prune)
    groups = try context.groups(of: Set(training.flatMap(\.trained)))
  }

  func accumulate(_ batch: TrainingBatch) throws -> Double {
    try training[batch.update % training.count].train(batch, targets: context.targets(of: batch))
  }

  func predict(_ batch: TrainingBatch) throws -> [[Float]] { try evaluation!.logits(of: batch) }

  func score(_ heads: [HeadResult]) -> Double {
    // A head that is right earlier is worth as much as the last one being right more often.
    let accuracy = heads.map(\.accuracy).reduce(0, +) / Double(heads.count)
    return accuracy - 1e-6 * (heads.last?.loss ?? 0)
  }

  func finish() throws {
    if !recipes[0].exits.isEmpty { try context.fitTemperatures(exits: recipes[0].exits) { try self.predict($0) } }
  }
}
