// Stage 1: the whole model on the labels.

import PyramidCompiler
import PyramidIR
import PyramidKernels
import PyramidModels
import PyramidRuntime

/// Fine-tuning of all parameters by cross-entropy of the last head.
final class FineTuning: TrainingStage {
  let name = StageName.fineTuning
  let heads: [String]
  let keepsBest = true
  private(set) var groups: [ParameterGroup] = []
  private let context: TrainingContext
  private var training: TrainingRun!
  private var answering: TrainingRun!

  init(_ context: TrainingContext) {
    self.context = context
    heads = [String(context.layers)]
  }

  var epochs: Int { context.options.epochs(of: name) }

  func prepare() throws {
    let model = try LoweredModel(context.checkpoint, name: "fine-tuning", training: context.labels)
    let plain = try model.graph.trainingGraph()
    let graph = try plain.insertingDropout(context.checkpoint.configuration.dropout).differentiated()
    let trained = try graph.weights.map { try context.parameter($0) }
    groups = [
      ParameterGroup(
        trained, learningRate: context.options.learningRate, weightDecay: context.options.weightDecay)
    ]
    training = try context.program(graph, reading: Self.losses(of: graph), trains: true)
    answering = try context.program(plain, reading: [model.graph.answeredLogits!], trains: false)
  }

  func accumulate(_ batch: TrainingBatch) throws -> Double {
    let random = RandomState(seed: context.options.seed, step: UInt64(batch.number))
    let losses = try training.run(batch.tokens, targets: batch.targets(context.labels.count), random: random)
    return losses.reduce(0) { $0 + $1.reduce(0) { $0 + Double($1) } }
  }

  func predict(_ batch: TrainingBatch) throws -> [[Float]] {
    try answering.run(
      batch.tokens, targets: batch.targets(context.labels.count), random: RandomState(seed: 0, step: 0))
  }

  private static func losses(of graph: Graph) -> [ValueID] {
    graph.nodes.filter { if case .gradient(.crossEntropy) = $0.op { true } else { false } }.map { $0.results[0] }
  }
}

extension TrainingContext {
  /// The parameter that a plain graph's weight is.
  func parameter(_ weight: Weight) throws -> Parameter {
    guard weight.sources.count == 1, let parameter = parameters[weight.sources[0]] else {
      throw TrainingError("no parameter is #\(weight.name)")
    }
    return parameter
  }

  /// A program of a graph that trains, or answers only, with room for every batch.
  func program(_ graph: Graph, reading: [ValueID], trains: Bool) throws -> TrainingRun {
    var graph = graph
    try Pipeline.prepareTraining(&graph, target: InstructionSet.native(), precision: options.precision)
    return try TrainingRun(
      graph, thread: thread, samples: room.samples, tokens: room.tokens, reading: reading
    ) { weight in
      let parameter = try self.parameter(weight)
      return TrainedWeight(values: parameter.values, gradient: trains ? parameter.startTraining() : nil)
    }
  }
}

extension TrainingBatch {
  /// One row a sample, 1 at its class, [B, classes].
  func targets(_ classes: Int) -> [Float] {
    var targets = [Float](repeating: 0, count: samples.count * classes)
    for (row, label) in labels.enumerated() { targets[row * classes + label] = 1 }
    return targets
  }
}
