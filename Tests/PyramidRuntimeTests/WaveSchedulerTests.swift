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
  var waiting: [WaveGroup]
  var inHand: (section: Int, group: WaveGroup)?
  var runs: [Int] = []
  var narrowRuns = 0
  var answered = 0
  var mostWaiting = WaveRows.none
  /// The longest that any group was under way, in section runs since it was awaited.
  var longestWay = 0

  init(room: Int, sections: Int, leaving: Int, hasExits: Bool = true) {
    scheduler = WaveScheduler(
      room: WaveRows(samples: room, tokens: 4 * room), hasExits: hasExits, patience: 2 * sections)
    (self.sections, self.leaving) = (sections, leaving)
    random = SeededValues("toy \(room) \(sections) \(leaving)")
    waiting = Array(repeating: .none, count: sections)
  }

  /// Runs until the scheduler has finished, or for `most` turns. Waves are of `width` samples; requests are of `width`
  /// samples, too, if `isStream`, else there is one.
  mutating func serve(_ samples: Int, width: Int? = nil, isStream: Bool = false, most: Int = .max) throws {
    var (left, turns) = (samples, 0)
    while turns < most {
      turns += 1
      switch scheduler.next(inHand: inHand, waiting: waiting, canAdmit: left > 0, runs: runs.count) {
      case .finish: return
      case .admit:
        park()
        let count = min(left, width ?? scheduler.room.samples)
        left -= count
        if left == 0 { for index in waiting.indices { waiting[index].since = min(waiting[index].since, runs.count) } }
        try run(
          0,
          WaveGroup(rows: WaveRows(samples: count, tokens: count), since: isStream || left == 0 ? runs.count : .max))
      case .run(let section):
        var group = WaveGroup.none
        if let inHand, inHand.section == section { group = inHand.group } else { park() }
        if scheduler.fits(group.rows, waiting[section].rows) {
          group = group + waiting[section]
          waiting[section] = .none
        }
        try #require(group.rows != .none, "ran section \(section) on nothing")
        try run(section, group)
      }
    }
  }

  private mutating func park() {
    guard let inHand else { return }
    waiting[inHand.section] = waiting[inHand.section] + inHand.group
    mostWaiting.samples = max(mostWaiting.samples, waiting[inHand.section].rows.samples)
    mostWaiting.tokens = max(mostWaiting.tokens, waiting[inHand.section].rows.tokens)
    self.inHand = nil
  }

  private mutating func run(_ section: Int, _ group: WaveGroup) throws {
    try #require(scheduler.fits(group.rows, .none))
    runs.append(section)
    if !scheduler.isWide(group.rows) { narrowRuns += 1 }
    let count = group.rows.samples
    let staying = section + 1 == sections ? 0 : (0..<count).count { _ in random.integer(in: 0...99) >= leaving }
    answered += count - staying
    if group.since != .max { longestWay = max(longestWay, runs.count - group.since) }
    let rows = WaveRows(samples: staying, tokens: staying)
    inHand = staying > 0 ? (section + 1, WaveGroup(rows: rows, since: group.since)) : nil
  }
}

@Suite struct `The wave scheduler` {
  @Test(arguments: [1, 2, 3, 4, 7, 64], [0, 10, 50, 90, 100])
  func `answers every sample and never exceeds the room of a wave or of what waits`(room: Int, leaving: Int) throws {
    for samples in [0, 1, room, room + 1, 20 * room + 3] {
      var engine = ToyEngine(room: room, sections: 6, leaving: leaving)
      try engine.serve(samples)
      #expect(engine.answered == samples)
      #expect(engine.mostWaiting.samples <= engine.scheduler.waitingRoom.samples)
      #expect(engine.mostWaiting.tokens <= engine.scheduler.waitingRoom.tokens)
    }
  }

