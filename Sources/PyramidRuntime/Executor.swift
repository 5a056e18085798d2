// Runs packed batches through a program: one walk over the steps, kernels on the inference thread, decisions in
// between. What a step does is in Executor+Steps.swift, what decisions do in Executor+Decisions.swift; here are
// buffers, dims and the walk.

import CPyramidKernels
import PyramidIR
import PyramidPolicy

/// The most that an executor takes at once, and what it records.
public struct ExecutorOptions: Sendable {
  /// Samples in a batch; no more than the graph admits.
  public var samples: Int
  /// Tokens in a batch; no more than the graph admits.
  public var tokens: Int
  /// Size of the OpenMP team.
  public var threads: Int
  /// Whether answers carry the original positions of the tokens kept.
  public var recordsPositions: Bool

  /// Options; nil stands for what the graph admits.
  public init(graph: Graph, samples: Int? = nil, tokens: Int? = nil, threads: Int, recordsPositions: Bool = false) {
    self.samples = min(samples ?? .max, graph.admitted(.samples))
    self.tokens = min(tokens ?? .max, graph.admitted(.tokens))
    self.threads = threads
    self.recordsPositions = recordsPositions
  }
}

/// Buffers and team for one program. Calls from several threads queue.
public final class Executor: @unchecked Sendable {
  /// What it was made with.
  public let options: ExecutorOptions
  let program: Program
  let isa: mp_isa
  let exit: PolicyInstance?
  let prune: PolicyInstance?
  let shape: ModelShape
  let buffers: ExecutorBuffers
  private let thread: InferenceThread
  /// Kept open: the program's weights lie in its mapping.
  private let model: LoadedModel

  /// Rows of each dim in the batch at hand; -1 before its definition.
  var sampleRows: [Int]
  var tokenRows: [Int]
  var answers: [Answer] = []
  var admittedSamples = 0

  /// An executor for an open model and the policies that `model.policies(...)` resolved for it.
  public init(model: LoadedModel, policies: ResolvedPolicies, options: ExecutorOptions) throws {
    self.model = model
    let graph = model.graph
    program = try Program(graph, target: model.instructionSet, address: model.address(of:))
    isa = model.instructionSet.kernels
    shape = graph.shape
    exit = policies.exit
    prune = policies.prune
    self.options = options
    guard options.samples > 0, options.tokens > 0 else {
      throw RuntimeError("a batch needs room for a sample and a token")
    }
    guard (1...ThreadCount.limit).contains(options.threads) else {
      throw RuntimeError("\(options.threads) threads, expected 1 to \(ThreadCount.limit)")
    }
    buffers = try ExecutorBuffers(
      program: program, shape: graph.shape, options: options, isa: isa, memoryStride: exit?.memoryStride ?? 0,
      memoryAlignment: exit?.memoryAlignment ?? 1)
    sampleRows = Array(repeating: -1, count: program.sampleDims)
    tokenRows = Array(repeating: -1, count: program.tokenDims)
    thread = try InferenceThread.shared(threads: options.threads)
  }

  /// Runs a batch; answers come in the order of its samples. Throws when the batch exceeds the options or holds an id
  /// that the embedding tables lack.
  public func run(_ batch: PackedBatch) throws -> [Answer] {
    guard batch.sampleCount <= options.samples, batch.tokenCount <= options.tokens else {
      throw RuntimeError(
        "the batch has \(batch.sampleCount) samples and \(batch.tokenCount) tokens; room is for \(options.samples) and "
          + "\(options.tokens)")
    }
    if batch.sampleCount == 0 { return [] }
    try checkIndices(of: batch)
    return try thread.run {
      admit(batch)
      defer { destroyMemories() }
      walk()
      return answers
    }
  }

  private func checkIndices(of batch: PackedBatch) throws {
    guard let step = program.steps.first(where: { $0.op == .embed }) else { return }
    for (operand, limit) in zip(step.inputs, buffers.tableRows) {
      let indices: [Int32]
      switch operand.location {
      case .input(.tokenIDs): indices = batch.tokenIDs
      case .input(.positions): indices = batch.positions
      case .input(.typeIDs): indices = batch.typeIDs
      default: continue
      }
      if let bad = indices.first(where: { $0 < 0 || Int($0) >= limit }) {
        throw RuntimeError("index \(bad) is outside its embedding table of \(limit) rows")
      }
    }
  }

  private func admit(_ batch: PackedBatch) {
    admittedSamples = batch.sampleCount
    buffers.fill(batch)
    for index in sampleRows.indices { sampleRows[index] = -1 }
    for index in tokenRows.indices { tokenRows[index] = -1 }
    sampleRows[0] = batch.sampleCount
    tokenRows[0] = batch.tokenCount
    answers = Array(
      repeating: Answer(logits: [], exitLayer: 0, tokensAlive: [], keptPositions: nil, operations: OperationCount()),
      count: batch.sampleCount)
    if options.recordsPositions {
      for index in answers.indices { answers[index].keptPositions = [] }
    }
    guard let exit else { return }
    for sample in 0..<admittedSamples { exit.initializeMemory(at: buffers.memory(of: sample)) }
  }

  private func destroyMemories() {
    guard let exit else { return }
    for sample in 0..<admittedSamples { exit.destroyMemory(at: buffers.memory(of: sample)) }
  }

  private func walk() {
    for step in program.steps {
      perform(step)
      if case .decideExit = step.op, rows(step.results[0].rows) == 0 { return }
    }
  }

  /// Rows that an extent has in this batch.
  func rows(_ extent: Extent) -> Int {
    switch extent {
    case .fixed(let count): count
    case .dim(let dim): dim.family == .samples ? sampleRows[dim.index] : tokenRows[dim.index]
    case .dimPlusOne(let dim): 1 + (dim.family == .samples ? sampleRows[dim.index] : tokenRows[dim.index])
    }
  }

  /// Notes how many rows a dim-defining step kept.
  func define(_ operand: Operand, rows count: Int) {
    guard case .dim(let dim) = operand.rows else { return }
    if dim.family == .samples { sampleRows[dim.index] = count } else { tokenRows[dim.index] = count }
  }

  /// The buffer of a value as floats.
  func floats(_ operand: Operand) -> UnsafeMutablePointer<Float> {
    buffers.address(operand.location).assumingMemoryBound(to: Float.self)
  }

  /// The buffer of a value as 32-bit integers.
  func integers(_ operand: Operand) -> UnsafeMutablePointer<Int32> { integers(operand.location) }

  /// The buffer at a location as 32-bit integers.
  func integers(_ location: Location) -> UnsafeMutablePointer<Int32> {
    buffers.address(location).assumingMemoryBound(to: Int32.self)
  }
}
