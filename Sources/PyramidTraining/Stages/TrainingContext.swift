// What every stage is given: the checkpoint, the data as tokens, the parameters that all stages share, the options.

import PyramidModels
import PyramidRuntime

/// Everything that stages read and the parameters that they change.
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
  /// The team that computes.
  public let thread: TrainingThread
  /// Shows what is going on, on a terminal.
  public let progress: (String) -> Void

  /// Puts the parts together. Throws when the checkpoint's tensors do not fit its configuration or the labels.
  public init(
    checkpoint: Checkpoint, labels: [String], options: TrainingOptions, train: EncodedTexts, dev: EncodedTexts,
    threads: Int? = nil, progress: @escaping (String) -> Void = { _ in }
  ) throws {
    (self.checkpoint, self.labels, self.options, self.train, self.dev) = (checkpoint, labels, options, train, dev)
    self.progress = progress
    thread = try TrainingThread(threads: ThreadCount.choose(requested: threads))
    parameters = try ParameterSet(checkpoint, labels: labels, seed: options.seed)
  }

  /// Layers of the model.
  public var layers: Int { checkpoint.configuration.layers }
}
