// Runs the steps of a program, one kernel call each, on the rows that are alive. It knows buffers and kernels, and
// nothing of waves or policies: a step that decides something is left to the caller.

import PyramidIR
import PyramidKernels

/// The buffers of a program and the kernels that work on them. For one thread.
final class StepRunner {
  /// What it runs.
  let program: Program
  /// Rows that each dim has now.
  var alive: DimRows
  /// What a training graph draws from and is brought: distributions over classes and features, [samples][width].
  var random = RandomState(seed: 0, step: 0)
  var targets: UnsafePointer<Float>?
  var features: UnsafePointer<Float>?
  private let threads: Int
  let buffers: StepBuffers
  private let arena = Arena()

  /// A runner with room for `samples` samples and `tokens` tokens at once.
  init(_ program: Program, samples: Int, tokens: Int, threads: Int) throws {
    (self.program, self.threads) = (program, threads)
    alive = DimRows(sampleDims: program.sampleDims, tokenDims: program.tokenDims)
    buffers = try StepBuffers(program: program, samples: samples, tokens: tokens, threads: threads, arena: arena)
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
    let kernels = Kernels(step.kernel, threads: threads)
    let count = step.results.first.map { rows($0.rows) } ?? 0
    let columns = step.results.first.map { $0.columns } ?? 0
    func input(_ index: Int) -> UnsafeMutablePointer<Float> { floats(step.inputs[index]) }
    func result(_ index: Int = 0) -> UnsafeMutablePointer<Float> { floats(step.results[index]) }
    switch step.op {
    case .input: break
    case .embed:
      // A table alone after the words' may be that of types: the sum is the same.
      let (hasPositions, hasTypes) = (step.inputs.count > 1, step.inputs.count == 3)
      kernels.embed(
        ids: integers(step.inputs[0]), positions: hasPositions ? integers(step.inputs[1]) : nil,
        types: hasTypes ? integers(step.inputs[2]) : nil, rows: count, columns: columns, wordTable: step.weights[0],
        positionTable: hasPositions ? step.weights[1] : nil, typeTable: hasTypes ? step.weights[2] : nil, into: result()
      )
    case .linear(let activation): linear(step, kernels, rows: count, columns: columns, .activation(activation))
    case .linearAddNorm(let epsilon):
      linear(
        step, kernels, rows: count, columns: columns,
        .norm(residual: input(1), gamma: step.weights[2], beta: step.weights[3], epsilon: epsilon))
    case .activate(let activation):
      kernels.activate(input(0), rows: count, columns: columns, activation, into: result())
    case .gate(let activation):
      kernels.gate(input(0), rows: count, columns: columns, activation, into: result())
    case .rotate(let rotation):
      kernels.rotate(
        input(0), rows: count, columns: columns, rotation, turns: step.positionTable!,
        positions: integers(step.inputs[1]), into: result())
    case .relativeAttention(let relative, let emits): attention(step, kernels, relative, emits)
    case .add: kernels.add(input(0), input(1), rows: count, columns: columns, into: result())
    case .layerNorm(let epsilon):
      kernels.layerNorm(
        input(0), rows: count, columns: columns, gamma: step.weights[0], beta: step.weights[1], epsilon: epsilon,
        into: result())
    case .attention(let heads, let emits):
      attention(
        step, kernels, input(0), input(1), input(2), stride: step.inputs[0].columns, segments: 3, heads, emits)
    case .attentionQKV(let heads, let emits):
      let (base, width) = (input(0), step.inputs[0].columns / 3)
      attention(
        step, kernels, base, base + width, base + 2 * width, stride: 3 * width, segments: 1, heads, emits)
    case .firstAttention(let heads, let emits):
      kernels.firstAttention(
        q: input(0), x: input(1), depth: step.inputs[1].columns, wk: step.weights[0], wv: step.weights[1],
        bv: step.weights[2], segments: integers(step.inputs[2]), samples: count,
        sizes: step.inputs.count > 3 ? input(3) : nil, heads: heads, headSize: columns / heads, out: result(),
        fromFirst: emits.isEmpty ? nil : result(1),
        scratch: buffers.attention)
    case .segmentMean:
      kernels.segmentMean(
        input(0), columns: columns, segments: integers(step.inputs[1]), samples: count, into: result())
    case .concat:
      kernels.concat(
        input(0), columns: step.inputs[0].columns, input(1), columns: step.inputs[1].columns, rows: count,
        into: result())
    case .bagLogits(let skip, let separator):
      let hasPairs = step.weights.count == 3
      kernels.bagLogits(
        ids: integers(step.inputs[0]), segments: integers(step.inputs[1]), samples: count, skip: skip,
        separator: separator, table: step.weights[0], bigrams: hasPairs ? step.weights[1] : nil,
        pairs: step.secondWeightRows, bias: step.weights[step.weights.count - 1], classes: columns, into: result())
    case .softmax: kernels.softmax(input(0), rows: count, columns: columns, into: result())
    case .rowNorm(let first, let width):
      kernels.rowNorm(
        input(0), rows: count, stride: step.inputs[0].columns, columns: first..<first + width, into: result())
    case .headMean(let first, let width, let heads):
      kernels.headMean(
        input(0), rows: count, stride: step.inputs[0].columns, first: first, heads: heads, headSize: width / heads,
        into: result())
    case .pool:
      kernels.pool(
        input(0), columns: columns, into: integers(step.inputs[1]), shares: input(2), rows: rows(step.inputs[0].rows),
        pooled: count, y: result())
    case .firstRows, .compact:
      // The offsets of samples are the row numbers of their [CLS] tokens.
      kernels.gather(input(0), columns: columns, index: integers(step.inputs[1]), rows: count, into: result())
    case .decideExit, .decidePrune, .keepSamples, .compactSegments, .classify: return false
    case .gradient(let op): perform(op, step, kernels)
    }
    return true
  }

