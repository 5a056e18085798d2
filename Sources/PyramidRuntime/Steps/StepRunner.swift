// Runs the steps of a program, one kernel call each, on the rows that are alive. It knows buffers and kernels, and
// nothing of waves or policies: a step that decides something is left to the caller.

import CPyramidKernels
import PyramidIR

extension Activation {
  /// The kernels' number for it.
  var kernels: mp_activation {
    switch self {
    case .none: MP_ACTIVATION_NONE
    case .gelu: MP_ACTIVATION_GELU
    case .geluTanh: MP_ACTIVATION_GELU_TANH
    case .relu: MP_ACTIVATION_RELU
    case .tanh: MP_ACTIVATION_TANH
    }
  }
}

/// The buffers of a program and the kernels that work on them. For one thread.
final class StepRunner {
  /// What it runs.
  let program: Program
  /// Rows that each dim has now.
  var alive: DimRows
  private let isa: mp_isa
  private let threads: Int
  private let buffers: StepBuffers
  private let arena = Arena()

  /// A runner with room for `samples` samples and `tokens` tokens at once.
  init(_ program: Program, isa: mp_isa, samples: Int, tokens: Int, threads: Int) throws {
    (self.program, self.isa, self.threads) = (program, isa, threads)
    alive = DimRows(sampleDims: program.sampleDims, tokenDims: program.tokenDims)
    buffers = try StepBuffers(
      program: program, samples: samples, tokens: tokens, threads: threads, isa: isa, arena: arena)
  }

  /// Rows that an extent has now.
  func rows(_ extent: Extent) -> Int { alive.rows(extent) }

  /// Notes how many rows a dim-defining step kept.
  func define(_ operand: Operand, rows count: Int) {
    if case .dim(let dim) = operand.rows { alive[dim] = count }
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

  /// Runs a step; false when it is not a kernel's but a decision.
  func perform(_ step: Step) -> Bool {
    let threads = Int32(threads)
    let count = step.results.first.map { Int32(rows($0.rows)) } ?? 0
    let columns = step.results.first.map { Int32($0.columns) } ?? 0
    switch step.op {
    case .input: break
    case .embed:
      let hasTypes = step.inputs.count == 3
      mp_embed(
        isa, threads, integers(step.inputs[0]), integers(step.inputs[1]), hasTypes ? integers(step.inputs[2]) : nil,
        count,
        columns, step.weights[0], step.weights[1], hasTypes ? step.weights[2] : nil, floats(step.results[0]))
    case .linear(let activation):
      if step.precision == .f32 {
        mp_linear(
          isa, threads, floats(step.inputs[0]), count, Int32(step.weightDepth), step.weights[0], step.weights[1],
          columns, activation.kernels, floats(step.results[0]))
      } else {
        mp_linear_reduced(
          isa, threads, step.precision.kernels, floats(step.inputs[0]), count, Int32(step.weightDepth), step.weights[0],
          step.weights[1], columns, activation.kernels, nil, nil, nil, 0, floats(step.results[0]), buffers.reduced)
      }
    case .linearAddNorm(let epsilon):
      if step.precision == .f32 {
        mp_linear_add_norm(
          isa, threads, floats(step.inputs[0]), count, Int32(step.weightDepth), step.weights[0], step.weights[1],
          columns, floats(step.inputs[1]), step.weights[2], step.weights[3], epsilon, floats(step.results[0]))
      } else {
        mp_linear_reduced(
          isa, threads, step.precision.kernels, floats(step.inputs[0]), count, Int32(step.weightDepth), step.weights[0],
          step.weights[1], columns, MP_ACTIVATION_NONE, floats(step.inputs[1]), step.weights[2], step.weights[3],
          epsilon, floats(step.results[0]), buffers.reduced)
      }
    case .activate(let activation):
      mp_activate(isa, threads, floats(step.inputs[0]), count, columns, activation.kernels, floats(step.results[0]))
    case .add:
      mp_add(isa, threads, floats(step.inputs[0]), floats(step.inputs[1]), count, columns, floats(step.results[0]))
    case .layerNorm(let epsilon):
      mp_layer_norm(
        isa, threads, floats(step.inputs[0]), count, columns, step.weights[0], step.weights[1], epsilon,
        floats(step.results[0]))
    case .attention(let heads, let emits):
      attend(
        step, floats(step.inputs[0]), floats(step.inputs[1]), floats(step.inputs[2]), stride: step.inputs[0].columns,
        segments: step.inputs[3], heads, emits)
    case .attentionQKV(let heads, let emits):
      let (base, width) = (floats(step.inputs[0]), step.inputs[0].columns / 3)
      attend(
        step, base, base + width, base + 2 * width, stride: 3 * width, segments: step.inputs[1], heads, emits)
    case .firstAttention(let heads, let emits):
      mp_first_attention(
        isa, threads, step.precision.kernels, floats(step.inputs[0]), floats(step.inputs[1]),
        Int32(step.inputs[1].columns), integers(step.inputs[2]), count, Int32(heads), columns / Int32(heads),
        step.weights[0], step.weights[1], step.weights[2], floats(step.results[0]),
        emits.isEmpty ? nil : floats(step.results[1]), buffers.attention)
    case .firstRows:
      // The offsets are the row numbers of the [CLS] tokens.
      mp_gather_rows(threads, floats(step.inputs[0]), columns, integers(step.inputs[1]), count, floats(step.results[0]))
    case .softmax:
      mp_softmax_rows(isa, floats(step.inputs[0]), count, columns, floats(step.results[0]))
    case .rowNorm(let first, let width):
      mp_row_norm(
        isa, floats(step.inputs[0]), count, Int32(step.inputs[0].columns), Int32(first), Int32(width),
        floats(step.results[0]))
    case .compact:
      mp_gather_rows(threads, floats(step.inputs[0]), columns, integers(step.inputs[1]), count, floats(step.results[0]))
    case .decideExit, .decidePrune, .keepSamples, .compactSegments, .classify: return false
    }
    return true
  }

  private func attend(
    _ step: Step, _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, stride: Int,
    segments: Operand, _ heads: Int, _ emits: [Emission]
  ) {
    var received: UnsafeMutablePointer<Float>?
    var fromFirst: UnsafeMutablePointer<Float>?
    for (emission, result) in zip(emits, step.results.dropFirst()) {
      switch emission {
      case .received: received = floats(result)
      case .fromFirst: fromFirst = floats(result)
      }
    }
    mp_attention(
      isa, Int32(threads), program.precision.kernels, q, k, v, Int32(stride), integers(segments),
      Int32(rows(segments.rows) - 1),
      Int32(heads), Int32(step.results[0].columns / heads), floats(step.results[0]), received, fromFirst,
      buffers.attention)
  }
}