  @Test(arguments: [(1, 0), (2, 0), (3, 1), (64, 31), (65, 32), (4096, 2047)])
  func `lets just under half of a wave's room wait, so that two groups that wait make no more than a wave`(
    room: Int, waiting: Int
  ) {
    let scheduler = ToyEngine(room: room, sections: 4, leaving: 50).scheduler
    #expect(scheduler.waitingRoom.samples == waiting)
    #expect(scheduler.waitingRoom.tokens == (scheduler.room.tokens - 1) / 2)
  }

  @Test func `walks one wave from end to end`() throws {
    for samples in [1, 5, 64] {
      var engine = ToyEngine(room: 64, sections: 6, leaving: 20)
      try engine.serve(samples)
      #expect(engine.runs == Array(0..<engine.runs.count) && engine.mostWaiting == .none)
    }
  }

  @Test func `keeps waves wide until nothing is left to admit`() throws {
    var engine = ToyEngine(room: 64, sections: 8, leaving: 50)
    try engine.serve(64 * 100)
    // The rest is drained once, from the section that has the longest way to go.
    #expect(engine.narrowRuns <= 8)
    #expect(engine.runs.count < 64 * 100 / 32 * 2 + 8, "\(engine.runs.count) sections were run")
  }

  @Test func `lets nothing wait when no sample leaves early`() throws {
    var engine = ToyEngine(room: 64, sections: 4, leaving: 0, hasExits: false)
    try engine.serve(64 * 2 + 1)
    #expect(engine.runs == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3] && engine.mostWaiting == .none)
    #expect(engine.scheduler.waitingRoom == .none)
  }

  @Test func `lets the group with the longest way catch up when it drains`() {
    let scheduler = WaveScheduler(room: WaveRows(samples: 8, tokens: 64), hasExits: true, patience: 10)
    let few = WaveGroup(rows: WaveRows(samples: 1, tokens: 2), since: .max)
    func next(_ inHand: (section: Int, group: WaveGroup)?, canAdmit: Bool = false) -> WaveScheduler.Choice {
      scheduler.next(inHand: inHand, waiting: [.none, .none, few, .none, few], canAdmit: canAdmit, runs: 1000)
    }
    #expect(next(nil) == .run(section: 2))
    #expect(next((3, few)) == .run(section: 2))
    #expect(next((1, few)) == .run(section: 1))
    #expect(next((3, few), canAdmit: true) == .admit)
    #expect(
      next((3, WaveGroup(rows: WaveRows(samples: 1, tokens: 40), since: .max)), canAdmit: true) == .run(section: 3))
  }

  @Test func `runs what a request waits for when its patience is at an end`() {
    let scheduler = WaveScheduler(room: WaveRows(samples: 8, tokens: 64), hasExits: true, patience: 10)
    func group(_ since: Int) -> WaveGroup { WaveGroup(rows: WaveRows(samples: 1, tokens: 2), since: since) }
    func next(_ inHand: (section: Int, group: WaveGroup)?, runs: Int) -> WaveScheduler.Choice {
      scheduler.next(inHand: inHand, waiting: [.none, group(8), group(5), .none, group(6)], canAdmit: true, runs: runs)
    }
    #expect(next(nil, runs: 14) == .admit)
    #expect(next(nil, runs: 15) == .run(section: 2))
    #expect(next((3, group(4)), runs: 15) == .run(section: 3))
    #expect(next((3, group(7)), runs: 15) == .run(section: 2))
    let wide = WaveGroup(rows: WaveRows(samples: 4, tokens: 4), since: 12)
    #expect(next((3, wide), runs: 15) == .run(section: 3))
  }

  /// There is always more to admit, so that what is narrow would wait for ever.
  @Test(arguments: [1, 2, 7, 30, 64], [2, 10, 50, 90])
  func `lets no sample wait for ever under an endless stream of requests`(width: Int, leaving: Int) throws {
    let sections = 8
    var engine = ToyEngine(room: 64, sections: sections, leaving: leaving)
    try engine.serve(.max, width: width, isStream: true, most: 20_000)
    #expect(engine.answered > 5000)
    #expect(engine.longestWay <= engine.scheduler.patience + 3 * sections, "\(engine.longestWay) section runs")
  }
}
