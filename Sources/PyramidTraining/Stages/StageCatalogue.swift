// Which stage trains what: the paper's four, and what goes beyond it, as recipes. The one place that knows them all.

import PyramidIR
import PyramidModels

/// Makes the stages of `mp-train`.
public enum StageCatalogue {
  /// The stage of that name. Throws when it can't be trained here.
  public static func make(_ name: StageName, _ context: TrainingContext) throws -> any TrainingStage {
    let options = context.options
    switch name {
    case .entry: return EntryStage(context)
    case .fineTuning: return ModelStage(name, context, try recipes(context))
    case .softPruning:
      // Thresholds rise with every update, so the last epoch is what stage 3 goes on from, not the best (as in LTP).
      let pruning = PruningMode.soft(temperature: Float(options.softTemperature), weight: Float(options.regularisation))
      return ModelStage(name, context, try recipes(context, pruning), keepsBest: false)
    case .hardPruning:
      let pruning = try context.hardPruning()
      if case .none = pruning { throw needsThresholds }
      return ModelStage(name, context, try recipes(context, pruning))
    case .exits:
      let exits = try exits(context)
      if exits.isEmpty { throw TrainingError("stage 4: there is no exit after a layer to train; see --exits") }
      let isAlone = !options.stages.contains { [.fineTuning, .softPruning, .hardPruning].contains($0) }
      let pruning = try context.hardPruning()
      if options.exitsTraining != .frozen && isAlone {
        return ModelStage(name, context, try recipes(context, pruning))
      }
      var recipe = StageRecipe()
      (recipe.exits, recipe.headInput, recipe.pruning) = (exits, options.headInput, pruning)
      (recipe.trainsTrunk, recipe.last, recipe.linearExits) = (false, nil, context.linearHeads)
      return ExitsStage(context, recipe)
    }
  }

  /// What stages that train the trunk do, in turn: the last head alone where exits are trained later; else exits too,
  /// each on its labels and on the last head's probabilities alike, half as much as the last head.
  private static func recipes(_ context: TrainingContext, _ pruning: PruningMode = .none) throws -> [StageRecipe] {
    var plain = StageRecipe()
    plain.pruning = pruning
    if context.options.exitsTraining == .frozen { return [plain] }
    var joint = plain
    (joint.exits, joint.headInput) = (try exits(context), context.options.headInput)
    joint.linearExits = context.linearHeads
    joint.exit = LossWeights(target: 0.25, lastHead: 0.25)
    switch context.options.exitsTraining {
    case .frozen, .joint: return [joint]
    case .alternating:
      // BERxiT: the last head in one update, all in the next.
      var last = joint
      last.exit = LossWeights(target: 0, lastHead: 0)
      return [joint, last]
    case .blocks:
      joint.separatesBlocks = true
      joint.exit = LossWeights(target: 0.5, lastHead: 0.5)
      return [joint]
    }
  }

  /// The layers with an exit head, from 0.
  private static func exits(_ context: TrainingContext) throws -> [Int] {
    try context.options.exits(layers: context.layers).layers.map { $0 - 1 }
  }

  /// What stage 3 says without stage 2 before it.
  static let needsThresholds = TrainingError(
    "stage 3 needs thresholds; train them first: --stages 2,3; or name a policy by which tokens die: --prune")
}
