// Runs packed batches through a program on the inference thread. In what order its sections run is in
// Executor+Waves.swift, what a step does in Executor+Steps.swift, what decisions do in Executor+Decisions.swift; here
// are the buffers and what a caller sees.

import PyramidIR
import PyramidPolicy

/// The most that an executor computes at once, and what it records.
public struct ExecutorOptions: Sendable {
  /// Samples in a wave; no more than the graph admits.
  public var samples: Int
  /// Tokens in a wave; no more than the graph admits.
  public var tokens: Int
  /// Tokens in a sample: one that is longer than a wave may be is a wave of its own. No more than the graph admits.
  public var longestSample: Int
  /// Size of the OpenMP team.
  public var threads: Int
  /// Whether answers carry the original positions of the tokens kept.
  public var recordsPositions: Bool

  /// Options; nil stands for what the graph admits, and for the longest sample the tokens of a wave.
  public init(
    graph: Graph, samples: Int? = nil, tokens: Int? = nil, longestSample: Int? = nil, threads: Int,
    recordsPositions: Bool = false
  ) {
    self.samples = min(samples ?? .max, graph.admitted(.samples))
    self.tokens = min(tokens ?? .max, graph.admitted(.tokens))
    self.longestSample = min(longestSample ?? self.tokens, graph.admitted(.tokens))
    self.threads = threads
    self.recordsPositions = recordsPositions
  }

  /// The most tokens that are ever in a wave.
  var roomForTokens: Int { max(tokens, longestSample) }
}

/// Buffers and team for one program. Calls from several threads queue.
public final class Executor: @unchecked Sendable {
  /// What it was made with.
  public let options: ExecutorOptions
  let program: Program
  let exit: PolicyInstance?
  let prune: PolicyInstance?
  let shape: ModelShape
  let buffers: ExecutorBuffers
  let scheduler: WaveScheduler
  private let thread: InferenceThread
  /// Kept open: the program's weights lie in its mapping.
  private let model: LoadedModel

  /// Rows of each dim in the wave in hand.
  var wave: DimRows
  /// Those who wait, by the section that they wait for.
  var pools: [WavePool]
  private let waitingArena: Arena
  /// What waits in each pool.
  var waiting: [WaveRows]
  var seats: SampleSeats
  /// Where the batch at hand is answered.
  var answers = AnswerTable()
  /// How often a wave took others in: tests look whether waves meet at all.
  var meetings = 0

  /// An executor for an open model and the policies that `model.policies(...)` resolved for it.
  public init(model: LoadedModel, policies: ResolvedPolicies, options: ExecutorOptions) throws {
    self.model = model
    let graph = model.graph
    program = try Program(graph, target: model.instructionSet, address: model.address(of:))
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
    let hasExits = program.steps.contains { if case .decideExit = $0.op { true } else { false } }
    scheduler = WaveScheduler(room: WaveRows(samples: options.samples, tokens: options.tokens), hasExits: hasExits)
    let (sections, room, positions) = (program.sections, scheduler.waitingRoom, options.recordsPositions)
    let seatCount = options.samples + sections.count * room.samples
    guard seatCount <= SampleSeats.most else {
      throw RuntimeError("room for \(seatCount) samples at once is more than \(SampleSeats.most)")
    }
    buffers = try ExecutorBuffers(
      program: program, shape: graph.shape, options: options, seats: seatCount,
      memoryStride: exit?.memoryStride ?? 0, memoryAlignment: exit?.memoryAlignment ?? 1)
    let none = DimRows(sampleDims: program.sampleDims, tokenDims: program.tokenDims)
    let waitingBytes = sections.reduce(0) { min($0 + WavePool.bytes($1, room: room), 1 << 62) }
    let arena = try Arena(size: waitingBytes + SampleSeats.bytes(capacity: seatCount))
    pools = sections.map { WavePool($0, room: room, recordsPositions: positions, rows: none, arena: arena) }
    seats = SampleSeats(capacity: seatCount, arena: arena)
    waitingArena = arena
    waiting = sections.map { _ in .none }
    wave = none
    thread = try InferenceThread.shared(threads: options.threads)
  }

  /// Runs a batch of any number of samples; answers come in their order. Throws when a sample has more tokens than the
  /// options give room for, or an id that the embedding tables lack.
  public func run(_ batch: PackedBatch) throws -> [Answer] {
    let table = AnswerTable()
    try run(batch, into: table)
    return table.answers
  }

  /// Runs a batch and writes its answers over those in `table`. Once the table has held as many, nothing is allocated.
  public func run(_ batch: PackedBatch, into table: AnswerTable) throws {
    try checkLengths(of: batch)
    try checkIndices(of: batch)
    table.prepare(for: batch, shape: shape, recordsPositions: options.recordsPositions)
    if batch.sampleCount == 0 { return }
    var request = Request(executor: self, batch: batch, table: table)
    withUnsafeMutablePointer(to: &request) { request in
      thread.run({ $0!.assumingMemoryBound(to: Request.self).pointee.serve() }, request)
    }
  }

  /// What the inference thread is handed.
  private struct Request {
    let executor: Executor
    let batch: PackedBatch
    let table: AnswerTable

    func serve() { executor.serve(batch, into: table) }
  }

  private func checkLengths(of batch: PackedBatch) throws {
    for sample in 0..<batch.sampleCount {
      let length = Int(batch.segments[sample + 1] - batch.segments[sample])
      guard length <= options.roomForTokens else {
        throw RuntimeError(
          "sample \(sample + 1) of the batch has \(length) tokens; room is for \(options.roomForTokens)")
      }
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

  /// Rows that an extent has in the wave in hand.
  func rows(_ extent: Extent) -> Int { wave.rows(extent) }

  /// Notes how many rows a dim-defining step kept.
  func define(_ operand: Operand, rows count: Int) {
    if case .dim(let dim) = operand.rows { wave[dim] = count }
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
