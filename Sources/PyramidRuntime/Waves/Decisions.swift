// Decisions: which samples leave, which tokens are dropped, and what is recorded of it. The policy scores and says yes
// or no; everything that follows from it (answers, new offsets, traces) is done here, sample by sample, in the order of
// the batch.

import PyramidIR
import PyramidPolicy

/// The policies of an executor and the samples that they decide about.
final class Decisions {
  private let exit: PolicyInstance?
  /// Boundaries with an exit head, rising, as policies number them.
  private let exits: [Int]
  private let chooser: TokenChooser?
  private let program: Program
  private let layers: Int
  /// The columns of each task's logits and what they are; one task in an ordinary model.
  private let tasks: [(columns: Range<Int>, answers: AnswerKind)]
  /// The numbers of those that are asked unless a request says otherwise; nil for all.
  private let asked: Set<Int>?
  private let source: any SampleSource
  private let trace: TraceGroup?
  private let recordsPositions: Bool
  private let arena = Arena()
  private var slots: SampleSlots
  /// nil where no policy reads them.
  private var groups: SampleGroups?
  /// Earlier probabilities of one sample, head after head, and its tokens alive by layer.
  private let earlier: UnsafeMutablePointer<Float>
  private let layerTokens: UnsafeMutablePointer<Int32>
  /// Place of each token alive in its sample; two buffers that take turns.
  private(set) var places: UnsafeMutablePointer<Int32>
  private var nextPlaces: UnsafeMutablePointer<Int32>

  /// Decides for `program` by `policies`, with records for `capacity` samples at once; answers go to `source`.
  init(
    _ program: Program, _ shape: ModelShape, _ policies: ResolvedPolicies, _ options: ExecutorOptions, capacity: Int,
    source: any SampleSource, trace: TraceGroup? = nil
  ) throws {
    exit = policies.exit
    exits = program.steps.compactMap { $0.exit?.boundary.number }.sorted()
    (self.program, layers, self.source, self.trace) = (program, shape.layers, source, trace)
    tasks = shape.answered.map { ($0.columns, $0.task.task.answers) }
    (asked, recordsPositions) = (options.tasks, options.recordsPositions)
    let tokens = options.roomForTokens
    slots = try SampleSlots(
      capacity, program: program, shape: shape, memory: (exit?.memoryStride ?? 0, exit?.memoryAlignment ?? 1),
      longest: recordsPositions ? tokens : 0,
      longestText: exit?.exitSignals.contains(.tokenIDs) == true ? tokens : 0, arena: arena)
    if exit?.exitSignals.contains(.groupLogits) == true {
      groups = try SampleGroups(capacity, widest: options.samples, arena: arena)
    }
    chooser = try policies.prune.map { try TokenChooser($0, layers: shape.layers, tokens: tokens) }
    earlier = try arena.take(Float.self, max(program.exitOperands * shape.classes, 1))
    layerTokens = try arena.take(Int32.self, layers)
    places = try arena.take(Int32.self, tokens)
    nextPlaces = try arena.take(Int32.self, tokens)
  }

  /// Gives a sample a slot, whose number is returned. Its tokens are those from `first` on of the wave, whose ids are
  /// `ids`.
  func admit(_ sample: AdmittedSample, first: Int, ids: UnsafePointer<Int32>) -> Int32 {
    let slot = slots.take(for: sample.id, tokens: sample.tokens)
    slots.keepWords(of: slot, UnsafeBufferPointer(start: ids + first, count: sample.tokens))
    groups?.admit(slot, joinsGroup: sample.joinsGroup)
    if let exit = exit(of: slot) {
      for task in tasks.indices { exit.part(task).initializeMemory(at: slots.memory(of: slot, task)) }
    }
    if recordsPositions { for place in 0..<sample.tokens { places[first + place] = Int32(place) } }
    return Int32(slot)
  }

  /// What the request of a slot's sample asks for; nil where there is no request.
  private func terms(of slot: Int) -> RequestTerms? { slots.id(of: slot).request?.takeUnretainedValue().terms }

  /// The exit policy of a slot's sample.
  private func exit(of slot: Int) -> PolicyInstance? {
    if let policies = terms(of: slot)?.policies { policies.exit } else { exit }
  }

  /// Whether a task is asked of a sample whose request is on `terms`.
  private func isAsked(_ task: Int, _ terms: RequestTerms?) -> Bool { (terms?.tasks ?? asked)?.contains(task) ?? true }

