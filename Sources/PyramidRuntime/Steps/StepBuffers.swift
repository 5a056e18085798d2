// Where the values of a program lie while its steps run: inputs, the slots of the memory plan, and what kernels need
// beside their operands. Sized once, for the most rows that are ever computed together.

import PyramidIR
import PyramidKernels

/// A program's memory.
struct StepBuffers {
  /// Scratch of the attention kernels.
  let attention: UnsafeMutablePointer<Float>
  /// Scratch of linear layers of reduced precision: their inputs, rounded.
  let reduced: UnsafeMutableRawPointer
  private let inputs: [InputKind: UnsafeMutableRawPointer]
  private let slots: [UnsafeMutableRawPointer]

  /// Takes memory for up to `samples` samples and `tokens` tokens.
  init(program: Program, samples: Int, tokens: Int, threads: Int, arena: Arena) throws {
    let (heads, headSize) = (program.heads, program.headSize)
    let attentionCounts = program.attentionKernels.map {
      Kernels.attentionScratchCount($0, threads: threads, tokens: tokens, heads: heads, headSize: headSize)
    }
    let firstCount = Kernels.firstAttentionScratchCount(
      threads: threads, tokens: tokens, heads: heads, depth: program.firstAttentionDepth)
    let scratch = max(attentionCounts.max() ?? 0, firstCount)
    let reducedBytes =
      program.reducedDepth == 0
      ? 0 : Kernels.linearScratchBytes(threads: threads, rows: max(tokens, samples), depth: program.reducedDepth)
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
