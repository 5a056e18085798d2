// What a user can choose. The same values, as JSON, are what a resumed training is compared with: whatever changes the
// result belongs here, whatever does not (threads, how often the state is written) must not.

import PyramidFormats
import PyramidIR
import PyramidModels
import PyramidPolicy

/// How exit heads and the layers below them are trained.
public enum ExitsTraining: String, Sendable, CaseIterable {
  /// Heads alone, as published.
  case frozen
  /// Everything, on a weighted sum of all heads' losses.
  case joint
  /// Everything on the last head's loss and on the weighted sum in turn.
  case alternating
  /// Each block of layers on the loss of the head above it only.
  case blocks
}

/// What the bag head counts.
public enum BagKind: String, Sendable, CaseIterable {
  /// Word pieces.
  case unigrams
  /// Word pieces and hashed pairs of neighbours.
  case pairs
}

/// What the factors of products are rounded to where layers train; weights, sums and gradients are f32 either way.
public enum TrainingPrecision: String, Sendable, CaseIterable {
  case f32, bf16

  /// bf16 where this machine multiplies it faster than f32, else f32.
  public static var fastest: TrainingPrecision {
    (try? InstructionSet.native())?.multipliesBF16Faster == true ? .bf16 : .f32
  }

  /// That of the kernels.
  var kernels: Precision { self == .f32 ? .f32 : .bf16 }
}

/// How the matrices of a result are stored.
public enum WeightFormat: String, Sendable, CaseIterable {
  case f32, f16, bf16

  /// The type of a tensor of so many dimensions: vectors are few, and thresholds among them decide.
  func type(dimensions: Int) -> ElementType {
    switch self {
    case .f32: .F32
    case .f16: dimensions > 1 ? .F16 : .F32
    case .bf16: dimensions > 1 ? .BF16 : .F32
    }
  }

  /// The name that `config.json` has for it.
  var configurationName: JSONValue {
    switch self {
    case .f32: "float32"
    case .f16: "float16"
    case .bf16: "bfloat16"
    }
  }
}

/// Which exits a model gets.
public struct ExitChoice: Sendable, Equatable, CustomStringConvertible {
  /// Whether there is one before the first layer.
  public var entry: Bool
  /// Layers with a head, from 1, ascending, each once.
  public var layers: [Int]

  /// A choice.
  public init(entry: Bool, layers: [Int]) { (self.entry, self.layers) = (entry, layers) }

  /// From `entry,1,2,3`; nil when it is none.
  public init?(_ text: String) {
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = words.compactMap { Int($0) }
    entry = words.contains("entry")
    layers = Set(numbers).sorted()
    guard words.count == layers.count + (entry ? 1 : 0), layers.allSatisfy({ $0 >= 1 }) else { return nil }
  }

  public var description: String { ((entry ? ["entry"] : []) + layers.map(String.init)).joined(separator: ",") }
}

/// The options of a training; the defaults are those of `mp-train`, but for the precision, which it takes by the processor.
public struct TrainingOptions: Sendable {
  /// The stages that run, in their order.
  public var stages: [StageName] = [.fineTuning, .softPruning, .hardPruning, .exits]
  /// The exits; nil for the entry and every layer but the last.
  public var exits: ExitChoice?
  /// How exits are trained.
  public var exitsTraining = ExitsTraining.frozen
  /// What exit heads read.
  public var headInput = HeadInput.first
  /// Whether exit heads add what the entry says to their own logits, as much as fits dev best.
  public var addsEntry = false
  /// What the bag head counts.
  public var bag = BagKind.unigrams
  /// Checkpoint folders to distil from, or `entry` for the bag head of the training; none to learn from labels alone.
  public var teachers: [String] = []
  /// How many layers of the checkpoint are kept, from the first; nil for all.
  public var layers: Int?
  /// Epochs of stages 1 to 4, or of the numbered stages that run, or one number for all; nil for what
  /// `epochs(of:batches:)` says.
  public var epochs: [Int]?
  /// The highest learning rates: of the model, of heads that are new, of thresholds.
  public var learningRate = 5e-5, headLearningRate = 1e-3, thresholdLearningRate = 1e-2
  /// The policy, one of the built-in ones, by which tokens die in stages 3 and 4; nil for `received-attention` by the
  /// thresholds that stage 2 learned, where there are some.
  public var prune: PolicySpec?
  /// Weight of the masks' mean in soft pruning.
  public var regularisation = 0.1
  /// Temperature of the soft mask, in units of uniform attention.
  public var softTemperature = 0.1
  /// Weight decay, of matrices only.
  public var weightDecay = 0.01
  /// Share of a stage's updates in which the learning rates rise.
  public var warmUp = 0.06
  /// Gradients are scaled down to this norm.
  public var maximumNorm = 1.0
  /// Most tokens and most texts in a batch, and batches in an update.
  public var batchTokens = 1600, batchSamples = 64, accumulate = 1
  /// Most tokens of a text; nil for what the model takes.
  public var maximumTokens: Int?
  /// Seed of order, initial values and dropout.
  public var seed: UInt64 = 1
  /// What the factors of products are rounded to where layers train.
  public var precision = TrainingPrecision.f32
  /// Number format of the matrices in the result; vectors stay f32.
  public var weights = WeightFormat.f32
  /// Epochs without gain on dev after which a stage ends; nil for never.
  public var patience: Int?

