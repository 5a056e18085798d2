// How a batch goes through the sections: in waves. A wave is as many samples as there is room for; when most of it has
// left, the rest waits before the next section for the rest of later waves. A batch that fits into one wave is walked
// from end to end, and nothing is copied.

import PyramidIR

extension Executor {
  /// Answers a batch. On the inference thread.
  func serve(_ batch: PackedBatch, into table: AnswerTable) {
    answers = table
    var admitted = 0
    var inHand: Int?
    while true {
      let front = inHand.map { (section: $0, rows: program.sections[$0].waveRows(wave)) }
      switch scheduler.next(inHand: front, waiting: waiting, canAdmit: admitted < batch.sampleCount) {
      case .finish: return
      case .admit:
        if let inHand { park(before: inHand) }
        admitted = admit(batch, from: admitted)
        inHand = run(section: 0)
      case .run(let section):
        if let inHand, inHand != section { park(before: inHand) }
        if inHand != section { wave.clear() }
        callWaiting(before: section)
        inHand = run(section: section)
      }
    }
  }

  /// Starts a wave of as many samples as there is room for; returns the number of the next sample.
  private func admit(_ batch: PackedBatch, from first: Int) -> Int {
    // Longer than a wave or not, the first one goes: `run` has checked that there is room for it.
    var end = first + 1
    while end < batch.sampleCount, end - first < options.samples,
      Int(batch.segments[end + 1] - batch.segments[first]) <= options.tokens
    { end += 1 }
    buffers.fill(batch, first..<end, &seats)
    wave.clear()
    wave[.admittedSamples] = end - first
    wave[.admittedTokens] = Int(batch.segments[end] - batch.segments[first])
    guard let exit else { return end }
    let numbers = integers(.input(.samples))
    for row in 0..<end - first { exit.initializeMemory(at: buffers.memory(of: Int(numbers[row]))) }
    return end
  }

  /// Puts the wave in hand away.
  private func park(before section: Int) {
    pools[section].park(wave, program.sections[section], buffers)
    waiting[section] = program.sections[section].waveRows(pools[section].rows)
  }

  /// Takes those who wait before a section into the wave, if they fit.
  private func callWaiting(before section: Int) {
    guard waiting[section] != .none else { return }
    if !wave.isEmpty {
      guard scheduler.fits(program.sections[section].waveRows(wave), waiting[section]) else { return }
      meetings += 1
    }
    pools[section].join(&wave, program.sections[section], buffers)
    waiting[section] = .none
  }

  /// Runs a section on the wave; returns the next section, or nil when nobody is left.
  private func run(section: Int) -> Int? {
    for index in program.sections[section].steps {
      let step = program.steps[index]
      perform(step)
      if case .decideExit = step.op, rows(step.results[0].rows) == 0 { return nil }
    }
    return section + 1 < program.sections.count ? section + 1 : nil
  }
}
