// Stage `entry`: the bag head and the words' salience, learned before the loop starts, since seconds need no epochs, no
// updates and no state to go on from.

import PyramidModels

/// Adds `exits.entry.*` and `prune.entry.*` to the parameters.
public final class EntryStage: TrainingStage {
  /// Share of dev's words that `prune.entry.threshold` keeps. Pruning at the entry is a policy that is asked for, and
  /// this is what it prunes without being told more: the third of the words that says least about the classes.
  static let keptShare = 2.0 / 3

  private let context: TrainingContext
  private let vocabulary: BagVocabulary
  private var head: BagHead?

  /// The stage of a training, which hears all of its teachers but the entry.
  public init(_ context: TrainingContext) {
    self.context = context
    vocabulary = BagVocabulary(context.checkpoint, pairs: context.options.bag == .pairs ? BagOptions.usualPairs : nil)
  }

  public let name = StageName.entry
  public let heads = ["entry"]
  public let groups: [ParameterGroup] = []
  public let epochs = 0
  public let keepsBest = false

  public func prepare() throws {
    guard context.train.count > 0 else { throw TrainingError("there are no rows to learn the entry's head from") }
    var options = BagOptions()
    options.seed = context.options.seed
    let dev = BagTexts(context.dev, vocabulary: vocabulary)
    let classes = context.labels.count
    let teacher = try context.teachers.get().probabilitiesOfModels()
    let head = BagTrainer.train(
      BagTexts(context.train, vocabulary: vocabulary), dev: dev, classes: classes, teacher: teacher, options: options
    ) { epoch, accuracy, _ in
      context.progress("entry: epoch \(epoch), \((accuracy * 1000).rounded() / 10)% of dev")
    } isStopped: {
      (try? Interruption.check()) == nil
    }
    try Interruption.check()
    self.head = head
    try set("exits.entry.table", [vocabulary.words, classes], head.table)
    if let pairs = vocabulary.pairs {
      try set("exits.entry.bigrams", [pairs, classes], head.pairTable)
    } else {
      context.parameters.remove("exits.entry.bigrams")
    }
    try set("exits.entry.bias", [classes], head.bias)
    try set("exits.entry.temperature", [1], [head.temperature])
    try set("prune.entry.salience", [vocabulary.words], head.salience)
    try set("prune.entry.threshold", [1], [head.threshold(keeping: Self.keptShare, of: dev)])
  }

  public func accumulate(_ batch: TrainingBatch) throws -> Double { 0 }

  public func predict(_ batch: TrainingBatch) throws -> [[Float]] {
    guard let head else { throw TrainingError("the entry's head is asked before it is learned") }
    return [head.calibratedLogits(batch)]
  }

  /// An entry that the checkpoint had, perhaps over other sizes, is replaced.
  private func set(_ name: String, _ shape: [Int], _ values: some Sequence<Float>) throws {
    context.parameters.remove(name)
    try context.parameters.add(name, shape) { Array(values) }
  }
}
