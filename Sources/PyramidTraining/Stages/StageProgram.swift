// A stage's graph bound to the parameters, run batch by batch. It is apart from the stages because all of them run
// graphs, and apart from `TrainingRun` because that knows nothing of parameters by name.

import PyramidCompiler
import PyramidIR
import PyramidModels
import PyramidPolicy
import PyramidRuntime

/// A graph that stages run.
final class StageProgram {
  /// Names of the parameters that the graph adds gradients to.
  let trained: Set<String>
  /// Width of the features of all exits side by side.
  let featureWidth: Int
  private let graph: Graph
  private let values: (logits: [ValueID], features: [ValueID], losses: [ValueID])
  private let parameters: ParameterSet
  private let seed: UInt64
  private let room: (samples: Int, tokens: Int)
  private let thread: TrainingThread
  private let prune: PolicyInstance?
  /// Weights that are computed from parameters which stay as they are.
  private var derived: [String: Parameter] = [:]
  /// Bound to what is read of it when it is first run.
  private var run: TrainingRun?

  /// Binds the graph of a whole model to the training's parameters, or to others; `prune` is the policy of hard pruning,
  /// `reading` are values to be read in place of what the exit heads read.
  convenience init(
    _ stage: StageGraph, _ context: TrainingContext, parameters: ParameterSet? = nil, prune: PolicyInstance? = nil,
    reading: [ValueID]? = nil
  ) throws {
    try self.init(
      stage.graph, logits: stage.logits, features: reading ?? stage.features, context, parameters ?? context.parameters,
      prune: prune)
  }

  /// Binds the graph of the exit heads alone.
  convenience init(_ heads: HeadGraph, _ context: TrainingContext) throws {
    try self.init(heads.graph, logits: heads.logits, features: [], context, context.parameters, prune: nil)
  }

  private init(
    _ graph: Graph, logits: [ValueID], features: [ValueID], _ context: TrainingContext, _ parameters: ParameterSet,
    prune: PolicyInstance?
  ) throws {
    (self.graph, self.prune) = (graph, prune)
    (self.parameters, seed, room) = (parameters, context.options.seed, context.room)
    thread = context.thread
    let losses = graph.nodes.filter { $0.op.facts.training == .loss }.map { $0.results[0] }
    values = (logits, features, losses)
    featureWidth = features.map { graph[$0].type.columns }.reduce(0, +)
    trained = Set(
      graph.nodes.filter { $0.section == .gradients && $0.op.facts.hasEffect }
        .flatMap { $0.weights.flatMap { graph[$0].sources.map { TensorSlice(source: $0).name } } })
    for weight in graph.weights where Self.parameter(of: weight, parameters) == nil {
      guard trained.isEmpty else {
        throw TrainingError(
          "layers of \(graph.shape.family) can't be trained here: #\(weight.name) is computed from other tensors")
      }
      derived[weight.name] = try parameters.derived(weight)
    }
  }

  /// Runs forward and backward; returns the loss, summed over samples.
  func train(_ batch: TrainingBatch, targets: [Float], features: [Float] = []) throws -> Double {
    let losses = try run(batch, reading: values.losses, targets, features)
    return losses.reduce(0) { $0 + $1.reduce(0) { $0 + Double($1) } }
  }

  /// The logits of all heads, [B, classes] each.
  func logits(of batch: TrainingBatch, features: [Float] = []) throws -> [[Float]] {
    try run(batch, reading: values.logits, unknownTargets(batch), features)
  }

  /// The values that the program was made for reading, row-major.
  func read(_ batch: TrainingBatch) throws -> [[Float]] {
    try run(batch, reading: values.features, unknownTargets(batch), [])
  }

  /// What the exit heads of a whole model read, and what its last head says.
  func features(of batch: TrainingBatch) throws -> FeatureCache.Features {
    let read = try run(batch, reading: values.features + values.logits.suffix(1), unknownTargets(batch), [])
    let widths = values.features.map { graph[$0].type.columns }
    var rows: [Float] = []
    rows.reserveCapacity(batch.samples.count * featureWidth)
    for row in batch.samples.indices {
      for (feature, width) in zip(read, widths) { rows += feature[row * width..<(row + 1) * width] }
    }
    return FeatureCache.Features(rows: rows, lastLogits: read[read.count - 1])
  }

  /// The parameter that a weight is rows of; nil for one that is made of something else.
  private static func parameter(of weight: Weight, _ parameters: ParameterSet) -> (Parameter, TensorSlice)? {
    guard weight.sources.count == 1 else { return nil }
    let slice = TensorSlice(source: weight.sources[0])
    return parameters[slice.name].map { ($0, slice) }
  }

  /// Targets for a graph whose losses nobody reads.
  private func unknownTargets(_ batch: TrainingBatch) -> [Float] {
    [Float](repeating: 0, count: batch.samples.count * graph.shape.classes)
  }

  /// A graph is always read in one way, so the first run binds it.
  private func run(
    _ batch: TrainingBatch, reading values: [ValueID], _ targets: [Float], _ features: [Float]
  ) throws -> [[Float]] {
    if run == nil {
      let (parameters, derived) = (parameters, derived)
      run = try TrainingRun(
        graph, thread: thread, prune: prune, samples: room.samples, tokens: room.tokens, reading: values
      ) { weight in
        if let constant = derived[weight.name] { return TrainedWeight(values: constant.values, gradient: nil) }
        let (parameter, slice) = Self.parameter(of: weight, parameters)!
        let first = slice.firstRow * parameter.shape.dropFirst().reduce(1, *)
        func rows(_ buffer: UnsafeMutableBufferPointer<Float>) -> UnsafeMutableBufferPointer<Float> {
          UnsafeMutableBufferPointer(rebasing: buffer[first...])
        }
        return TrainedWeight(
          values: rows(parameter.values),
          gradient: trained.contains(parameter.name) ? rows(parameter.startTraining()) : nil)
      }
    }
    return try run!.run(
      batch.tokens, targets: targets, features: features,
      random: RandomState(seed: seed, step: UInt64(batch.number)))
  }
}
