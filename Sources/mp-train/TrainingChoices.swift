// The options that the result depends on: their defaults are the library's, and their bounds are checked here.

import ArgumentParser
import MagicPyramid
import PyramidModels
import PyramidTools
import PyramidTraining

private let usual = TrainingOptions()

/// Options of a training as words.
struct TrainingChoices: ParsableArguments {
  @Option(help: "Which of entry,1,2,3,4; 4 with an exit at the entry brings that stage along.")
  var stages = StageList(usual.stages)

  @Option(help: "Exits: entry, layers from 1; by default the entry and every layer but the last.")
  var exits: ExitChoice?

  @Option(
    help: """
      How exits are trained: frozen (heads alone), joint (all losses at once), alternating (the last loss and all in \
      turn), blocks (each block of layers on its own head's loss).
      """)
  var exitsTraining = usual.exitsTraining

  @Option(help: "What exit heads read: [CLS], or it and the mean of the layer's input.")
  var headInput = usual.headInput

  @Flag(help: "Exit heads add what the entry says to their own logits, as much as fits dev best.")
  var addEntry = false

  @Option(help: "What the bag head counts: word pieces, or also pairs of them.")
  var bag = usual.bag

  @Option(
    help: "Checkpoint folder to distil from beside the labels, or entry for the bag head; repeatable, the mean counts.",
    completion: .directory)
  var teacher: [String] = []

  @Option(help: "Keep only the first layers of the checkpoint.") var layers: Int?

  @Option(
    help: """
      Epochs of stages 1 to 4, or of those of them that run, or one number. By default 3,1,2,2, and more where texts are \
      few: until stages have 600, 200, 400 and 1,500 updates, or 20 epochs (100 of heads alone).
      """)
  var epochs: NumberList?

  @Option(help: "Learning rate of the model.") var learningRate = usual.learningRate
  @Option(help: "Learning rate of all heads, new or not.") var headLearningRate = usual.headLearningRate
  @Option(help: "Learning rate of pruning thresholds.") var thresholdLearningRate = usual.thresholdLearningRate
  @Option(
    help: """
      Pruning policy, name(key=value, ...), by which tokens die in stages 3 and 4; received-attention by the thresholds \
      of stage 2 where it is left out.
      """, transform: { try PolicySpec($0) })
  var prune: PolicySpec?

  @Option(help: "Weight of pruning in the loss of stage 2.") var regularisation = usual.regularisation
  @Option(help: "Softness of the mask in stage 2.") var softTemperature = usual.softTemperature
  @Option(help: "Weight decay of matrices.") var weightDecay = usual.weightDecay
  @Option(help: "Share of a stage in which learning rates rise.") var warmUp = usual.warmUp
  @Option(help: "Most tokens in a batch; a longer text goes alone.") var batchTokens = usual.batchTokens
  @Option(help: "Most texts in a batch.") var batchSamples = usual.batchSamples
  @Option(help: "Batches in an update.") var accumulate = usual.accumulate
  @Option(help: "Most tokens of a text, by default what the model takes.") var maxTokens: Int?
  @Option(help: "Seed of order, initial values and dropout.") var seed = usual.seed
  @Option(help: "Number format of the matrices in the result: f32, f16, bf16.") var weights = usual.weights
  @Option(
    help: """
      What the factors of products are rounded to while layers train; by default bf16 where the processor multiplies it \
      faster, else f32. Weights, sums and gradients are f32.
      """)
  var precision: TrainingPrecision?

  @Option(help: "Epochs without gain on dev after which a stage ends.") var patience: Int?

  func validate() throws {
    for (name, value, range) in [
      ("learning-rate", learningRate, 0...1.0), ("head-learning-rate", headLearningRate, 0...1),
      ("threshold-learning-rate", thresholdLearningRate, 0...1), ("regularisation", regularisation, 0...1e3),
      ("weight-decay", weightDecay, 0...1), ("warm-up", warmUp, 0...1),
    ] where !range.contains(value) {
      throw ValidationError("--\(name) must be \(range.lowerBound) to \(range.upperBound)")
    }
    guard softTemperature > 0, softTemperature <= 1e3 else {
      throw ValidationError("--soft-temperature must be above 0 and at most 1000")
    }
    for (name, value, range) in [
      ("batch-tokens", batchTokens, 1...1_000_000), ("batch-samples", batchSamples, 1...64),
      ("accumulate", accumulate, 1...10_000),
      ("max-tokens", maxTokens ?? 3, 3...1_000_000), ("patience", patience ?? 1, 1...10_000),
    ] where !range.contains(value) {
      throw ValidationError("--\(name) must be \(range.lowerBound) to \(range.upperBound)")
    }
    let numbered = stages.stages.filter { $0 != .entry }.count
    if let idle { throw ValidationError("\(idle.option) has no effect without stage \(idle.stage)") }
    if let count = epochs?.numbers.count, ![1, 4, numbered].contains(count) {
      throw ValidationError("--epochs: \(count) numbers for \(numbered) numbered stages")
    }
  }

