// How samples go through the sections: in waves. A wave is as many samples as there is room for; when most of it has
// left, the rest waits before the next section for the rest of other waves, whatever request they came with. A batch
// that fits into one wave is walked from end to end, and nothing is copied.

import PyramidIR

/// Admits samples from a source, runs them in waves, and answers them. It stands still between two turns: on which
/// thread they are made, and for how long, is the caller's business.
final class WaveLoop {
  private let options: ExecutorOptions
  private let program: Program
  private let scheduler: WaveScheduler
  private let runner: StepRunner
  private let decisions: Decisions
  private let source: any SampleSource
  private let arena = Arena()
  private var pools: [WavePool]
  /// What waits in each pool.
  private var waiting: [WaveGroup]
  /// The section that the wave in the runner's buffers stands before, nil when there is none, and its
  /// `WaveGroup.since`.
  private var section: Int?
  private var since = Int.max
  /// Section runs so far.
  private var runs = 0
  /// Kept open: the program's weights lie in its mapping.
  private let model: LoadedModel
  private let trace: TraceGroup?
  /// Waves so far, and the event of the one in hand, in a trace.
  private var waves: Int32 = 0
  private var span: Int?

  /// A loop over an open model. Throws `RuntimeError` when it can't have the memory that the options ask for.
  init(
    _ program: Program, of model: LoadedModel, policies: ResolvedPolicies, options: ExecutorOptions,
    source: any SampleSource, trace: TraceGroup? = nil
  ) throws {
    (self.model, self.program, self.options, self.source, self.trace) = (model, program, options, source, trace)
    let hasExits = program.steps.contains { if case .decideExit = $0.op { true } else { false } }
    let sections = program.sections.count
    // Twice the way from end to end: a request under load waits at most about three times as long as alone.
    scheduler = WaveScheduler(
      room: WaveRows(samples: options.samples, tokens: options.tokens), hasExits: hasExits, patience: 2 * sections)
    let (room, arena) = (scheduler.waitingRoom, arena)
    runner = try StepRunner(program, samples: options.samples, tokens: options.roomForTokens, threads: options.threads)
    decisions = try Decisions(
      program, model.graph.shape, policies, options, capacity: options.samples + sections * room.samples,
      source: source, trace: trace)
    let none = runner.alive
    pools = try program.sections.map {
      try WavePool($0, room: room, recordsPositions: options.recordsPositions, rows: none, arena: arena)
    }
    waiting = Array(repeating: .none, count: sections)
  }

  /// Admits a wave or runs a section, whichever is next; false when there is nothing to do.
  func advance() -> Bool {
    let inHand = section.map {
      (section: $0, group: WaveGroup(rows: program.sections[$0].waveRows(runner.alive), since: since))
    }
    switch scheduler.next(inHand: inHand, waiting: waiting, canAdmit: source.hasNext, runs: runs) {
    case .finish: return false
    case .admit:
      park()
      if admit() {
        beginWave()
        run(section: 0)
      }
    case .run(let next):
      if section != next {
        park()
        runner.alive.clear()
        since = .max
        beginWave()
      }
      callWaiting(before: next)
      run(section: next)
    }
    if section == nil { endWave() }
    return true
  }

  /// Starts a wave of as many samples as there are and as there is room for; false when there is none.
  private func admit() -> Bool {
    let inputs = TokenInputs(
      tokenIDs: runner.integers(.input(.tokenIDs)), typeIDs: runner.integers(.input(.typeIDs)),
      positions: runner.integers(.input(.positions)))
    let (numbers, segments) = (runner.integers(.input(.samples)), runner.integers(.input(.segments)))
    var (samples, tokens, isAwaited) = (0, 0, false)
    segments[0] = 0
    while samples < options.samples {
      // A sample that is longer than a wave is a wave of its own.
      let room = WaveRows(
        samples: options.samples - samples, tokens: samples == 0 ? options.roomForTokens : options.tokens - tokens)
      guard let sample = source.next(room: room, into: inputs.advanced(by: tokens)) else { break }
      numbers[samples] = decisions.admit(sample, first: tokens, ids: inputs.tokenIDs)
      (samples, tokens) = (samples + 1, tokens + sample.tokens)
      segments[samples] = Int32(tokens)
      if sample.isLast { isAwaited = true }
    }
    runner.alive.clear()
    guard samples > 0 else { return false }
    runner.alive[.admittedSamples] = samples
    runner.alive[.admittedTokens] = tokens
    since = isAwaited ? runs : .max
    guard isAwaited else { return true }
    // The first samples of the request may stand anywhere.
    for index in waiting.indices where waiting[index].rows != .none {
      waiting[index].since = min(waiting[index].since, runs)
    }
    return true
  }

  /// Puts the wave in hand away.
  private func park() {
    guard let section else { return }
    pools[section].park(runner, places: decisions.places)
    waiting[section] = WaveGroup(rows: pools[section].waveRows, since: min(waiting[section].since, since))
    self.section = nil
    endWave()
  }

  /// A wave is in hand from its admission or call until it is put away or all of it has left.
  private func beginWave() {
    guard let trace else { return }
    waves &+= 1
    span = trace.begin(.wave(waves))
  }

  private func endWave() {
    trace?.end(span)
    span = nil
  }

  /// Takes the group that waits before a section into the wave, if it fits.
  private func callWaiting(before section: Int) {
    let group = waiting[section]
    guard group.rows != .none else { return }
    if !runner.alive.isEmpty {
      guard scheduler.fits(program.sections[section].waveRows(runner.alive), group.rows) else { return }
    }
    pools[section].join(runner, places: decisions.places)
    since = min(since, group.since)
    waiting[section] = .none
  }

  /// Runs a section on the wave.
  private func run(section: Int) {
    runs += 1
    self.section = nil
    let rows = trace.map { _ in program.sections[section].waveRows(runner.alive) }
    let event = rows.flatMap {
      trace?.begin(.section(Int32(section), samples: Int32($0.samples), tokens: Int32($0.tokens)))
    }
    defer { trace?.end(event) }
    for index in program.sections[section].steps {
      let step = program.steps[index]
      let event = trace?.begin(.step(Int32(index)))
      let goesOn = runner.perform(step) || decisions.decide(step, runner)
      trace?.end(event)
      if !goesOn { return }
    }
    self.section = section + 1 < program.sections.count ? section + 1 : nil
  }
}
