// Asks the policies. Each sample is shown to its policy alone, through the same storage structs that the engine fills;
// what the answer leads to (which samples are answered, which tokens live) is decided here from the rules.

import PyramidIR
import PyramidPolicy

extension Execution {
  /// Rows of the samples that stay; those that leave are answered.
  mutating func decideExit(_ node: Node) throws(ReferenceError) -> [Int] {
    guard let exit = interpreter.policies.exit, !memories.isEmpty else {
      throw ReferenceError("no exit policy was given")
    }
    guard let decision = ExitDecision(node.op, try operands(node)) else { throw ReferenceError("not a decision") }
    let number = decision.boundary.number
    let samples = try sampleNumbers(decision.samples)
    var stay: [Int] = []
    // First logits of the samples alive, for those that are compared with others.
    var current: [Int: Float] = [:]
    for (row, sample) in samples.enumerated() { current[sample] = try decision.logits.row(row)[0] }
    for (row, sample) in samples.enumerated() {
      let values = try decision.logits.row(row)
      answers[sample].headLogits[number] = values
      // A sample leaves when all of its tasks are answered, each by the first head that is sure.
      for (task, part) in try parts(ofRow: values.count).enumerated() where settled[sample][task] == nil {
        var buffers = SignalBuffers()
        defer { buffers.deallocate() }
        let own = Array(values[part.columns])
        let view = try exitView(
          decision, logits: own, part.task, part.columns, of: sample, row: row, current, &buffers)
        let isSure = exit.part(task).shouldExit(view, memory: memories[task][sample])
        // A broken number must not cost accuracy, whatever the policy says.
        let isSound = !Arithmetic.softmax(own[...]).contains { $0.isNaN }
        if isSure && isSound { settled[sample][task] = ReferenceTaskAnswer(logits: own, exitLayer: number) }
      }
      if settled[sample].allSatisfy({ $0 != nil }) {
        try answer(sample, values, at: number)
      } else {
        stay.append(row)
      }
    }
    return stay
  }

  /// Packed rows of the tokens that live on and, where the others go into them, which does and with which share.
  mutating func decidePrune(_ node: Node) throws(ReferenceError) -> [ReferenceTensor] {
    guard let policy = interpreter.policies.prune else { throw ReferenceError("no pruning policy was given") }
    guard let decision = PruneDecision(node.op, try operands(node)) else { throw ReferenceError("not a decision") }
    let offsets = try offsets(decision.segments)
    var samples = Array(0..<offsets.count - 1)
    if let stay = decision.stay { samples = try ascending(stay, within: samples.count) }
    for (_, tensor) in decision.signals { _ = try self.offsets(decision.segments, over: tensor.rows) }
    guard let dim = decision.segments.type.rows.dim else { throw ReferenceError("%segments has no dim") }
    let texts = try dims.rows(of: dim).map { batch.tokenIDs[$0.sample].count }
    let retention = policy.retention(afterLayer: decision.boundary.number)
    var pooled = PooledRows()
    let sizes = try decision.sizes?.doubles
    for sample in samples {
      let rows = offsets[sample]..<offsets[sample + 1]
      var scores = [Float](repeating: 0, count: rows.count)
      var targets = rows.indices.map { Int32($0 - rows.lowerBound) }
      if retention != .all {
        try show(decision, rows, textLength: texts[sample]) { view in
          if decision.rest == .merged {
            targets.withUnsafeMutableBufferPointer { policy.merge(view, into: $0.baseAddress!) }
          } else {
            scores.withUnsafeMutableBufferPointer { policy.score(view, into: $0.baseAddress!) }
          }
        }
      }
      switch decision.rest {
      case .dropped, .fused:
        let kept = Selection.survivors(scores, textLength: texts[sample], retention)
        pooled.add(rows, keeping: kept, scores, fuses: decision.rest == .fused)
      case .merged: pooled.add(rows, targets, sizes: sizes.map { Array($0[rows]) })
      }
    }
    return try pooledResults(node, pooled)
  }

  /// The results of a decision: what lives on, and how the rest goes into it.
  private mutating func pooledResults(_ node: Node, _ pooled: PooledRows) throws(ReferenceError) -> [ReferenceTensor] {
    guard node.results.count > 1, let source = graph[node.results[1]].type.rows.dim,
      let dim = graph[node.results[0]].type.rows.dim
    else { return [try definition(node, pooled.keep)] }
    let origins = try dims.rows(of: source)
    try dims.define(
      dim,
      pooled.keep.enumerated().map { row, place in
        place >= 0
          ? origins[place] : RowOrigin(sample: origins[pooled.into.firstIndex(of: row)!].sample, position: -1)
      })
    var results = [
      try result(node, .integers(pooled.keep.map { Int32($0) })),
      try result(node, .integers(pooled.into.map { Int32($0) }), at: 1), try result(node, pooled.share, at: 2),
    ]
    if node.results.count > 3 { results.append(try result(node, pooled.sizes, at: 3)) }
    return results
  }

