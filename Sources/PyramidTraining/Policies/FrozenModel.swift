// What a model that stays as it is makes of labelled texts: the rows that exit policies read, and the answers of its heads.
// Fits of policies' weights are made from nothing else.

import PyramidModels

/// A checkpoint's [CLS] rows and heads, run over texts.
final class FrozenModel {
  /// What is known of some texts.
  struct Observation {
    /// Their numbers.
    var samples: [Int]
    /// Their classes.
    var labels: [Int]
    /// [CLS] rows [samples][boundaries][H].
    var rows: [Float]
    /// By boundary: the class that its exit head says of each text; empty where there is no head.
    var said: [[Int32]]
  }

  let context: TrainingContext
  /// Layers, from 0, that have an exit head.
  let exits: [Int]
  /// Boundaries between layers, and the width of a row.
  let boundaries, width: Int
  private let model, heads: StageProgram
  private let shares: EntryShares?
  private let featureWidth: Int

  /// Readies the model. Heads that it lacks are made up, so that features are there at every boundary, and not believed; throws
  /// when the model has none and `needsHeads`.
  init(_ context: TrainingContext, needsHeads: Bool = false) throws {
    self.context = context
    (exits, boundaries) = (context.exitHeads.filter { $0 < context.layers - 1 }, context.layers - 1)
    guard boundaries > 0 else { throw TrainingError("a model of one layer has no exits") }
    guard !needsHeads || !exits.isEmpty else {
      throw TrainingError("\(context.checkpoint.path): has no exit heads; fit them first, with --stages 4")
    }
    width = context.checkpoint.configuration.hiddenSize
    var recipe = StageRecipe()
    (recipe.exits, recipe.headInput) = (Array(0..<boundaries), context.headInput ?? .first)
    (recipe.trainsTrunk, recipe.last, recipe.linearExits) = (false, nil, context.linearHeads)
    featureWidth = recipe.headInput.width(hidden: width)
    shares = EntryShares(context)
    try context.addHeads(of: recipe)
    let plain = try context.plainGraph()
    let target = context.target
    model = try StageProgram(.evaluation(plain, recipe, target: target), context)
    heads = try StageProgram(HeadGraph(like: plain, recipe, dropout: nil, target: target), context)
  }

  /// Shows what is made of all texts, batch by batch.
  func observe(_ texts: EncodedTexts, _ name: String, _ body: (Observation) throws -> Void) throws {
    let (options, classes) = (context.options, context.labels.count)
    let plan = BatchPlan(lengths: texts.lengths, budget: options.batchTokens, samples: options.batchSamples)
    for (number, samples) in plan.batches.enumerated() {
      try Interruption.check()
      context.progress("\(name), \(100 * number / plan.batches.count)%")
      let batch = texts.batch(samples)
      let read = try model.features(of: batch)
      let features = read.rows
      var logits = try heads.logits(of: batch, features: features)
      shares?.add(to: &logits, layers: Array(0..<boundaries), batch)
      try context.checkFinite(logits + [features, read.lastLogits])
      var answers = HeadAnswers(layers: Array(1...boundaries), classes: classes)
      answers.add(labels: batch.labels.map { Int32($0) }, logits: logits)
      // The row of [CLS] comes first in what a head reads.
      let rows = (0..<samples.count * boundaries).flatMap { features[$0 * featureWidth..<$0 * featureWidth + width] }
      let said = (0..<boundaries).map { head in
        exits.contains(head) ? samples.indices.map { answers.best(head: head, sample: $0) } : []
      }
      try body(Observation(samples: samples, labels: batch.labels, rows: rows, said: said))
    }
  }
}

extension TrainingContext {
  /// Throws when what the model computes is not numbers: of infinite scores any class is as good as another.
  func checkFinite(_ numbers: [[Float]]) throws(TrainingError) {
    if numbers.allSatisfy({ $0.allSatisfy(\.isFinite) }) { return }
    throw TrainingError(
      "\(checkpoint.path): computes scores or rows that are infinite or no numbers, so that there is nothing to fit to: "
        + "are its weights as they were saved?")
  }
}
