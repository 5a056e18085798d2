// Asks the policies. Each sample is shown to its policy alone, through the same storage structs that the engine fills;
// what the answer leads to (who is answered, which tokens live) is decided here from the rules.

import PyramidIR
import PyramidPolicy

extension Execution {
  /// Rows of the samples that stay; those that leave are answered.
  mutating func decideExit(_ node: Node, layer: Int, _ reads: [Signal]) throws(ReferenceError) -> [Int] {
    guard let policy = interpreter.exit, let memories else { throw ReferenceError("no exit policy was given") }
    let samples = try sampleNumbers(operand(node, 0))
    let logits = try operand(node, 1)
    let head = try exitSignals(node, reads)
    var stay: [Int] = []
    for (row, sample) in samples.enumerated() {
      let values = try logits.row(row)
      answers[sample].headLogits[layer] = values
      var buffers = SignalBuffers()
      defer { buffers.deallocate() }
      let view = try exitView(head, logits: values, row: row, layer: layer, &buffers)
      let wantsToLeave = policy.shouldExit(view, memory: memories[sample])
      // A broken number must not cost accuracy, whatever the policy says.
      let isSound = !Arithmetic.softmax(values[...]).contains { $0.isNaN }
      if wantsToLeave && isSound {
        try answer(sample, values, layer: layer)
      } else {
        stay.append(row)
      }
    }
    return stay
  }

  /// Packed rows of the tokens that live on.
  func decidePrune(
    _ node: Node, layer: Int, _ reads: [Signal], afterExit: Bool
  ) throws(ReferenceError) -> [Int] {
    guard let policy = interpreter.prune else { throw ReferenceError("no pruning policy was given") }
    let segments = try operand(node, 0)
    let offsets = try offsets(segments)
    let samples =
      afterExit ? try ascending(operand(node, 1), within: offsets.count - 1) : Array(0..<offsets.count - 1)
    var signals: [Signal: ReferenceTensor] = [:]
    for (index, signal) in reads.enumerated() {
      let tensor = try operand(node, index + (afterExit ? 2 : 1))
      _ = try self.offsets(segments, over: tensor.rows)
      signals[signal] = tensor
    }
    let retention = policy.retention(afterLayer: layer + 1)
    var keep: [Int] = []
    for sample in samples {
      let rows = offsets[sample]..<offsets[sample + 1]
      let scores =
        retention == .all ? [Float](repeating: 0, count: rows.count) : try score(policy, signals, rows, layer: layer)
      keep += Selection.survivors(scores, retention).map { rows.lowerBound + $0 }
    }
    return keep
  }

  /// The operands of an exit head that its policy reads, whole.
  private struct ExitSignals {
    var probabilities, hidden: ReferenceTensor?
    var offsets: [Int]?
    var earlier: [ReferenceTensor] = []
  }

  private func exitSignals(_ node: Node, _ reads: [Signal]) throws(ReferenceError) -> ExitSignals {
    var signals = ExitSignals()
    var next = 2
    for signal in reads where signal != .logits {
      if signal == .earlierProbabilities {
        for index in next..<node.inputs.count { signals.earlier.append(try operand(node, index)) }
        break
      }
      let tensor = try operand(node, next)
      next += 1
      switch signal {
      case .probabilities: signals.probabilities = tensor
      case .hidden: signals.hidden = tensor
      case .tokensAlive: signals.offsets = try offsets(tensor)
      default: throw ReferenceError("\(signal.rawValue) is no signal of an exit policy")
      }
    }
    return signals
  }

  private func exitView(
    _ head: ExitSignals, logits: [Float], row: Int, layer: Int, _ buffers: inout SignalBuffers
  ) throws(ReferenceError) -> ExitViewStorage {
    var view = ExitViewStorage(layer: layer + 1, layers: graph.shape.layers, classes: logits.count)
    view.logits = buffers.floats(logits)
    if let probabilities = head.probabilities { view.probabilities = buffers.floats(try probabilities.row(row)) }
    if let hidden = head.hidden {
      view.width = hidden.columns
      view.hidden = buffers.floats(try hidden.row(row))
    }
    if let offsets = head.offsets { view.tokensAlive = offsets[row + 1] - offsets[row] }
    var earlier: [Float] = []
    for head in head.earlier { earlier += try head.row(row) }
    view.earlierHeads = head.earlier.count
    view.earlierStride = logits.count
    view.earlierProbabilities = buffers.floats(earlier)
    return view
  }

  private func score(
    _ policy: PolicyInstance, _ signals: [Signal: ReferenceTensor], _ rows: Range<Int>, layer: Int
  ) throws(ReferenceError) -> [Float] {
    var buffers = SignalBuffers()
    defer { buffers.deallocate() }
    func floats(_ signal: Signal) throws(ReferenceError) -> UnsafePointer<Float>? {
      guard let tensor = signals[signal] else { return nil }
      return buffers.floats(try tensor.floats[rows.lowerBound * tensor.columns..<rows.upperBound * tensor.columns])
    }
    func integers(_ signal: Signal) throws(ReferenceError) -> UnsafePointer<Int32>? {
      guard let tensor = signals[signal] else { return nil }
      return buffers.integers(try tensor.integers[rows])
    }
    var view = TokenViewStorage(
      count: rows.count, layer: layer + 1, layers: graph.shape.layers, width: signals[.hidden]?.columns ?? 0)
    view.receivedAttention = try floats(.receivedAttention)
    view.attentionFromCLS = try floats(.attentionFromCLS)
    view.valueNorm = try floats(.valueNorm)
    view.hiddenNorm = try floats(.hiddenNorm)
    view.hidden = try floats(.hidden)
    view.positions = try integers(.position)
    view.tokenIDs = try integers(.tokenID)
    var scores = [Float](repeating: 0, count: rows.count)
    scores.withUnsafeMutableBufferPointer { scores in
      if let start = scores.baseAddress { policy.score(view, into: start) }
    }
    return scores
  }
}