  /// An option that no stage which runs would read.
  private var idle: (option: String, stage: String)? {
    let given = options
    func has(_ stage: StageName) -> Bool { given.stages.contains(stage) }
    func first(_ changes: KeyValuePairs<String, Bool>) -> String? { changes.first { $0.value }?.key }
    let ofNumbered = first([
      "--exits-training": exitsTraining != usual.exitsTraining, "--epochs": epochs != nil,
      "--head-learning-rate": headLearningRate != usual.headLearningRate,
      "--weight-decay": weightDecay != usual.weightDecay, "--warm-up": warmUp != usual.warmUp,
      "--accumulate": accumulate != usual.accumulate, "--patience": patience != nil,
    ])
    if given.stages == [.entry], let ofNumbered { return (ofNumbered, "1, 2, 3 or 4") }
    // The exit at the entry is stage entry's as well.
    let choosesExits = exits.map { !$0.layers.isEmpty || !has(.entry) } ?? false
    let ofExits = first([
      "--head-input": headInput != usual.headInput, "--add-entry": addEntry, "--exits": choosesExits,
    ])
    if !given.trainsExits, let ofExits { return (ofExits, "4 or other --exits-training") }
    let ofLayers = first(["--learning-rate": learningRate != usual.learningRate, "--precision": precision == .bf16])
    if !given.trainsLayers, let ofLayers { return (ofLayers, "1, 2 or 3, or 4 with other --exits-training") }
    if !has(.entry), bag != usual.bag { return ("--bag", "entry") }
    if prune != nil, !has(.hardPruning), !has(.exits) { return ("--prune", "3 or 4") }
    let ofSoft = first([
      "--threshold-learning-rate": thresholdLearningRate != usual.thresholdLearningRate,
      "--regularisation": regularisation != usual.regularisation,
      "--soft-temperature": softTemperature != usual.softTemperature,
    ])
    return has(.softPruning) ? nil : ofSoft.map { ($0, "2") }
  }

  /// The first option, as it is typed, that says something else than usual about what is trained. Left out are those that
  /// a fit reads, too, and two of which what is typed is looked at.
  var ofTraining: String? {
    let (given, normal) = (options.arguments, usual.arguments)
    let ofFits = ["max-tokens", "batch-tokens", "batch-samples", "seed", "stages", "precision"]
    if stages.stages != usual.stages { return "--stages" }
    if weights != usual.weights { return "--weights" }
    if precision != nil { return "--precision" }
    return given.members.map(\.key).first { given[$0] != normal[$0] && !ofFits.contains($0) }.map { "--\($0)" }
  }

  /// The options for the library, for a checkpoint that has no head at the entry.
  var options: TrainingOptions { options(hasEntry: false) }

  /// The options for the library. A head that the checkpoint has at the entry stays where its layers do, unless another
  /// bag is asked for.
  func options(hasEntry: Bool) -> TrainingOptions {
    var options = TrainingOptions()
    options.stages = stages.stages
    // Exits that include the entry need its head, wherever exits are trained.
    if options.stages.contains(.exits), exits?.entry ?? true, !options.stages.contains(.entry),
      !hasEntry || bag != usual.bag || stages.stages.contains(where: { $0 != .exits })
    {
      options.stages.insert(.entry, at: 0)
    }
    (options.exits, options.exitsTraining, options.headInput) = (exits, exitsTraining, headInput)
    (options.addsEntry, options.prune) = (addEntry, prune)
    (options.bag, options.teachers, options.epochs) = (bag, teacher, epochs?.numbers)
    (options.layers, options.learningRate) = (layers, learningRate)
    options.headLearningRate = headLearningRate
    options.thresholdLearningRate = thresholdLearningRate
    (options.regularisation, options.softTemperature) = (regularisation, softTemperature)
    (options.weightDecay, options.warmUp) = (weightDecay, warmUp)
    (options.batchTokens, options.batchSamples, options.accumulate) = (batchTokens, batchSamples, accumulate)
    options.maximumTokens = maxTokens
    (options.seed, options.patience, options.weights) = (seed, patience, weights)
    options.precision = precision ?? (options.trainsLayers ? .fastest : .f32)
    return options
  }
}

/// Stages between commas.
struct StageList: ExpressibleByArgument, CustomStringConvertible {
  let stages: [StageName]
  var description: String { stages.map(\.rawValue).joined(separator: ",") }

  init(_ stages: [StageName]) { self.stages = stages }

  init?(argument: String) {
    let words = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    stages = StageName.allCases.filter { words.contains($0.rawValue) }
    if stages.count != words.count { return nil }
  }
}

/// Numbers of epochs between commas.
struct NumberList: ExpressibleByArgument, CustomStringConvertible {
  let numbers: [Int]
  var description: String { numbers.map(String.init).joined(separator: ",") }

  init(_ numbers: [Int]) { self.numbers = numbers }

  init?(argument: String) {
    let words = argument.split(separator: ",", omittingEmptySubsequences: false)
    numbers = words.compactMap { Int($0) }
    if numbers.count != words.count || !numbers.allSatisfy({ (1...10_000).contains($0) }) { return nil }
  }
}

extension ExitChoice: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
extension ExitsTraining: ExpressibleByArgument {}
extension HeadInput: ExpressibleByArgument {}
extension BagKind: ExpressibleByArgument {}
extension WeightFormat: ExpressibleByArgument {}
extension TrainingPrecision: ExpressibleByArgument {}
