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
  /// Scratch of the kernels of training.
  let training: UnsafeMutablePointer<Float>
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
    let relativeCounts = program.steps.map { step -> Int in
      guard case .relativeAttention(let relative, _) = step.op else { return 0 }
      return Kernels.relativeAttentionScratchCount(
        relative, step.kernel, threads: threads, tokens: tokens, headSize: headSize)
    }
    let scratch = max(attentionCounts.max() ?? 0, firstCount, relativeCounts.max() ?? 0)
    let reducedBytes =
      program.reducedDepth == 0
      ? 0 : Kernels.linearScratchBytes(threads: threads, rows: max(tokens, samples), depth: program.reducedDepth)
    attention = try arena.take(Float.self, scratch)
    training = try arena.take(
      Float.self, program.trainingScratchCount(samples: samples, tokens: tokens, threads: threads))
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

extension Program {
  /// Floats of scratch that the most demanding step of a training needs.
  fileprivate func trainingScratchCount(samples: Int, tokens: Int, threads: Int) -> Int {
    if !trains { return 0 }
    return steps.map { step -> Int in
      let columns = step.results.first?.columns ?? 0
      func product(depth: Int, columns: Int) -> Int {
        Kernels.trainingLinearScratchCount(
          step.kernel, threads: threads, rows: max(samples, tokens), depth: depth, columns: columns)
      }
      switch step.op {
      case .linear: return product(depth: step.weightDepth, columns: columns)
      case .gradient(.linearInputGradient): return product(depth: columns, columns: step.inputs[0].columns)
      case .gradient(.linearWeightGradient):
        return product(depth: step.inputs[0].columns, columns: step.inputs[1].columns)
      case .gradient(.layerNormGradient):
        return Kernels.layerNormGradientScratchCount(rows: max(samples, tokens), columns: columns)
      case .gradient(.attentionGradient(let heads, _, _)):
        return Kernels.attentionGradientScratchCount(
          target, threads: threads, tokens: tokens, headSize: columns / heads)
      default: return 0
      }
    }.max() ?? 0
  }
}
