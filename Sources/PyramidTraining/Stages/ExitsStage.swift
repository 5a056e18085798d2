// Stage 4 as published: exit heads learn what the last head says, the layers stay as they are. What the heads read does
// not change then, so it is computed once, and an epoch is a matter of seconds.

import PyramidIR
import PyramidModels

/// Trains exit heads on features of a frozen model.
final class ExitsStage: TrainingStage {
  let name = StageName.exits
  let heads: [String]
  let epochs: Int
  let keepsBest = true
  private(set) var groups: [ParameterGroup] = []
  private let context: TrainingContext
  private let recipe: StageRecipe
  private var model: StageProgram?
  private var training: StageProgram?
  private var evaluation: StageProgram?
  private var caches: [ObjectIdentifier: FeatureCache] = [:]

  /// The stage; `recipe` says which exits there are, what they read, and which tokens die.
  init(_ context: TrainingContext, _ recipe: StageRecipe) {
    (self.context, self.recipe) = (context, recipe)
    heads = recipe.exits.map { "\($0 + 1)" } + ["\(context.layers)"]
    epochs = context.epochs(of: .exits)
  }

  func prepare() throws {
    try context.addHeads(of: recipe)
    context.removeEntryShares()
    let plain = try context.plainGraph()
    let target = context.target
    model = try StageProgram(.evaluation(plain, recipe, target: target), context, prune: recipe.prune)
    func program(_ dropout: DropoutRates?) throws -> StageProgram {
      try StageProgram(HeadGraph(like: plain, recipe, dropout: dropout, target: target), context)
    }
    training = try program(DropoutRates(classifier: context.checkpoint.configuration.dropout.classifier))
    evaluation = try program(nil)
    groups = try context.groups(of: Set(training!.trained))
    // Of a resumed training the exits, which features do not depend on, are at some later step.
    let checksum = context.parameters.checksum { !$0.hasPrefix("exits.") }
    for (texts, name) in [(context.train, "train"), (context.dev, "dev")] {
      caches[ObjectIdentifier(texts)] = try FeatureCache(texts, name, context, model: model!, checksum: checksum)
    }
  }

  func accumulate(_ batch: TrainingBatch) throws -> Double {
    let known = try features(of: batch)
    let classes = context.labels.count
    var targets = known.lastLogits
    for row in 0..<batch.samples.count {
      HeadAnswers.softmax(&targets, row * classes..<(row + 1) * classes)
    }
    return try training!.train(batch, targets: targets, features: known.rows)
  }

  func predict(_ batch: TrainingBatch) throws -> [[Float]] {
    let known = try features(of: batch)
    return try evaluation!.logits(of: batch, features: known.rows) + [known.lastLogits]
  }

  /// The mean accuracy of the exits: the last head stays as it is.
  func score(_ heads: [HeadResult]) -> Double {
    let exits = heads.dropLast()
    return exits.map { $0.accuracy - 1e-6 * $0.loss }.reduce(0, +) / Double(max(exits.count, 1))
  }

  func finish() throws { try context.fitTemperatures(exits: recipe.exits) { try self.predict($0) } }

  private func features(of batch: TrainingBatch) throws -> FeatureCache.Features {
    if let cache = caches[ObjectIdentifier(batch.texts)], let known = cache.features(of: batch.samples) { return known }
    return try model!.features(of: batch)
  }
}
