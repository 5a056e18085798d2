// What an engine did and when, for a timeline: which waves went through which layers, how long each step took, and where
// the samples of each request left. Separate from the wave loop, which without a trace takes no time of day at all. No
// text and no id of a token is in it.

import PyramidIR

/// A record of executors at work. Several may share one; each has a process of its own in it, by its model's name.
///
/// It is bounded: what happens after `capacity` events is counted and left out. An event takes 48 bytes.
public final class ExecutionTrace: @unchecked Sendable {
  /// Most events that it holds.
  public let capacity: Int
  private let start = ContinuousClock.now
  private let lock = Lock()
  private var events: [TraceEvent] = []
  private var missing = 0
  private var groups: [TraceGroup.Names] = []

  /// A trace that begins now.
  public init(capacity: Int = 1 << 18) { self.capacity = capacity }

  /// Events that had no room.
  public var leftOut: Int { locked { missing } }

  /// A new process in the trace.
  func group(_ names: TraceGroup.Names) -> TraceGroup {
    TraceGroup(
      trace: self,
      number: locked {
        groups.append(names)
        return Int32(groups.count)
      })
  }

  /// Notes what happens now; the number of the event, nil where there is no room.
  @discardableResult
  fileprivate func add(_ what: TraceEvent.What, in group: Int32) -> Int? {
    let now = now
    return locked {
      guard events.count < capacity else {
        missing += 1
        return nil
      }
      events.append(TraceEvent(what: what, group: group, start: now, end: TraceEvent.open))
      return events.count - 1
    }
  }

  /// Ends what began with `add`.
  fileprivate func end(_ event: Int) {
    let now = now
    locked { events[event].end = now }
  }

  /// All that was noted so far; what has not ended yet ends now.
  func snapshot() -> (groups: [TraceGroup.Names], events: [TraceEvent], leftOut: Int) {
    let now = now
    lock.lock()
    var snapshot = (groups: groups, events: events, leftOut: missing)
    lock.unlock()
    for index in snapshot.events.indices where snapshot.events[index].end == TraceEvent.open {
      snapshot.events[index].end = now
    }
    return snapshot
  }

  /// Nanoseconds since the start.
  private var now: Int64 {
    let (seconds, attoseconds) = start.duration(to: .now).components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return body()
  }
}

/// Something that happened. The start of what lasts stands before all that happens in it.
struct TraceEvent {
  /// What it was. Requests have numbers from 1, samples their places in the request; boundaries are numbered as exit
  /// layers are, 0 is the entry.
  enum What {
    /// The wave of a number is at work: as it was admitted, or as it was called from where it waited.
    case wave(Int32)
    /// Runs a section on so many rows.
    case section(Int32, samples: Int32, tokens: Int32)
    /// Runs a step.
    case step(Int32)
    /// A request of so many samples came in.
    case request(Int32, samples: Int32)
    /// All of its samples are answered, or it was given up.
    case complete(request: Int32)
    /// A sample left, as its policy said or because of a limit.
    case exit(request: Int32, sample: Int32, boundary: Int32, AnswerLimit?)
    /// So many rows of a sample's go on.
    case prune(request: Int32, sample: Int32, boundary: Int32, kept: Int32)
  }

  let what: What
  /// The process, from 1.
  let group: Int32
  /// Nanoseconds since the trace began.
  let start: Int64
  var end: Int64

  /// The end of what has not ended.
  static let open = Int64.min
}

/// What one executor writes to.
struct TraceGroup {
  /// What its parts are called.
  struct Names {
    let model: String
    let sections, steps: [String]
  }

  fileprivate let trace: ExecutionTrace
  fileprivate let number: Int32

  /// Begins something that lasts; hand what is returned to `end`.
  func begin(_ what: TraceEvent.What) -> Int? { trace.add(what, in: number) }

  /// Ends it.
  func end(_ event: Int?) {
    if let event { trace.end(event) }
  }

  /// Notes something that happens now.
  func note(_ what: TraceEvent.What) { end(trace.add(what, in: number)) }
}

extension Program {
  /// What a trace calls the parts of a program, which is of `graph`. Layers count from 1, as exit layers do.
  func traceNames(_ graph: Graph) -> TraceGroup.Names {
    let sections = graph.sections.map { nodes in
      let section = nodes.first!.section
      return if case .layer(let layer) = section { "layer \(layer + 1)" } else { "\(section)" }
    }
    return TraceGroup.Names(
      model: graph.name, sections: sections, steps: steps.map { $0.op.mnemonic + $0.kernel.suffix })
  }
}
