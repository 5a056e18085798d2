// What stages distil from beside the labels: other checkpoints, dense, and the bag head of this training, in the mean of
// their probabilities. A teacher reads the same ids, so it must have the same vocabulary.

import PyramidIR
import PyramidModels

/// The teachers of a training; perhaps none.
final class Teachers {
  /// What `--teacher` says for the bag head of the training itself.
  static let entry = "entry"

  private let context: TrainingContext
  private var models: [StageProgram] = []
  private let asksEntry: Bool
  private var entry: BagHead?
  /// Of the training texts that were asked about: the sum of the models' probabilities, [classes].
  private var known: [Int: [Float]] = [:]

  /// The teachers that the options name. Throws when one can't be read, or knows other words or classes.
  init(_ context: TrainingContext) throws {
    self.context = context
    let names = context.options.teachers
    asksEntry = names.contains(Self.entry)
    models = try names.filter { $0 != Self.entry }.map { path in
      let checkpoint = try Checkpoint(path: path)
      guard checkpoint.tokenizer.rules.vocabulary == context.checkpoint.tokenizer.rules.vocabulary else {
        throw TrainingError("--teacher \(path): has another vocabulary than the checkpoint")
      }
      guard checkpoint.classes == context.labels.count else {
        throw TrainingError("--teacher \(path): is no classifier for \(context.labels.count) classes")
      }
      let own = checkpoint.configuration.labels
      if own != context.labels, LabelNames.areReal(own), LabelNames.areReal(context.labels) {
        throw TrainingError(
          "--teacher \(path): its classes are \(LabelNames.list(own)); the data's are \(LabelNames.list(context.labels)): "
            + "name the classes alike, and in the same order")
      }
      let model = try LoweredModel(checkpoint, name: "teacher", training: context.labels)
      var recipe = StageRecipe()
      recipe.last = nil
      let graph = try StageGraph.evaluation(model.graph, recipe, target: context.target)
      let parameters = try ParameterSet(checkpoint, labels: context.labels, seed: 0)
      return try StageProgram(graph, context, parameters: parameters)
    }
  }

  /// The mean of what the teachers say of a batch of the training texts, [B, classes]; nil without teachers. Each model is
  /// asked about a text once.
  func probabilities(of batch: TrainingBatch) throws -> [Float]? {
    if models.isEmpty && !asksEntry { return nil }
    var sums = try modelSums(of: batch)
    if asksEntry {
      let said = probabilities(try entryLogits(batch))
      for index in sums.indices { sums[index] += said[index] }
    }
    let count = Float(models.count + (asksEntry ? 1 : 0))
    return sums.map { $0 / count }
  }

  /// The mean of what the teachers but the entry say of all training texts, [texts, classes]; nil without such teachers.
  func probabilitiesOfModels() throws -> [Float]? {
    if models.isEmpty { return nil }
    let (options, train) = (context.options, context.train)
    let plan = BatchPlan(lengths: train.lengths, budget: options.batchTokens, samples: options.batchSamples)
    for (number, samples) in plan.batches.enumerated() {
      try Interruption.check()
      context.progress("entry: teachers, \(100 * number / plan.batches.count)%")
      _ = try modelSums(of: train.batch(samples))
    }
    return (0..<train.count).flatMap { known[$0]!.map { $0 / Float(models.count) } }
  }

  /// The sums of the models' probabilities of a batch, [B, classes]; zeros without models.
  private func modelSums(of batch: TrainingBatch) throws -> [Float] {
    let classes = context.labels.count
    if batch.samples.contains(where: { known[$0] == nil }) {
      let said = try models.map { probabilities(try $0.logits(of: batch)[0]) }
      for (row, sample) in batch.samples.enumerated() {
        known[sample] = (row * classes..<(row + 1) * classes).map { place in said.reduce(0) { $0 + $1[place] } }
      }
    }
    return batch.samples.flatMap { known[$0]! }
  }

  /// The probabilities of logits [B, classes].
  private func probabilities(_ logits: [Float]) -> [Float] {
    var values = logits
    let classes = context.labels.count
    for row in 0..<values.count / classes { HeadAnswers.softmax(&values, row * classes..<(row + 1) * classes) }
    return values
  }

  private func entryLogits(_ batch: TrainingBatch) throws -> [Float] {
    if entry == nil { entry = BagHead(context.parameters, context.checkpoint) }
    guard let entry else {
      throw TrainingError("--teacher entry: there is no bag head; train it too: --stages entry,...")
    }
    return entry.calibratedLogits(batch)
  }
}
