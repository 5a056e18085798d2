// Where the values of a program lie while its steps run: inputs, the slots of the memory plan, and what kernels need
// beside their operands. Sized once, for the most rows that are ever computed together.

import CPyramidKernels
import PyramidIR

/// A program's memory.
struct StepBuffers {
  /// Scratch of the attention kernels.
  let attention: UnsafeMutablePointer<Float>
  /// Scratch of linear layers of reduced precision: their inputs, rounded.
  let reduced: UnsafeMutableRawPointer
  private let inputs: [InputKind: UnsafeMutableRawPointer]
  private let slots: [UnsafeMutableRawPointer]

  /// Takes memory for up to `samples` samples and `tokens` tokens.
  init(program: Program, samples: Int, tokens: Int, threads: Int, isa: mp_isa, arena: Arena) throws {
    let scratch = max(
      mp_attention_scratch_count(
        isa, Int32(threads), program.precision.kernels, Int32(tokens), Int32(tokens), Int32(program.heads),
        Int32(program.headSize)),
      mp_first_attention_scratch_count(
        Int32(threads), Int32(tokens), Int32(tokens), Int32(program.heads), Int32(program.firstAttentionDepth)))
    let reducedBytes =
      program.reducedDepth == 0
      ? 0 : mp_linear_scratch_bytes(Int32(threads), Int32(max(tokens, samples)), Int32(program.reducedDepth))
    attention = try arena.take(Float.self, scratch)
    reduced = UnsafeMutableRawPointer(try arena.take(UInt8.self, reducedBytes))
    inputs = Dictionary(
      uniqueKeysWithValues: try InputKind.allCases.map {
        ($0, UnsafeMutableRawPointer(try arena.take(Int32.self, max(tokens, samples + 1))))
      })
    slots = try program.slots.map { slot in
      let bytes = slot.bytesPerRow * (slot.family == .tokens ? tokens : samples + 1)
      return UnsafeMutableRawPointer(try arena.take(UInt8.self, bytes))
    }
  }

  /// First byte of a buffer.
  func address(_ location: Location) -> UnsafeMutableRawPointer {
    switch location {
    case .input(let kind): inputs[kind]!
    case .slot(let index): slots[index]
    }
  }
}
