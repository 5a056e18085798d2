// A training graph bound to its weights, ready to run batch after batch: forward, losses, and what the backward nodes add
// to gradients. What a step of the optimiser is, and when it comes, is the trainer's business.

import PyramidIR
import PyramidPolicy

/// Runs one training graph. Its calls take turns on the team's thread.
public final class TrainingRun {
  private let runner: StepRunner
  private let decisions: TrainingDecisions
  private let thread: TrainingThread
  /// After which step a value is copied, and where it belongs in the answer.
  private let wanted: [Int: [(place: Int, operand: Operand)]]
  private let wantedCount: Int
  private let capacity: (samples: Int, tokens: Int)
  private let shape: ModelShape

  /// Binds a verified graph that trains, or that only computes heads, kernels chosen and memory planned. `weight` says,
  /// once for each weight that is read, where it lies; `prune` is the policy that its decisions ask; a run has room for what the graph admits, or
  /// for fewer `samples` and `tokens`; `reading` are the values that runs return. Throws `RuntimeError` when the graph
  /// can't be run safely or a weight has another size than the graph says.
  public init(
    _ graph: Graph, thread: TrainingThread, prune: PolicyInstance? = nil, samples: Int? = nil, tokens: Int? = nil,
    reading: [ValueID], weight: (Weight) throws -> TrainedWeight
  ) throws {
    guard graph.purpose == .train else { throw RuntimeError("graph @\(graph.name) is not for training") }
    guard let target = graph.target, target.isAllowed else {
      throw RuntimeError("graph @\(graph.name) names no target, or one that this machine does not run")
    }
    capacity = (
      min(samples ?? .max, graph.admitted(.samples)), min(tokens ?? .max, graph.admitted(.tokens))
    )
    let program = try Program(graph, target: target, weight: weight)
    runner = try StepRunner(program, samples: capacity.samples, tokens: capacity.tokens, threads: thread.threads)
    decisions = try TrainingDecisions(program, graph, prune: prune, tokens: capacity.tokens)
    (self.thread, shape) = (thread, graph.shape)
    var wanted: [Int: [(place: Int, operand: Operand)]] = [:]
    for (place, value) in reading.enumerated() {
      guard let (step, operand) = program.maker(of: value, in: graph) else {
        throw RuntimeError("graph @\(graph.name): no step makes %\(graph[value].name)")
      }
      wanted[step, default: []].append((place, operand))
    }
    (self.wanted, wantedCount) = (wanted, reading.count)
  }

  /// Runs a batch: returns the values read, row-major, as long as they have rows now, and adds to the gradients of the
  /// weights. `targets` [samples][classes] and `features` [samples][width] where the graph has such sources; `random`
  /// is what dropout draws from. Throws `RuntimeError` when the batch is larger than there is room for, has an index
  /// that an embedding table lacks, or lacks a source.
  public func run(
    _ batch: PackedBatch, targets: [Float] = [], features: [Float] = [], random: RandomState
  ) throws -> [[Float]] {
    try check(batch, targets, features)
    return try thread.perform { try perform(batch, targets, features, random) }
  }

  private func perform(
    _ batch: PackedBatch, _ targets: [Float], _ features: [Float], _ random: RandomState
  ) throws -> [[Float]] {
    let inputs = TokenInputs(
      tokenIDs: runner.integers(.input(.tokenIDs)), typeIDs: runner.integers(.input(.typeIDs)),
      positions: runner.integers(.input(.positions)))
    batch.copyAll(to: inputs, segments: runner.integers(.input(.segments)))
    for sample in 0..<batch.sampleCount { runner.integers(.input(.samples))[sample] = Int32(sample) }
    runner.alive.clear()
    runner.alive[.admittedSamples] = batch.sampleCount
    runner.alive[.admittedTokens] = batch.tokenCount
    runner.random = random
    var results = [[Float]](repeating: [], count: wantedCount)
    targets.withUnsafeBufferPointer { targets in
      features.withUnsafeBufferPointer { features in
        (runner.targets, runner.features) = (targets.baseAddress, features.baseAddress)
        for (index, step) in runner.program.steps.enumerated() {
          if !runner.perform(step) { decisions.decide(step, runner) }
          for (place, operand) in wanted[index] ?? [] {
            let count = runner.rows(operand.rows) * operand.columns
            results[place] = Array(UnsafeBufferPointer(start: runner.floats(operand), count: count))
          }
        }
        (runner.targets, runner.features) = (nil, nil)
      }
    }
    return results
  }

  private func check(_ batch: PackedBatch, _ targets: [Float], _ features: [Float]) throws {
    guard batch.sampleCount > 0, batch.sampleCount <= capacity.samples, batch.tokenCount <= capacity.tokens else {
      throw RuntimeError(
        "\(batch.sampleCount) samples of \(batch.tokenCount) tokens; room is for 1 to \(capacity.samples) samples of "
          + "\(capacity.tokens) tokens")
    }
    for (values, limit) in zip([batch.tokenIDs, batch.positions, batch.typeIDs], runner.program.indexLimits) {
      if let bad = values.first(where: { $0 < 0 || Int($0) >= limit }) {
        throw RuntimeError("index \(bad) is outside its embedding table of \(limit) rows")
      }
    }
    for step in runner.program.steps {
      guard case .gradient(let op) = step.op, step.op.facts.training == .source else { continue }
      let given = op == .targets(width: step.results[0].columns) ? targets : features
      let wanted = batch.sampleCount * step.results[0].columns
      if given.count != wanted { throw RuntimeError("\(step.op.mnemonic): \(given.count) numbers, expected \(wanted)") }
    }
  }
}