  /// Takes the decision of a step; false when no sample is left after it.
  func decide(_ step: Step, _ runner: StepRunner) -> Bool {
    switch step.op {
    case .decideExit:
      guard let decision = step.exit else { break }
      decideExit(step, decision, runner)
      return runner.rows(step.results[0].rows) > 0
    case .decidePrune: if let decision = step.prune { decidePrune(step, decision, runner) }
    case .keepSamples: keepSamples(step, runner)
    case .compactSegments: compactSegments(step, runner)
    case .classify:
      classify(step, runner)
      return false
    case .input, .embed, .linear, .linearAddNorm, .activate, .gate, .rotate, .add, .layerNorm, .attention,
      .attentionQKV, .relativeAttention, .firstAttention, .firstRows, .segmentMean, .concat, .bagLogits, .softmax,
      .rowNorm, .headMean, .pool, .compact, .gradient:
      break
    }
    return true
  }

  /// Asks the exit policy about every sample; answers those that leave.
  private func decideExit(_ step: Step, _ decision: ExitDecision<Operand>, _ runner: StepRunner) {
    let number = decision.boundary.number
    let numbers = runner.integers(decision.samples)
    let classes = decision.logits.columns
    let stay = runner.integers(step.results[0])
    let next = exits.first { $0 > number } ?? layers
    let now = ContinuousClock.now
    // What a sample is compared with are the heads of this boundary, so all of them speak before one is asked.
    if let groups {
      for row in 0..<runner.rows(decision.samples.rows) {
        groups.note(runner.floats(decision.logits)[row * classes], of: Int(numbers[row]))
      }
    }
    var staying = 0
    for row in 0..<runner.rows(decision.samples.rows) {
      let slot = Int(numbers[row])
      let logits = runner.floats(decision.logits) + row * classes
      let (exit, terms) = (exit(of: slot)!, terms(of: slot))
      var wantsToLeave = true
      for task in tasks.indices where isAsked(task, terms) && slots.answered(of: slot)?[task] ?? -1 < 0 {
        let isSure = ask(exit.part(task), about: task, decision, runner, row: row, slot)
        if isSure && hasProbabilities(logits, tasks[task].columns) {
          settle(task, of: slot, logits, at: number)
        } else {
          wantsToLeave = false
        }
      }
      let limit = wantsToLeave ? nil : terms?.limit(before: next, now: now)
      if wantsToLeave || limit != nil && tasks.indices.allSatisfy({ isSettled($0, of: slot, logits, terms) }) {
        answer(slot, logits, at: number, limit: limit)
      } else {
        stay[staying] = Int32(row)
        staying += 1
      }
    }
    runner.define(step.results[0], rows: staying)
    guard case .dim(let dim) = step.results[0].rows else { return }
    for index in 0..<staying { slots.presence(of: Int(numbers[Int(stay[index])]))[dim.index] = 1 }
  }

  /// Asks a task's policy, whose memory advances in any case.
  private func ask(
    _ exit: PolicyInstance, about task: Int, _ decision: ExitDecision<Operand>, _ runner: StepRunner, row: Int,
    _ slot: Int
  ) -> Bool {
    let (number, columns) = (decision.boundary.number, tasks[task].columns)
    var view = ExitViewStorage(
      layer: number, layers: layers, classes: columns.count, answers: tasks[task].answers)
    let first = row * decision.logits.columns + columns.lowerBound
    view.logits = UnsafePointer(runner.floats(decision.logits) + first)
    fillSignals(&view, decision, runner, row: row, slot, first: first, classes: columns.count)
    return exit.isActive(afterLayer: number) && exit.shouldExit(view, memory: slots.memory(of: slot, task))
  }

  /// Notes the answer to one of several tasks; the sample may have to go on for others.
  private func settle(_ task: Int, of slot: Int, _ logits: UnsafePointer<Float>, at exitLayer: Int) {
    guard let answered = slots.answered(of: slot), let settled = slots.logits(of: slot) else { return }
    answered[task] = Int32(exitLayer)
    let columns = tasks[task].columns
    (settled + columns.lowerBound).update(from: logits + columns.lowerBound, count: columns.count)
  }

  /// Whether a task has an answer, or can be given that of a head; one that is not asked needs none.
  private func isSettled(
    _ task: Int, of slot: Int, _ logits: UnsafePointer<Float>, _ terms: RequestTerms?
  ) -> Bool {
    !isAsked(task, terms) || slots.answered(of: slot)?[task] ?? -1 >= 0 || hasProbabilities(logits, tasks[task].columns)
  }

