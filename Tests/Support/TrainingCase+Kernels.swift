// A case of training as the engine runs it: kernels chosen, memory planned, weights in buffers. What it is compared with
// is TrainingCase.swift's.

import PyramidCompiler
import PyramidIR
import PyramidReference
import PyramidRuntime

extension TrainingCase {
  /// Losses and gradients by the kernels of an instruction set, run `times` times on the same run: gradients add up.
  /// Weights whose names are in `frozen` have no gradient.
  public func kernels(
    _ set: InstructionSet, in precision: Precision = .f32, threads: Int, times: Int = 1, frozen: Set<String> = []
  ) throws -> ReferenceGradients {
    var graph = graph
    try Pipeline.prepareTraining(&graph, target: set, precision: precision)
    var gradients: [String: UnsafeMutableBufferPointer<Float>] = [:]
    var buffers: [UnsafeMutableBufferPointer<Float>] = []
    defer { for buffer in buffers { buffer.deallocate() } }
    func buffer(_ values: [Float]) -> UnsafeMutableBufferPointer<Float> {
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
      _ = buffer.initialize(from: values)
      buffers.append(buffer)
      return buffer
    }
    let losses = graph.nodes.filter { $0.op.facts.training == .loss }.map { $0.results[0] }
    let run = try TrainingRun(
      graph, thread: TrainingThread(threads: threads), prune: prune, reading: losses
    ) { weight in
      let values = weights[weight.name] ?? []
      let gradient = frozen.contains(weight.name) ? nil : buffer(values.map { _ in 0 })
      gradients[weight.name] = gradient
      return TrainedWeight(values: buffer(values), gradient: gradient)
    }
    var packed = PackedBatch()
    for (ids, types) in zip(batch.tokenIDs, batch.typeIDs) { packed.append(tokenIDs: ids, typeIDs: types) }
    var results: [[Float]] = []
    for _ in 0..<times {
      results = try run.run(
        packed, targets: inputs.targets.flatMap { $0 }, features: inputs.features.flatMap { $0 }, random: inputs.random)
    }
    let named = zip(losses, results).map { (graph[$0].name, $1.map(Double.init)) }
    return ReferenceGradients(
      losses: Dictionary(uniqueKeysWithValues: named), weights: gradients.mapValues { $0.map(Double.init) })
  }
}