  private func linear(_ step: Step, _ kernels: Kernels, rows: Int, columns: Int, _ finish: LinearFinish) {
    if program.trains, case .activation(let activation) = finish {
      let y = floats(step.results[0])
      kernels.trainingLinear(
        rows: rows, depth: step.weightDepth, columns: columns, x: floats(step.inputs[0]), weight: step.weights[0],
        bias: step.weights[1], y: y, scratch: buffers.training)
      if activation != .none { kernels.activate(y, rows: rows, columns: columns, activation, into: y) }
      return
    }
    kernels.linear(
      rows: rows, depth: step.weightDepth, columns: columns, x: floats(step.inputs[0]), weight: step.weights[0],
      bias: step.weights[1], finish: finish, y: floats(step.results[0]), scratch: buffers.reduced)
  }

  private func attention(
    _ step: Step, _ kernels: Kernels, _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>,
    stride: Int, segments place: Int, _ heads: Int, _ emits: [Emission]
  ) {
    let segments = step.inputs[place]
    let emitted = emitted(step, emits)
    kernels.attention(
      q: q, k: k, v: v, stride: stride, segments: integers(segments), samples: rows(segments.rows) - 1,
      sizes: place + 1 < step.inputs.count ? floats(step.inputs[place + 1]) : nil, heads: heads,
      headSize: step.results[0].columns / heads, out: floats(step.results[0]), received: emitted.received,
      fromFirst: emitted.fromFirst, fromOthers: emitted.fromOthers, scratch: buffers.attention)
  }

  /// Where an attention puts what it hands out.
  private func emitted(_ step: Step, _ emits: [Emission]) -> Emitted {
    var emitted = Emitted()
    for (emission, result) in zip(emits, step.results.dropFirst()) {
      switch emission {
      case .received: emitted.received = floats(result)
      case .fromFirst: emitted.fromFirst = floats(result)
      case .fromOthers: emitted.fromOthers = floats(result)
      }
    }
    return emitted
  }

  private struct Emitted {
    var received, fromFirst, fromOthers: UnsafeMutablePointer<Float>?
  }

  private func attention(_ step: Step, _ kernels: Kernels, _ relative: RelativeAttention, _ emits: [Emission]) {
    let (place, width) = (relative.positions, step.results[0].columns)
    func part(_ index: Int) -> UnsafeMutablePointer<Float> {
      relative.form == .joined ? floats(step.inputs[0]) + index * width : floats(step.inputs[index])
    }
    let segments = step.inputs[place + 1]
    let emitted = emitted(step, emits)
    kernels.relativeAttention(
      AttentionTerms(relative, rows: step.positionTable, limit: program.positionLimit, tables: step.weights),
      q: part(0), k: part(1), v: part(2), stride: relative.form == .joined ? 3 * width : width,
      positions: integers(step.inputs[place]), segments: integers(segments), samples: rows(segments.rows) - 1,
      sizes: place + 2 < step.inputs.count ? floats(step.inputs[place + 2]) : nil, headSize: width / relative.heads,
      out: floats(step.results[0]), received: emitted.received, fromFirst: emitted.fromFirst,
      fromOthers: emitted.fromOthers, scratch: buffers.attention)
  }
}