  /// Whether the softmax of a task's logits is made of numbers, without which no head is believed: none is NaN, and the
  /// largest is finite.
  private func hasProbabilities(_ logits: UnsafePointer<Float>, _ columns: Range<Int>) -> Bool {
    var largest = -Float.infinity
    for index in columns {
      if logits[index].isNaN { return false }
      largest = max(largest, logits[index])
    }
    return largest.isFinite
  }

  private func fillSignals(
    _ view: inout ExitViewStorage, _ decision: ExitDecision<Operand>, _ runner: StepRunner, row: Int, _ slot: Int,
    first: Int, classes: Int
  ) {
    for (signal, operands) in decision.signals {
      switch signal {
      case .logits: continue
      case .probabilities: view.probabilities = UnsafePointer(runner.floats(operands[0]) + first)
      case .hidden:
        view.width = operands[0].columns
        view.hidden = UnsafePointer(runner.floats(operands[0]) + row * view.width)
      case .earlierHidden:
        view.width = operands[0].columns
        view.earlierHidden = UnsafePointer(runner.floats(operands[0]) + row * view.width)
      case .tokenIDs: (view.tokenIDs, view.words) = slots.words(of: slot)
      case .groupLogits:
        let numbers = groups?.numbers(of: slot)
        (view.groupLogits, view.groupSize) = (numbers?.baseAddress, numbers?.count ?? 0)
      case .tokensAlive:
        let segments = runner.integers(operands[0])
        view.tokensAlive = Int(segments[row + 1] - segments[row])
      case .earlierProbabilities:
        view.earlierHeads = operands.count
        for head in 0..<operands.count {
          let source = runner.floats(operands[head]) + first
          (earlier + head * classes).update(from: source, count: classes)
        }
        view.earlierProbabilities = UnsafePointer(earlier)
      }
    }
  }

  /// Scores the tokens of every sample that stays and keeps those that the policy's retention says.
  private func decidePrune(_ step: Step, _ decision: PruneDecision<Operand>, _ runner: StepRunner) {
    let chooser = chooser!
    keepTokens(step, runner, segments: decision.segments, stay: decision.stay) { slot, first, count, keep, kept in
      let length = Int(slots.tokens(of: slot)[0])
      let rows = chooser.choose(
        decision, runner, first: first, count: count, textLength: length, by: terms(of: slot)?.policies?.prune)
      if recordsPositions, let scores = chooser.given {
        recordScores(slot, at: decision.boundary, scores, places: places + first, count)
      }
      if let trace, let request = slots.id(of: slot).request?.takeUnretainedValue() {
        let (sample, boundary) = (Int32(slots.id(of: slot).index), Int32(decision.boundary.number))
        trace.note(.prune(request: request.number, sample: sample, boundary: boundary, kept: Int32(rows)))
      }
      for index in 0..<rows { keep[index] = chooser.chosen[index] < 0 ? -1 : Int32(first) + chooser.chosen[index] }
      if decision.rest == .dropped { return rows }
      let (into, share) = (runner.integers(step.results[1]) + first, runner.floats(step.results[2]) + first)
      for token in 0..<count { into[token] = Int32(kept) + chooser.targets[token] }
      share.update(from: chooser.shares, count: count)
      if decision.rest == .merged { (runner.floats(step.results[3]) + kept).update(from: chooser.sizes, count: rows) }
      return rows
    }
  }

  /// Keeps all tokens of the samples that stay.
  private func keepSamples(_ step: Step, _ runner: StepRunner) {
    keepTokens(step, runner, segments: step.inputs[0], stay: step.inputs[1]) { _, first, count, keep, _ in
      for index in 0..<count { keep[index] = Int32(first + index) }
      return count
    }
  }

  /// Builds the list of the tokens that stay; `choose` writes those of the sample of a slot, at `first` of `count` tokens,
  /// in rising order and then -1 for a row that others were fused to, and returns their number; `kept` are there
  /// already.
  private func keepTokens(
    _ step: Step, _ runner: StepRunner, segments: Operand, stay: Operand?,
    choose: (_ slot: Int, _ first: Int, _ count: Int, _ keep: UnsafeMutablePointer<Int32>, _ kept: Int) -> Int
  ) {
    let offsets = runner.integers(segments)
    let numbers = runner.integers(step.samples!)
    let keep = runner.integers(step.results[0])
    let samples = stay.map { runner.rows($0.rows) } ?? runner.rows(segments.rows) - 1
    guard case .dim(let dim) = step.results[0].rows else { return }
    var kept = 0
    for index in 0..<samples {
      let row = stay.map { Int(runner.integers($0)[index]) } ?? index
      let first = Int(offsets[row])
      let length = Int(offsets[row + 1]) - first
      let slot = Int(numbers[row])
      let count = choose(slot, first, length, keep + kept, kept)
      slots.tokens(of: slot)[dim.index] = Int32(count)
      if recordsPositions { recordDrops(slot, at: step.section, first: first, length, keep + kept, count, after: kept) }
      kept += count
    }
    if recordsPositions { swap(&places, &nextPlaces) }
    runner.define(step.results[0], rows: kept)
  }

