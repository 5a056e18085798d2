// The order of sections by itself: a toy engine moves counts instead of samples, and what the buffers rely on is
// checked at every step.

import PyramidTestSupport
import Testing

@testable import PyramidRuntime

/// Samples of one token that leave by chance, moved from section to section as the scheduler says.
private struct ToyEngine {
  let scheduler: WaveScheduler
  let sections: Int
  /// Of a hundred samples, how many leave in each section.
  let leaving: Int
  var random: SeededValues
  var waiting: [WaveRows]
  var inHand: (section: Int, rows: WaveRows)?
  var runs: [Int] = []
  var narrowRuns = 0
  var answered = 0
  var mostWaiting = WaveRows.none

  init(room: Int, sections: Int, leaving: Int, hasExits: Bool = true) {
    scheduler = WaveScheduler(room: WaveRows(samples: room, tokens: 4 * room), hasExits: hasExits)
    (self.sections, self.leaving) = (sections, leaving)
    random = SeededValues("toy \(room) \(sections) \(leaving)")
    waiting = Array(repeating: .none, count: sections)
  }

  /// Runs until the scheduler has finished.
  mutating func serve(_ samples: Int) throws {
    var left = samples
    while true {
      switch scheduler.next(inHand: inHand, waiting: waiting, canAdmit: left > 0) {
      case .finish: return
      case .admit:
        park()
        let count = min(left, scheduler.room.samples)
        left -= count
        try run(0, WaveRows(samples: count, tokens: count))
      case .run(let section):
        var rows = WaveRows.none
        if let inHand, inHand.section == section { rows = inHand.rows } else { park() }
        if scheduler.fits(rows, waiting[section]) {
          rows = rows + waiting[section]
          waiting[section] = .none
        }
        try #require(rows != .none, "ran section \(section) for nobody")
        try run(section, rows)
      }
    }
  }

  private mutating func park() {
    guard let inHand else { return }
    waiting[inHand.section] = waiting[inHand.section] + inHand.rows
    mostWaiting.samples = max(mostWaiting.samples, waiting[inHand.section].samples)
    mostWaiting.tokens = max(mostWaiting.tokens, waiting[inHand.section].tokens)
    self.inHand = nil
  }

  private mutating func run(_ section: Int, _ rows: WaveRows) throws {
    try #require(scheduler.fits(rows, .none))
    runs.append(section)
    if !scheduler.isWide(rows) { narrowRuns += 1 }
    let staying = section + 1 == sections ? 0 : (0..<rows.samples).count { _ in random.integer(in: 0...99) >= leaving }
    answered += rows.samples - staying
    inHand = staying > 0 ? (section + 1, WaveRows(samples: staying, tokens: staying)) : nil
  }
}

@Suite struct `The wave scheduler` {
  @Test(arguments: [1, 2, 3, 4, 7, 64], [0, 10, 50, 90, 100])
  func `answers everybody and never exceeds a wave's or a waiting room`(room: Int, leaving: Int) throws {
    for samples in [0, 1, room, room + 1, 20 * room + 3] {
      var engine = ToyEngine(room: room, sections: 6, leaving: leaving)
      try engine.serve(samples)
      #expect(engine.answered == samples)
      #expect(engine.mostWaiting.samples <= engine.scheduler.waitingRoom.samples)
      #expect(engine.mostWaiting.tokens <= engine.scheduler.waitingRoom.tokens)
    }
  }

  @Test func `walks one wave from end to end`() throws {
    for samples in [1, 5, 64] {
      var engine = ToyEngine(room: 64, sections: 6, leaving: 20)
      try engine.serve(samples)
      #expect(engine.runs == Array(0..<engine.runs.count) && engine.mostWaiting == .none)
    }
  }

  @Test func `keeps waves wide until nobody is left to admit`() throws {
    var engine = ToyEngine(room: 64, sections: 8, leaving: 50)
    try engine.serve(64 * 100)
    // The rest is drained once, from the section furthest behind.
    #expect(engine.narrowRuns <= 8)
    #expect(engine.runs.count < 64 * 100 / 32 * 2 + 8, "\(engine.runs.count) sections were run")
  }

  @Test func `lets nobody wait when nobody leaves early`() throws {
    var engine = ToyEngine(room: 64, sections: 4, leaving: 0, hasExits: false)
    try engine.serve(64 * 2 + 1)
    #expect(engine.runs == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3] && engine.mostWaiting == .none)
    #expect(engine.scheduler.waitingRoom == .none)
  }

  @Test func `lets the one furthest behind catch up when it drains`() {
    let scheduler = WaveScheduler(room: WaveRows(samples: 8, tokens: 64), hasExits: true)
    let few = WaveRows(samples: 1, tokens: 2)
    let waiting = [.none, .none, few, .none, few]
    #expect(scheduler.next(inHand: nil, waiting: waiting, canAdmit: false) == .run(section: 2))
    #expect(scheduler.next(inHand: (3, few), waiting: waiting, canAdmit: false) == .run(section: 2))
    #expect(scheduler.next(inHand: (1, few), waiting: waiting, canAdmit: false) == .run(section: 1))
    #expect(scheduler.next(inHand: (3, few), waiting: waiting, canAdmit: true) == .admit)
    let many = WaveRows(samples: 1, tokens: 40)
    #expect(scheduler.next(inHand: (3, many), waiting: waiting, canAdmit: true) == .run(section: 3))
  }
}
