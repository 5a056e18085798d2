// Which section runs next: the heart of the waves. A pure function of counts, apart from the buffers that the counts
// stand for, so that its promises can be tested by themselves.
//
// Products are as fast as they are wide, so the section with the most rows should run. Texts that have not been
// admitted yet always make a full wave; hence samples that are few stay where they are until others come up to them,
// and go on as soon as they fill half of the room. That half bounds what waits between two sections, and makes any two
// groups of waiting samples fit into one wave.

/// Rows that stand before a section: samples and tokens, the largest of what is still read of each.
struct WaveRows: Equatable, Sendable {
  var samples: Int
  var tokens: Int

  /// Nobody.
  static let none = WaveRows(samples: 0, tokens: 0)

  static func + (first: WaveRows, second: WaveRows) -> WaveRows {
    WaveRows(samples: first.samples + second.samples, tokens: first.tokens + second.tokens)
  }
}

/// Chooses what an executor does next.
struct WaveScheduler: Sendable {
  /// The most that a wave may hold.
  let room: WaveRows
  /// Whether samples ever leave before the end; else waves stay as wide as they are admitted, and nobody waits.
  let hasExits: Bool

  /// What to do.
  enum Choice: Equatable, Sendable {
    /// Admit the next samples as a new wave; the wave in hand waits.
    case admit
    /// Run a section: on the wave in hand if it stands there, and on those that wait there if they fit in.
    case run(section: Int)
    /// Everything is answered.
    case finish
  }

  /// The most rows that may wait before one section.
  var waitingRoom: WaveRows {
    hasExits ? WaveRows(samples: (room.samples - 1) / 2, tokens: (room.tokens - 1) / 2) : .none
  }

  /// Whether a wave of both holds no more than the room.
  func fits(_ first: WaveRows, _ second: WaveRows) -> Bool {
    let sum = first + second
    return sum.samples <= room.samples && sum.tokens <= room.tokens
  }

  /// Whether rows are so many that waiting for more does not pay.
  func isWide(_ rows: WaveRows) -> Bool {
    rows.samples > waitingRoom.samples || rows.tokens > waitingRoom.tokens
  }

  /// The next thing to do. `inHand` is the wave that ran last, `waiting` what stands before each section, and
  /// `canAdmit` says whether samples are left to admit.
  func next(inHand: (section: Int, rows: WaveRows)?, waiting: [WaveRows], canAdmit: Bool) -> Choice {
    if let inHand, isWide(inHand.rows + waiting[inHand.section]) { return .run(section: inHand.section) }
    if canAdmit { return .admit }
    // Nobody comes any more: whoever is furthest behind catches up with the others.
    let behind = waiting.firstIndex { $0 != .none } ?? .max
    let section = min(behind, inHand?.section ?? .max)
    return section == .max ? .finish : .run(section: section)
  }
}
