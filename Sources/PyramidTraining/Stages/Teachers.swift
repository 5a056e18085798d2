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
      let model = try LoweredModel(checkpoint, name: "teacher", training: context.labels)
      var recipe = StageRecipe()
      recipe.last = nil
      let graph = try StageGraph.evaluation(
        model.graph, recipe, target: context.target, precision: context.options.precision)
      let parameters = try ParameterSet(checkpoint, labels: context.labels, seed: 0)
      return try StageProgram(graph, context, parameters: parameters)
    }
  }

  /// The mean of what the teachers say of a batch of the training texts, [B, classes]; nil without teachers. Each text is
  /// asked about once.
  func probabilities(of batch: TrainingBatch) throws -> [Float]? {
    if models.isEmpty && !asksEntry { return nil }
    let classes = context.labels.count
    if batch.samples.contains(where: { known[$0] == nil }) {
      var logits = try models.map { try $0.logits(of: batch)[0] }
      if asksEntry { logits.append(try entryLogits(batch)) }
      for index in logits.indices {
        for row in batch.samples.indices { HeadAnswers.softmax(&logits[index], row * classes..<(row + 1) * classes) }
      }
      for (row, sample) in batch.samples.enumerated() {
        known[sample] = (row * classes..<(row + 1) * classes).map { place in
          logits.reduce(0) { $0 + $1[place] } / Float(logits.count)
        }
      }
    }
    return batch.samples.flatMap { known[$0]! }
  }

  private func entryLogits(_ batch: TrainingBatch) throws -> [Float] {
    if entry == nil { entry = BagHead(context.parameters, context.checkpoint) }
    guard let entry else {
      throw TrainingError("--teacher entry: there is no bag head; train it too: --stages entry,...")
    }
    return entry.calibratedLogits(batch)
  }
}
