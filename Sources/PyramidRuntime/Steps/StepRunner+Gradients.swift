// The steps of training graphs, one kernel call each. Separate from the others because inference runs none of them.

import Glibc
import PyramidIR
import PyramidKernels

extension StepRunner {
  /// Runs a step of a training graph.
  func perform(_ op: GradientOp, _ step: Step, _ kernels: Kernels) {
    let count = step.results.first.map { rows($0.rows) } ?? 0
    let columns = step.results.first.map { $0.columns } ?? 0
    func input(_ index: Int) -> UnsafeMutablePointer<Float> { floats(step.inputs[index]) }
    func segments(_ index: Int) -> (offsets: UnsafeMutablePointer<Int32>, samples: Int) {
      (integers(step.inputs[index]), rows(step.inputs[index].rows) - 1)
    }
    func result() -> UnsafeMutablePointer<Float> { floats(step.results[0]) }
    switch op {
    case .targets: result().update(from: targets!, count: count * columns)
    case .features: result().update(from: features!, count: count * columns)
    case .columns(let first, let width):
      kernels.copyColumns(
        input(0), rows: count, stride: step.inputs[0].columns, columns: first..<first + width, into: result())
    case .dropout(let rate, let stream):
      kernels.dropout(
        input(0), rows: count, columns: columns, Dropout(rate: rate, stream: stream, random), into: result())
    case .dropoutAttention(let heads, let rate, let stream, let emits):
      let (offsets, samples) = segments(3)
      kernels.dropoutAttention(
        q: input(0), k: input(1), v: input(2), stride: columns, segments: offsets, samples: samples, heads: heads,
        headSize: columns / heads, dropout: Dropout(rate: rate, stream: stream, random), out: result(),
        received: emits.isEmpty ? nil : floats(step.results[1]), scratch: buffers.attention)
    case .softKeep(let layer, let temperature):
      let (offsets, samples) = segments(1)
      kernels.softKeep(
        score: input(0), segments: offsets, samples: samples, threshold: step.weights[0][layer],
        temperature: temperature, into: result())
    case .scaleRows: kernels.scaleRows(input(0), by: input(1), rows: count, columns: columns, into: result())
    case .meanRowsPenalty(let scale):
      let (offsets, samples) = segments(1)
      kernels.meanRowsPenalty(mask: input(0), segments: offsets, samples: samples, scale: scale, into: result())
    case .crossEntropy(let scale):
      kernels.crossEntropy(
        logits: input(0), targets: input(1), rows: count, classes: step.inputs[0].columns, scale: scale, into: result())
    case .linearInputGradient, .linearWeightGradient, .activationGradient, .layerNormGradient, .attentionGradient,
      .embedGradient, .firstRowsGradient, .segmentMeanGradient, .compactGradient, .crossEntropyGradient, .rowDot,
      .softKeepGradient, .meanRowsPenaltyGradient:
      performBackward(op, step, kernels, count: count, columns: columns)
    }
  }

  private func performBackward(_ op: GradientOp, _ step: Step, _ kernels: Kernels, count: Int, columns: Int) {
    func input(_ index: Int) -> UnsafeMutablePointer<Float> { floats(step.inputs[index]) }
    func segments(_ index: Int) -> (offsets: UnsafeMutablePointer<Int32>, samples: Int) {
      (integers(step.inputs[index]), rows(step.inputs[index].rows) - 1)
    }
    func result() -> UnsafeMutablePointer<Float> { floats(step.results[0]) }
    switch op {
    case .linearInputGradient:
      kernels.linearInputGradient(
        rows: count, depth: columns, columns: step.inputs[0].columns, dy: input(0), weight: step.weights[0],
        dx: result(), scratch: buffers.training)
    case .linearWeightGradient:
      kernels.linearWeightGradient(
        rows: rows(step.inputs[0].rows), depth: step.inputs[0].columns, columns: step.inputs[1].columns, x: input(0),
        dy: input(1), dWeight: step.gradients[0], dBias: step.gradients[1], scratch: buffers.training)
    case .activationGradient(let activation):
      kernels.activationGradient(
        input(0), dy: input(1), rows: count, columns: columns, activation, into: result())
    case .layerNormGradient(let epsilon):
      let adds = step.gradients.count == 2
      kernels.layerNormGradient(
        input(0), dy: input(1), rows: count, columns: columns, gamma: step.weights[0], epsilon: epsilon,
        into: result(), dGamma: adds ? step.gradients[0] : nil, dBeta: adds ? step.gradients[1] : nil,
        scratch: buffers.training)
    case .attentionGradient(let heads, let rate, let stream): attentionGradient(step, kernels, heads, rate, stream)
    case .embedGradient:
      let dy = step.inputs[step.inputs.count - 1]
      for (index, gradient) in zip(step.inputs, step.gradients) {
        guard let gradient else { continue }
        kernels.embedGradient(
          indices: integers(index), dy: floats(dy), rows: rows(dy.rows), columns: dy.columns, dTable: gradient)
      }
    case .firstRowsGradient:
      let (offsets, samples) = segments(1)
      kernels.scatter(input(0), index: offsets, count: samples, rows: count, columns: columns, into: result())
    case .segmentMeanGradient:
      let (offsets, samples) = segments(1)
      kernels.segmentMeanGradient(dy: input(0), segments: offsets, samples: samples, columns: columns, into: result())
    case .compactGradient:
      kernels.scatter(
        input(0), index: integers(step.inputs[1]), count: rows(step.inputs[1].rows), rows: count, columns: columns,
        into: result())
    case .crossEntropyGradient(let scale):
      kernels.crossEntropyGradient(
        logits: input(0), targets: input(1), rows: count, classes: columns, scale: scale, into: result())
    case .rowDot:
      kernels.rowDot(input(0), input(1), rows: count, columns: step.inputs[0].columns, into: result())
    case .softKeepGradient(let layer, let temperature):
      let (offsets, samples) = segments(2)
      kernels.softKeepGradient(
        mask: input(0), dMask: input(1), segments: offsets, samples: samples, temperature: temperature, into: result(),
        dThreshold: step.gradients.first.flatMap { $0.map { $0 + layer } })
    case .meanRowsPenaltyGradient(let scale):
      let (offsets, samples) = segments(0)
      kernels.meanRowsPenaltyGradient(segments: offsets, samples: samples, scale: scale, into: result())
    case .targets, .features, .columns, .dropout, .dropoutAttention, .softKeep, .scaleRows, .meanRowsPenalty,
      .crossEntropy:
      break
    }
  }

  private func attentionGradient(_ step: Step, _ kernels: Kernels, _ heads: Int, _ rate: Float, _ stream: Int) {
    kernels.attentionGradient(
      q: floats(step.inputs[0]), k: floats(step.inputs[1]), v: floats(step.inputs[2]),
      segments: integers(step.inputs[3]), samples: rows(step.inputs[3].rows) - 1, heads: heads,
      headSize: step.results[0].columns / heads, dropout: Dropout(rate: rate, stream: stream, random),
      dy: floats(step.inputs[4]), dReceived: step.inputs.count == 6 ? floats(step.inputs[5]) : nil,
      dq: floats(step.results[0]), dk: floats(step.results[1]), dv: floats(step.results[2]),
      scratch: buffers.training)
  }
}
