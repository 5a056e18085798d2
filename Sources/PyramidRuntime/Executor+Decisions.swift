// Decisions: who leaves, which tokens die, and what is recorded of it. The policy scores and says yes or no; everything
// that follows from it (answers, new offsets, traces) is done here, sample by sample, in the order of the batch.

import PyramidIR
import PyramidPolicy

extension Executor {
  /// Asks the exit policy about every sample; answers those that leave.
  func decideExit(_ step: Step, _ decision: ExitDecision<Operand>) {
    let exit = self.exit!
    let layer = decision.layer
    let numbers = integers(decision.samples)
    let classes = decision.logits.columns
    let stay = integers(step.results[0])
    let isActive = exit.isActive(afterLayer: layer + 1)
    var staying = 0
    for row in 0..<rows(decision.samples.rows) {
      let seat = Int(numbers[row])
      let logits = floats(decision.logits) + row * classes
      var view = ExitViewStorage(layer: layer + 1, layers: shape.layers, classes: classes)
      view.logits = UnsafePointer(logits)
      fillSignals(&view, decision, row: row, classes: classes)
      // The policy is asked in any case, so that its memory advances; a head without numbers is never believed.
      let wantsToLeave = isActive && exit.shouldExit(view, memory: buffers.memory(of: seat))
      if wantsToLeave && hasProbabilities(logits, classes) {
        answer(seat, logits, layer: layer)
      } else {
        stay[staying] = Int32(row)
        staying += 1
      }
    }
    define(step.results[0], rows: staying)
    guard case .dim(let dim) = step.results[0].rows else { return }
    for index in 0..<staying { buffers.presence(of: Int(numbers[Int(stay[index])]))[dim.index] = 1 }
  }

  /// Whether the softmax of the logits is made of numbers: none is NaN, and the largest is finite.
  private func hasProbabilities(_ logits: UnsafePointer<Float>, _ classes: Int) -> Bool {
    var largest = -Float.infinity
    for index in 0..<classes {
      if logits[index].isNaN { return false }
      largest = max(largest, logits[index])
    }
    return largest.isFinite
  }

  private func fillSignals(
    _ view: inout ExitViewStorage, _ decision: ExitDecision<Operand>, row: Int, classes: Int
  ) {
    for (signal, operands) in decision.signals {
      switch signal {
      case .logits: continue
      case .probabilities:
        view.probabilities = UnsafePointer(floats(operands[0]) + row * classes)
      case .hidden:
        view.width = operands[0].columns
        view.hidden = UnsafePointer(floats(operands[0]) + row * view.width)
      case .tokensAlive:
        let segments = integers(operands[0])
        view.tokensAlive = Int(segments[row + 1] - segments[row])
      case .earlierProbabilities:
        view.earlierHeads = operands.count
        for head in 0..<operands.count {
          let source = floats(operands[head]) + row * classes
          (buffers.earlier + head * classes).update(from: source, count: classes)
        }
        view.earlierProbabilities = UnsafePointer(buffers.earlier)
      }
    }
  }

  /// Scores the tokens of every sample that stays and keeps those that the policy's retention says.
  func decidePrune(_ step: Step, _ decision: PruneDecision<Operand>) {
    let prune = self.prune!
    let layer = decision.layer
    let retention = prune.retention(afterLayer: layer + 1)
    keepTokens(step, segments: decision.segments, stay: decision.stay) { first, count in
      if retention != .all {
        var view = TokenViewStorage(count: count, layer: layer + 1, layers: shape.layers)
        fillSignals(&view, decision, first: first)
        prune.score(view, into: buffers.scores)
      }
      return TokenSelection.keep(
        scores: buffers.scores, count: count, retention: retention, scratch: buffers.heap, into: buffers.chosen)
    }
  }