  /// Notes the scores of `count` tokens of a sample, which lie at `places` of its text; a row that others were fused to
  /// lies nowhere.
  private func recordScores(
    _ slot: Int, at boundary: Boundary, _ scores: UnsafePointer<Float>, places: UnsafePointer<Int32>, _ count: Int
  ) {
    let record = slots.record(of: slot)!
    for token in 0..<count where places[token] >= 0 {
      record.scores[Int(places[token]) * layers + boundary.number] = scores[token]
    }
  }

  /// Notes the tokens of a sample that are not among the `count` in `keep`, and the places of those that are.
  private func recordDrops(
    _ slot: Int, at section: Section, first: Int, _ length: Int, _ keep: UnsafeMutablePointer<Int32>, _ count: Int,
    after kept: Int
  ) {
    // In a layer's section tokens die at the boundary after it, in the entry's at the entry.
    let boundary = if case .layer(let layer) = section { layer + 1 } else { 0 }
    var next = 0
    for token in first..<first + length {
      if next < count, Int(keep[next]) == token {
        nextPlaces[kept + next] = places[token]
        next += 1
      } else if places[token] >= 0 {
        slots.record(of: slot)!.drops[Int(places[token])] = Int32(boundary)
      }
    }
    // A row that tokens were fused to has no place.
    if next < count { nextPlaces[kept + next] = -1 }
  }

  /// Offsets of the samples in the tokens kept: their counts were noted when the tokens were chosen.
  private func compactSegments(_ step: Step, _ runner: StepRunner) {
    let hasStay = step.inputs.count == 3
    let numbers = runner.integers(step.samples!)
    let offsets = runner.integers(step.results[0])
    guard case .dim(let tokens) = step.inputs[1].rows else { return }
    offsets[0] = 0
    for index in 0..<(runner.rows(step.results[0].rows) - 1) {
      let row = hasStay ? Int(runner.integers(step.inputs[2])[index]) : index
      offsets[index + 1] = offsets[index] + slots.tokens(of: Int(numbers[row]))[tokens.index]
    }
  }

  /// Answers the samples that came to the end.
  private func classify(_ step: Step, _ runner: StepRunner) {
    let numbers = runner.integers(step.inputs[0])
    let classes = step.inputs[1].columns
    for row in 0..<runner.rows(step.inputs[0].rows) {
      answer(Int(numbers[row]), runner.floats(step.inputs[1]) + row * classes, at: layers)
    }
  }

  /// Delivers the answer of the sample of a slot, which is free again. It left after a layer, counted from 1, or at the
  /// entry, 0, with the tokens that were admitted.
  private func answer(
    _ slot: Int, _ logits: UnsafePointer<Float>, at exitLayer: Int, limit: AnswerLimit? = nil
  ) {
    // Before it is answered: its request may be gone afterwards.
    if let exit = exit(of: slot) {
      for task in tasks.indices { exit.part(task).destroyMemory(at: slots.memory(of: slot, task)) }
    }
    let answered = slots.answered(of: slot)
    for task in tasks.indices where answered?[task] ?? 0 < 0 { settle(task, of: slot, logits, at: exitLayer) }
    let tokens = slots.tokens(of: slot)
    layerTokens[0] = tokens[0]
    for index in 0..<exitLayer { layerTokens[index] = tokens[program.layerTokens[index]] }
    let operations = program.meter.count(
      tokens: UnsafeBufferPointer(tokens), samples: UnsafeBufferPointer(slots.presence(of: slot)), exitLayer: exitLayer)
    source.deliver(
      SampleAnswer(
        logits: slots.logits(of: slot).map { UnsafePointer($0) } ?? logits, exitLayer: exitLayer,
        taskLayers: answered, tokensAlive: UnsafeBufferPointer(start: layerTokens, count: max(exitLayer, 1)),
        record: slots.record(of: slot), operations: operations, limit: limit),
      to: slots.id(of: slot))
    groups?.leave(slot)
    slots.release(slot)
  }
}
