// The buffers behind a program: inputs, slots, kernel scratch, decision scratch, per-sample records and policy
// memories, all in one arena that is sized here and never grows.

import CPyramidKernels
import PyramidIR

/// An executor's memory.
final class ExecutorBuffers: @unchecked Sendable {
  /// Rows of each embedding table, in the order of the `embed` step's operands.
  let tableRows: [Int]
  /// Scratch of the attention kernels.
  let attention: UnsafeMutablePointer<Float>
  /// Scores, heap and choice of one sample's tokens.
  let scores: UnsafeMutablePointer<Float>
  let heap: UnsafeMutablePointer<UInt64>
  let chosen: UnsafeMutablePointer<Int32>
  /// Earlier probabilities of one sample, head after head.
  let earlier: UnsafeMutablePointer<Float>
  /// Original position of each token alive; two buffers that take turns.
  var origins: UnsafeMutablePointer<Int32>
  var nextOrigins: UnsafeMutablePointer<Int32>
  /// For each sample, its tokens in every token dim and whether it is in every sample dim.
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
    program: Program, shape: ModelShape, options: ExecutorOptions, isa: mp_isa, memoryStride: Int, memoryAlignment: Int
  ) throws {
    let (samples, tokens) = (options.samples, options.tokens)
    let scratch = max(
      mp_attention_scratch_count(
        isa, Int32(options.threads), Int32(tokens), Int32(tokens), Int32(program.heads), Int32(program.headSize)),
      mp_first_attention_scratch_count(
        Int32(options.threads), Int32(tokens), Int32(tokens), Int32(program.heads), Int32(program.firstAttentionDepth)))
    let earlierCount = max(program.exitOperands * shape.classes, 1)
    let stride = max(memoryStride, 1)
    let memoryBytes = samples * stride + memoryAlignment
    func slotBytes(_ slot: Slot) -> Int { slot.bytesPerRow * (slot.family == .tokens ? tokens : samples + 1) }
    var size = program.slots.reduce(0) { $0 + Arena.bytes(UInt8.self, slotBytes($1)) }
    size += InputKind.allCases.count * Arena.bytes(Int32.self, max(tokens, samples + 1))
    size += Arena.bytes(Float.self, scratch) + Arena.bytes(Float.self, earlierCount)
    size += 4 * Arena.bytes(Int32.self, tokens) + Arena.bytes(UInt64.self, tokens)
    size += Arena.bytes(Int32.self, samples * program.tokenDims) + Arena.bytes(Int32.self, samples * program.sampleDims)
    size += Arena.bytes(UInt8.self, memoryBytes)
    let arena = try Arena(size: size)
    self.arena = arena
    inputs = Dictionary(
      uniqueKeysWithValues: InputKind.allCases.map {
        ($0, UnsafeMutableRawPointer(arena.take(Int32.self, max(tokens, samples + 1))))
      })
    slots = program.slots.map { UnsafeMutableRawPointer(arena.take(UInt8.self, slotBytes($0))) }
    attention = arena.take(Float.self, scratch)
    earlier = arena.take(Float.self, earlierCount)
    scores = arena.take(Float.self, tokens)
    chosen = arena.take(Int32.self, tokens)
    origins = arena.take(Int32.self, tokens)
    nextOrigins = arena.take(Int32.self, tokens)
    heap = arena.take(UInt64.self, tokens)
    tokenCounts = arena.take(Int32.self, samples * program.tokenDims)
    presence = arena.take(Int32.self, samples * program.sampleDims)
    let raw = UnsafeMutableRawPointer(arena.take(UInt8.self, memoryBytes))
    memories = raw.alignedUp(toMultipleOf: memoryAlignment)
    self.memoryStride = stride
    tokenDims = program.tokenDims
    sampleDims = program.sampleDims
    tableRows = program.embeddingRows
  }

  /// The policy memory of a sample.
  func memory(of sample: Int) -> UnsafeMutableRawPointer { memories + sample * memoryStride }

  /// Copies a batch in and resets the records.
  func fill(_ batch: PackedBatch) {
    func copy(_ values: [Int32], _ kind: InputKind) {
      values.withUnsafeBytes { inputs[kind]!.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }
    copy(batch.tokenIDs, .tokenIDs)
    copy(batch.positions, .positions)
    copy(batch.typeIDs, .typeIDs)
    copy(batch.segments, .segments)
    let numbers = inputs[.samples]!.assumingMemoryBound(to: Int32.self)
    for sample in 0..<batch.sampleCount { numbers[sample] = Int32(sample) }
    for token in 0..<batch.tokenCount { origins[token] = batch.positions[token] }
    tokenCounts.update(repeating: 0, count: batch.sampleCount * tokenDims)
    presence.update(repeating: 0, count: batch.sampleCount * sampleDims)
    for sample in 0..<batch.sampleCount {
      tokenCounts[sample * tokenDims] = batch.segments[sample + 1] - batch.segments[sample]
      presence[sample * sampleDims] = 1
    }
  }

  /// First byte of a buffer.
  func address(_ location: Location) -> UnsafeMutableRawPointer {
    switch location {
    case .input(let kind): inputs[kind]!
    case .slot(let index): slots[index]
    }
  }

  /// Tokens of a sample in every token dim.
  func tokens(of sample: Int) -> UnsafeMutableBufferPointer<Int32> {
    UnsafeMutableBufferPointer(start: tokenCounts + sample * tokenDims, count: tokenDims)
  }

  /// 1 for every sample dim that a sample is in, else 0.
  func presence(of sample: Int) -> UnsafeMutableBufferPointer<Int32> {
    UnsafeMutableBufferPointer(start: presence + sample * sampleDims, count: sampleDims)
  }
}
