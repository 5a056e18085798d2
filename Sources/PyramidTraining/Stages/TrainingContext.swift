// What every stage is given: the checkpoint, the data as tokens, the parameters that all stages share, the options.

import PyramidFormats
import PyramidModels
import PyramidRuntime

/// Where a training runs: what stages may keep there until they are through.
struct TrainingOutput {
  /// The folder, and SHA-256 of what was asked for.
  let folder, arguments: String
  /// The most work that a killed process loses.
  let interval: Duration
  /// Tells the user something.
  let note: (String) -> Void
  /// Writes an event into the log.
  let log: (String, KeyValuePairs<String, JSONValue>) throws -> Void
}

/// Everything that stages read and the parameters that they change. Long work outside of batches calls
/// `Interruption.check` now and then.
public final class TrainingContext {
  /// The checkpoint that the training starts from.
  public let checkpoint: Checkpoint
  /// Class names in order.
  public let labels: [String]
  /// The options.
  public let options: TrainingOptions
  /// The texts to learn from, and those that decide what is kept.
  public let train, dev: EncodedTexts
  /// All tensors of the checkpoint, those of heads that it lacks initialised, and what stages add.
  public let parameters: ParameterSet
  /// Where programs and optimiser run.
  public let thread: TrainingThread
  /// Shows what is going on, on a terminal.
  public let progress: (String) -> Void
  /// Where the training runs; nil for one that does not run yet.
  var output: TrainingOutput?
  /// More bytes of features than this are not kept, but computed again in each epoch.
  var largestFeatures = 4 << 30

  /// Puts the parts together. Throws when the checkpoint's tensors do not fit its configuration or the labels.
  public init(
    checkpoint: Checkpoint, labels: [String], options: TrainingOptions, train: EncodedTexts, dev: EncodedTexts,
    thread: TrainingThread, progress: @escaping (String) -> Void = { _ in }
  ) throws {
    (self.checkpoint, self.labels, self.options, self.train, self.dev) = (checkpoint, labels, options, train, dev)
    (self.thread, self.progress) = (thread, progress)
    parameters = try ParameterSet(checkpoint, labels: labels, seed: options.seed)
  }

  /// The most texts and tokens of a batch: what programs need room for.
  public var room: (samples: Int, tokens: Int) {
    (options.batchSamples, max(options.batchTokens, train.lengths.max() ?? 0, dev.lengths.max() ?? 0))
  }

  /// Epochs of a stage.
  public func epochs(of stage: StageName) -> Int {
    let plan = BatchPlan(lengths: train.lengths, budget: options.batchTokens, samples: options.batchSamples)
    return options.epochs(of: stage, batches: plan.batches.count)
  }

  /// What stages distil from beside the labels.
  private(set) lazy var teachers = Result { try Teachers(self) }

  /// The stages that run, in their order: stage 4 has nothing to train where the entry is the only exit.
  var stages: [StageName] {
    let isAlone = options.stages.contains(.entry) && (try? options.exits(layers: layers).layers.isEmpty) ?? false
    return options.stages.filter { $0 != .exits || !isAlone }
  }

  /// Layers of the model.
  public var layers: Int { checkpoint.configuration.layers }
}
