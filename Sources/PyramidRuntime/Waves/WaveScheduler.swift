// Which section runs next: the heart of the waves. A pure function of counts, apart from the buffers that the counts
// stand for, so that its promises can be tested by themselves.
//
// Products are as fast as they are wide, so the section with the most rows should run. Texts that have not been
// admitted yet always make a full wave; hence samples that are few stay where they are until others come up to them,
// and go on as soon as they fill half of the room. That half bounds what waits between two sections, and makes any two
// groups of waiting samples fit into one wave. Under an endless stream of requests others may never come up: a group
// that a request waits for goes on, from section to section, once its patience is at an end.

/// Rows that stand before a section: samples and tokens, the largest of what is still read of each.
struct WaveRows: Equatable, Sendable {
  var samples: Int
  var tokens: Int

  /// No rows.
  static let none = WaveRows(samples: 0, tokens: 0)

  static func + (first: WaveRows, second: WaveRows) -> WaveRows {
    WaveRows(samples: first.samples + second.samples, tokens: first.tokens + second.tokens)
  }
}

/// Samples that stand before a section.
struct WaveGroup: Equatable, Sendable {
  var rows: WaveRows
  /// Section runs that there had been when the first of its requests had nothing else to wait for; `.max` while all of
  /// its requests have samples that were not admitted yet, and gain nothing from haste.
  var since: Int

  /// No samples.
  static let none = WaveGroup(rows: .none, since: .max)

  static func + (first: WaveGroup, second: WaveGroup) -> WaveGroup {
    WaveGroup(rows: first.rows + second.rows, since: min(first.since, second.since))
  }
}

/// Chooses what an executor does next.
struct WaveScheduler: Sendable {
  /// The most that a wave may hold.
  let room: WaveRows
  /// Whether samples ever leave before the end; else waves stay as wide as they are admitted, and nothing waits.
  let hasExits: Bool
  /// Section runs that a group waits for others, counted from its `since`.
  let patience: Int

  /// What to do.
  enum Choice: Equatable, Sendable {
    /// Admit the next samples as a new wave; the wave in hand waits.
    case admit
    /// Run a section: on the wave in hand if it stands there, and on the group that waits there if it fits in.
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

  /// The next thing to do after `runs` section runs. `inHand` is the wave that ran last, `waiting` what stands before
  /// each section, and `canAdmit` says whether there are samples to admit.
  func next(inHand: (section: Int, group: WaveGroup)?, waiting: [WaveGroup], canAdmit: Bool, runs: Int) -> Choice {
    if let inHand, isWide(inHand.group.rows + waiting[inHand.section].rows) { return .run(section: inHand.section) }
    var (oldest, first) = (inHand?.group.since ?? .max, inHand?.section ?? .max)
    var section = first
    for (index, group) in waiting.enumerated() where group.rows != .none {
      if group.since < oldest { (oldest, section) = (group.since, index) }
      first = min(first, index)
    }
    if oldest != .max, runs - oldest >= patience { return .run(section: section) }
    if canAdmit { return .admit }
    // Nothing comes any more: the group that has the longest way to go catches up with the others.
    return first == .max ? .finish : .run(section: first)
  }
}
