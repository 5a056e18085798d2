// The seam between a stage and the loop that drives it. A stage says what its losses are, which parameters they train
// and what its heads answer; data, schedule, clipping, checkpoints, evaluation, early stopping and the best parameters
// are the loop's, the same for all stages.

import PyramidRuntime

/// The stages in the order in which they run; raw values are those of `--stages`.
public enum StageName: String, Sendable, CaseIterable {
  /// The bag head before the first layer.
  case entry
  /// Fine-tuning of the whole model.
  case fineTuning = "1"
  /// Pruning thresholds under a soft mask.
  case softPruning = "2"
  /// The model under the hard mask, thresholds frozen.
  case hardPruning = "3"
  /// Exit heads.
  case exits = "4"

  /// What a table calls the stage.
  public var title: String {
    switch self {
    case .entry: "entry"
    case .fineTuning: "1 fine-tuning"
    case .softPruning: "2 soft pruning"
    case .hardPruning: "3 hard pruning"
    case .exits: "4 exits"
    }
  }
}

/// Samples that go through the model together.
public struct TrainingBatch: Sendable {
  /// Where the samples come from; a stage that keeps features of its own tells train from dev by identity.
  public let texts: EncodedTexts
  /// The samples' numbers in `texts`, [B].
  public let samples: [Int]
  /// Their tokens end to end, [T].
  public let tokens: PackedBatch
  /// Batches of the whole training before this one: the step that dropout is drawn for.
  public let number: Int
  /// Updates of the stage before its own, after the batches of the stages before: `number` where every batch is an update.
  public let update: Int

  /// The classes of the samples, [B].
  public var labels: [Int] { samples.map { texts.labels[$0] } }
}

/// Parameters that share a learning rate.
public struct ParameterGroup {
  /// The parameters; each is in one group at most.
  public var parameters: [Parameter]
  /// The highest learning rate, which the schedule scales.
  public var learningRate: Double
  /// Share of a parameter that is taken away per update and learning rate.
  public var weightDecay: Double

  /// A group.
  public init(_ parameters: [Parameter], learningRate: Double, weightDecay: Double = 0) {
    (self.parameters, self.learningRate, self.weightDecay) = (parameters, learningRate, weightDecay)
  }
}

/// One stage of a training.
///
/// `prepare` is called once before anything else, on a new training and on a resumed one; then for every epoch
/// `accumulate` for each batch with updates in between, and `predict` for the batches of dev; at last `finish`. Results
/// must be functions of the parameters, the batch, its number and the seed: a resumed training goes on to the bit.
public protocol TrainingStage: AnyObject {
  /// Which stage this is.
  var name: StageName { get }
  /// Names of the heads that `predict` answers for, `entry` or a layer from 1.
  var heads: [String] { get }
  /// What is trained. Everything else keeps its values. Read after `prepare`.
  var groups: [ParameterGroup] { get }
  /// Epochs; 0 for a stage that does all its work in `prepare`.
  var epochs: Int { get }
  /// Whether the parameters of the best epoch are kept rather than the last one's.
  var keepsBest: Bool { get }

  /// Adds the parameters that the stage needs and are not there (`ParameterSet.add`), binds programs to their values and
  /// gradients (`Parameter.startTraining`), computes features. Of the parameters it may read only those that the stage does not train: of a resumed training those are
  /// at some later step.
  func prepare() throws
  /// Runs forward and backward: adds the gradient of the loss, summed over the samples, to the gradients of the
  /// parameters in `groups`, and returns that sum.
  func accumulate(_ batch: TrainingBatch) throws -> Double
  /// The logits of every head in `heads`, [B, classes] each, without dropout.
  func predict(_ batch: TrainingBatch) throws -> [[Float]]
  /// What is better on dev, higher; the loop passes what the heads did in the order of `heads`.
  func score(_ heads: [HeadResult]) -> Double
  /// After the last epoch, with the parameters that are kept: what follows from them, such as temperatures.
  func finish() throws
}

extension TrainingStage {
  /// The last head's accuracy, and of equals the lower loss.
  public func score(_ heads: [HeadResult]) -> Double { heads.last.map { $0.accuracy - 1e-6 * $0.loss } ?? 0 }
  public func finish() throws {}
}

/// What a head did on dev.
public struct HeadResult: Sendable, Equatable {
  /// `entry`, or a layer from 1.
  public let head: String
  /// Share of the samples whose largest logit is their class.
  public let accuracy: Double
  /// Mean cross-entropy in nats.
  public let loss: Double
}