  /// The defaults.
  public init() {}

  /// Whether layers and the last head change: not when heads are added to a model that stays as it is.
  public var trainsLayers: Bool { trainsModel || stages.contains(.exits) && exitsTraining != .frozen }

  /// Whether a stage that runs trains exit heads.
  public var trainsExits: Bool { stages.contains(.exits) || trainsModel && exitsTraining != .frozen }

  /// Whether one of stages 1 to 3 runs.
  private var trainsModel: Bool { stages.contains { $0 != .entry && $0 != .exits } }

  /// Epochs of a stage in which so many batches are one: of the four of the paper when four are given, else of those
  /// numbered stages that run. When none are given, the paper's for large sets, 3, 1, 2 and 2, and for small ones as many
  /// as make `leastUpdates`, up to 20: a few dozen updates hardly move a model (Zhang et al. 2021, 2006.05987).
  public func epochs(of stage: StageName, batches: Int) -> Int {
    let numbered = Array(StageName.allCases.dropFirst())
    guard let epochs else {
      guard let place = numbered.firstIndex(of: stage) else { return 0 }
      // Heads alone, on features that are computed once, take seconds.
      let isQuick = stage == .exits && exitsTraining == .frozen
      let (updates, most) = isQuick ? (1500, 100) : (Self.leastUpdates[place], 20)
      let needed = (updates * accumulate + batches - 1) / max(batches, 1)
      return max([3, 1, 2, 2][place], min(needed, most))
    }
    if epochs.count == 1 { return epochs[0] }
    let named = epochs.count == numbered.count ? numbered : stages.filter { $0 != .entry }
    return named.firstIndex(of: stage).map { epochs[$0] } ?? 0
  }

  /// Updates that stages 1 to 4 have at least where nobody says how many epochs.
  private static let leastUpdates = [600, 200, 400, 600]

  /// The exits for a model of this many layers. Throws when there is no such layer.
  public func exits(layers: Int) throws(TrainingError) -> ExitChoice {
    guard let exits else { return ExitChoice(entry: true, layers: Array(1..<max(layers, 1))) }
    if let layer = exits.layers.last, layer >= layers {
      throw TrainingError(
        "--exits \(exits): the model has \(layers) layers, and a head after the last already; say layers 1 to \(layers - 1)"
      )
    }
    return exits
  }

  /// Everything that the result depends on, by the name of its option.
  public var arguments: JSONObject {
    var object = JSONObject()
    func numbers(_ values: [Int]) -> JSONValue { .string(values.map(String.init).joined(separator: ",")) }
    object["stages"] = .string(stages.map(\.rawValue).joined(separator: ","))
    object["exits"] = .string(exits?.description ?? "all")
    object["exits-training"] = .string(exitsTraining.rawValue)
    object["head-input"] = .string(headInput.rawValue)
    if addsEntry { object["add-entry"] = .bool(true) }
    if let prune { object["prune"] = .string("\(prune)") }
    object["bag"] = .string(bag.rawValue)
    object["teacher"] = .array(teachers.map(JSONValue.string))
    object["layers"] = layers.map { JSONValue($0) } ?? "all"
    object["epochs"] = epochs.map(numbers) ?? "usual"
    for (name, value) in [
      ("learning-rate", learningRate), ("head-learning-rate", headLearningRate),
      ("threshold-learning-rate", thresholdLearningRate), ("regularisation", regularisation),
      ("soft-temperature", softTemperature), ("weight-decay", weightDecay), ("warm-up", warmUp), ("clip", maximumNorm),
    ] { object[name] = JSONValue(value) }
    object["batch-tokens"] = JSONValue(batchTokens)
    object["batch-samples"] = JSONValue(batchSamples)
    object["accumulate"] = JSONValue(accumulate)
    object["max-tokens"] = maximumTokens.map { JSONValue($0) } ?? "model"
    object["seed"] = .string(String(seed))
    object["precision"] = .string(precision.rawValue)
    object["patience"] = patience.map { JSONValue($0) } ?? "none"
    return object
  }
}

/// Why a training can't start or go on; one line that says what to do.
public struct TrainingError: Error, Equatable, CustomStringConvertible {
  /// The text for the user.
  public let description: String

  /// Makes an error of its text.
  public init(_ description: String) { self.description = description }
}