  /// Each row the sum of the shares of those that go into it.
  func pool(_ node: Node) throws(ReferenceError) -> [Double] {
    let (x, rows) = (try operand(node, 0), try operand(node, 3).rows)
    let (into, share, values) = (try operand(node, 1).integers, try operand(node, 2).doubles, try x.doubles)
    var sums = [Double](repeating: 0, count: rows * x.columns)
    for (row, target) in into.enumerated() {
      guard target >= 0, target < rows else { throw ReferenceError("row \(target) does not lie in \(rows) rows") }
      for column in 0..<x.columns {
        sums[Int(target) * x.columns + column] += share[row] * values[row * x.columns + column]
      }
    }
    return sums
  }

  private func exitView(
    _ decision: ExitDecision<ReferenceTensor>, logits: [Float], _ task: ModelTask, _ columns: Range<Int>,
    of sample: Int, row: Int, _ current: [Int: Float], _ buffers: inout SignalBuffers
  ) throws(ReferenceError) -> ExitViewStorage {
    var view = ExitViewStorage(
      layer: decision.boundary.number, layers: graph.shape.layers, classes: logits.count,
      answers: task.answers)
    view.logits = buffers.copy(logits)
    for (signal, tensors) in decision.signals {
      switch signal {
      case .logits: continue
      case .probabilities: view.probabilities = buffers.copy(try tensors[0].row(row)[columns])
      case .hidden:
        view.width = tensors[0].columns
        view.hidden = buffers.copy(try tensors[0].row(row))
      case .earlierHidden:
        view.width = tensors[0].columns
        view.earlierHidden = buffers.copy(try tensors[0].row(row))
      case .tokenIDs:
        let ids = batch.tokenIDs[sample]
        let words = ids.filter { $0 != ids.first && $0 != ids.last }
        (view.tokenIDs, view.words) = (buffers.copy(words), words.count)
      case .groupLogits:
        let group = batch.groups.map { groups in groups.indices.filter { groups[$0] == groups[sample] } } ?? [sample]
        let numbers = group.map { current[$0] ?? answers[$0].logits[0] }
        (view.groupLogits, view.groupSize) = (buffers.copy(numbers), numbers.count)
      case .tokensAlive:
        let offsets = try offsets(tensors[0])
        view.tokensAlive = offsets[row + 1] - offsets[row]
      case .earlierProbabilities:
        var earlier: [Float] = []
        for head in tensors { earlier += try head.row(row)[columns] }
        view.earlierHeads = tensors.count
        view.earlierStride = logits.count
        view.earlierProbabilities = buffers.copy(earlier)
      }
    }
    return view
  }

  /// Shows the tokens in `rows` to `body`.
  private func show(
    _ decision: PruneDecision<ReferenceTensor>, _ rows: Range<Int>, textLength: Int,
    _ body: (TokenViewStorage) -> Void
  ) throws(ReferenceError) {
    var buffers = SignalBuffers()
    defer { buffers.deallocate() }
    var view = TokenViewStorage(
      count: rows.count, textLength: textLength, layer: decision.boundary.number, layers: graph.shape.layers)
    for (signal, tensor) in decision.signals {
      func floats() throws(ReferenceError) -> UnsafePointer<Float> {
        buffers.copy(try tensor.floats[rows.lowerBound * tensor.columns..<rows.upperBound * tensor.columns])
      }
      switch signal {
      case .receivedAttention: view.receivedAttention = try floats()
      case .receivedFromOthers: view.receivedFromOthers = try floats()
      case .receivedAttentionSum: view.receivedAttentionSum = try floats()
      case .attentionFromCLS: view.attentionFromCLS = try floats()
      case .valueNorm: view.valueNorm = try floats()
      case .hiddenNorm: view.hiddenNorm = try floats()
      case .keys:
        view.keyWidth = tensor.columns
        view.keys = try floats()
      case .position: view.position = buffers.copy(try tensor.integers[rows])
      case .tokenID: view.tokenID = buffers.copy(try tensor.integers[rows])
      case .hidden:
        view.width = tensor.columns
        view.hidden = try floats()
      }
    }
    body(view)
  }
}
