// The buffers behind a program: inputs, slots, kernel scratch, decision scratch, per-seat records and policy memories,
// all in one arena that is sized here and never grows. Inputs, slots and scratch are those of one wave.

import PyramidIR
import PyramidKernels

/// An executor's memory.
final class ExecutorBuffers: @unchecked Sendable {
  /// Rows of each embedding table, in the order of the `embed` step's operands.
  let tableRows: [Int]
  /// Scratch of the attention kernels.
  let attention: UnsafeMutablePointer<Float>
  /// Scratch of linear layers of reduced precision: their inputs, rounded.
  let reduced: UnsafeMutableRawPointer
  /// Scores, heap and choice of one sample's tokens.
  let scores: UnsafeMutablePointer<Float>
  let heap: UnsafeMutablePointer<UInt64>
  let chosen: UnsafeMutablePointer<Int32>
  /// Earlier probabilities of one sample, head after head.
  let earlier: UnsafeMutablePointer<Float>
  /// Original position of each token alive; two buffers that take turns.
  var origins: UnsafeMutablePointer<Int32>
  var nextOrigins: UnsafeMutablePointer<Int32>
  /// For each seat, its sample's tokens in every token dim and whether it is in every sample dim.
  let tokenCounts: UnsafeMutablePointer<Int32>
  let presence: UnsafeMutablePointer<Int32>
  private let arena: Arena
  private let inputs: [InputKind: UnsafeMutableRawPointer]
  private let slots: [UnsafeMutableRawPointer]
  private let memories: UnsafeMutableRawPointer
  private let memoryStride: Int
  private let tokenDims: Int
  private let sampleDims: Int

  init(
    program: Program, shape: ModelShape, options: ExecutorOptions, seats: Int, memoryStride: Int,
    memoryAlignment: Int
  ) throws {
    let (samples, tokens) = (options.samples, options.roomForTokens)
    let threads = options.threads
    let attentionCounts = program.attentionKernels.map {
      AttentionCall.scratchCount($0, threads: threads, tokens: tokens, heads: program.heads, headSize: program.headSize)
    }
    let scratch = max(
      attentionCounts.max() ?? 0,
      FirstAttentionCall.scratchCount(
        threads: threads, tokens: tokens, heads: program.heads, depth: program.firstAttentionDepth))
    let reducedBytes =
      program.reducedDepth == 0
      ? 0 : LinearCall.scratchBytes(threads: threads, rows: max(tokens, samples), depth: program.reducedDepth)
    let earlierCount = max(program.exitOperands * shape.classes, 1)
    let stride = max(memoryStride, 1)
    let memoryBytes = seats * stride + memoryAlignment
    func slotBytes(_ slot: Slot) -> Int { slot.bytesPerRow * (slot.family == .tokens ? tokens : samples + 1) }
    var size = program.slots.reduce(0) { $0 + Arena.bytes(UInt8.self, slotBytes($1)) }
    size += InputKind.allCases.count * Arena.bytes(Int32.self, max(tokens, samples + 1))
    size += Arena.bytes(Float.self, scratch) + Arena.bytes(Float.self, earlierCount)
    size += 4 * Arena.bytes(Int32.self, tokens) + Arena.bytes(UInt64.self, tokens)
    size += Arena.bytes(Int32.self, seats * program.tokenDims) + Arena.bytes(Int32.self, seats * program.sampleDims)
    size += Arena.bytes(UInt8.self, memoryBytes) + Arena.bytes(UInt8.self, reducedBytes)
    let arena = try Arena(size: size)
    self.arena = arena
    inputs = Dictionary(
      uniqueKeysWithValues: InputKind.allCases.map {
        ($0, UnsafeMutableRawPointer(arena.take(Int32.self, max(tokens, samples + 1))))
      })
    slots = program.slots.map { UnsafeMutableRawPointer(arena.take(UInt8.self, slotBytes($0))) }
    attention = arena.take(Float.self, scratch)
    reduced = UnsafeMutableRawPointer(arena.take(UInt8.self, reducedBytes))
    earlier = arena.take(Float.self, earlierCount)
    scores = arena.take(Float.self, tokens)
    chosen = arena.take(Int32.self, tokens)
    origins = arena.take(Int32.self, tokens)
    nextOrigins = arena.take(Int32.self, tokens)
    heap = arena.take(UInt64.self, tokens)
    tokenCounts = arena.take(Int32.self, seats * program.tokenDims)
    presence = arena.take(Int32.self, seats * program.sampleDims)
    let raw = UnsafeMutableRawPointer(arena.take(UInt8.self, memoryBytes))
    memories = raw.alignedUp(toMultipleOf: memoryAlignment)
    self.memoryStride = stride
    tokenDims = program.tokenDims
    sampleDims = program.sampleDims
    tableRows = program.embeddingRows
  }

  /// The policy memory of a seat.
  func memory(of seat: Int) -> UnsafeMutableRawPointer { memories + seat * memoryStride }

  /// Copies the samples of a range in, gives them seats, and resets the records of these.
  func fill(_ batch: PackedBatch, _ samples: Range<Int>, _ seats: inout SampleSeats) {
    let start = batch.segments[samples.lowerBound]
    let tokens = Int(start)..<Int(batch.segments[samples.upperBound])
    func copy(_ values: [Int32], _ kind: InputKind) {
      values.withUnsafeBufferPointer {
        input(kind).update(from: $0.baseAddress! + tokens.lowerBound, count: tokens.count)
      }
    }
    copy(batch.tokenIDs, .tokenIDs)
    copy(batch.positions, .positions)
    copy(batch.typeIDs, .typeIDs)
    let (segments, numbers) = (input(.segments), input(.samples))
    segments[0] = 0
    for (row, sample) in samples.enumerated() {
      let seat = seats.take(for: sample)
      numbers[row] = Int32(seat)
      segments[row + 1] = batch.segments[sample + 1] - start
      (tokenCounts + seat * tokenDims).update(repeating: 0, count: tokenDims)
      (presence + seat * sampleDims).update(repeating: 0, count: sampleDims)
      tokenCounts[seat * tokenDims] = segments[row + 1] - segments[row]
      presence[seat * sampleDims] = 1
    }
    for token in 0..<tokens.count { origins[token] = batch.positions[tokens.lowerBound + token] }
  }

  private func input(_ kind: InputKind) -> UnsafeMutablePointer<Int32> {
    inputs[kind]!.assumingMemoryBound(to: Int32.self)
  }

  /// First byte of a buffer.
  func address(_ location: Location) -> UnsafeMutableRawPointer {
    switch location {
    case .input(let kind): inputs[kind]!
    case .slot(let index): slots[index]
    }
  }

  /// Tokens of a seat's sample in every token dim.
  func tokens(of seat: Int) -> UnsafeMutableBufferPointer<Int32> {
    UnsafeMutableBufferPointer(start: tokenCounts + seat * tokenDims, count: tokenDims)
  }

  /// 1 for every sample dim that a seat's sample is in, else 0.
  func presence(of seat: Int) -> UnsafeMutableBufferPointer<Int32> {
    UnsafeMutableBufferPointer(start: presence + seat * sampleDims, count: sampleDims)
  }
}