  private func fillSignals(_ view: inout TokenViewStorage, _ decision: PruneDecision<Operand>, first: Int) {
    for (signal, operand) in decision.signals {
      switch signal {
      case .receivedAttention: view.receivedAttention = UnsafePointer(floats(operand) + first)
      case .attentionFromCLS: view.attentionFromCLS = UnsafePointer(floats(operand) + first)
      case .valueNorm: view.valueNorm = UnsafePointer(floats(operand) + first)
      case .hiddenNorm: view.hiddenNorm = UnsafePointer(floats(operand) + first)
      case .position: view.positions = UnsafePointer(integers(operand) + first)
      case .tokenID: view.tokenIDs = UnsafePointer(integers(operand) + first)
      case .hidden:
        view.width = operand.columns
        view.hidden = UnsafePointer(floats(operand) + first * operand.columns)
      }
    }
  }

  /// Keeps all tokens of the samples that stay.
  func keepSamples(_ step: Step) {
    keepTokens(step, segments: step.inputs[0], stay: step.inputs[1], isBoundary: false) { _, count in
      for index in 0..<count { buffers.chosen[index] = Int32(index) }
      return count
    }
  }

  /// Builds the list of tokens that live on; `choose` fills `buffers.chosen` for the sample at `first` of `count`
  /// tokens. Only a pruning decision is recorded: where all tokens stay, the records are filled in later.
  private func keepTokens(
    _ step: Step, segments: Operand, stay: Operand?, isBoundary: Bool = true,
    choose: (_ first: Int, _ count: Int) -> Int
  ) {
    let offsets = integers(segments)
    let numbers = integers(step.samples!)
    let keep = integers(step.results[0])
    let samples = stay.map { rows($0.rows) } ?? rows(segments.rows) - 1
    guard case .dim(let dim) = step.results[0].rows else { return }
    var kept = 0
    for index in 0..<samples {
      let row = stay.map { Int(integers($0)[index]) } ?? index
      let first = Int(offsets[row])
      let count = choose(first, Int(offsets[row + 1]) - first)
      let seat = Int(numbers[row])
      for chosen in 0..<count {
        let token = first + Int(buffers.chosen[chosen])
        keep[kept + chosen] = Int32(token)
        buffers.nextOrigins[kept + chosen] = buffers.origins[token]
      }
      buffers.tokens(of: seat)[dim.index] = Int32(count)
      if isBoundary, options.recordsPositions, case .layer(let layer) = step.section {
        answers.keep(
          seats.owner(of: seat), length: Int(buffers.tokens(of: seat)[0]), behind: layer, buffers.nextOrigins + kept,
          count: count)
      }
      kept += count
    }
    swap(&buffers.origins, &buffers.nextOrigins)
    define(step.results[0], rows: kept)
  }

  /// Offsets of the samples in the tokens kept: their counts were noted when the tokens were chosen.
  func compactSegments(_ step: Step) {
    let hasStay = step.inputs.count == 3
    let numbers = integers(step.samples!)
    let offsets = integers(step.results[0])
    guard case .dim(let tokens) = step.inputs[1].rows else { return }
    offsets[0] = 0
    for index in 0..<(rows(step.results[0].rows) - 1) {
      let row = hasStay ? Int(integers(step.inputs[2])[index]) : index
      offsets[index + 1] = offsets[index] + buffers.tokens(of: Int(numbers[row]))[tokens.index]
    }
  }

  /// Answers the samples that came to the end.
  func classify(_ step: Step) {
    let numbers = integers(step.inputs[0])
    let classes = step.inputs[1].columns
    for row in 0..<rows(step.inputs[0].rows) {
      answer(Int(numbers[row]), floats(step.inputs[1]) + row * classes, layer: shape.layers - 1)
    }
  }

  /// Answers the sample of a seat, which is free again.
  private func answer(_ seat: Int, _ logits: UnsafePointer<Float>, layer: Int) {
    let owner = seats.owner(of: seat)
    let tokens = UnsafeBufferPointer(buffers.tokens(of: seat))
    if options.recordsPositions { answers.keepAll(owner, length: Int(tokens[0]), before: layer) }
    let operations = program.meter.count(
      tokens: tokens, samples: UnsafeBufferPointer(buffers.presence(of: seat)), exitLayer: layer + 1)
    answers.answer(owner, logits: logits, exitLayer: layer + 1, operations: operations) {
      tokens[program.layerTokens[$0]]
    }
    exit?.destroyMemory(at: buffers.memory(of: seat))
    seats.release(seat)
  }
}
