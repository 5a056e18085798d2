// Which policy is running on which thread, so that a trap inside it can be reported by name. A signal handler may
// neither lock nor allocate, so the notes are a fixed table of plain words that each thread finds by its own identity.
// Off (one load and a branch per call) until a tool switches it on.

/// The functions of a policy during which a trap is the policy's.
public enum PolicyCall: UInt8, Sendable {
  /// The function of the same name; `initializer` is `init`.
  case initializer, layers, retention, score, merge, makeMemory, shouldExit

  /// The function's name for messages, usable in a signal handler.
  public var name: StaticString {
    switch self {
    case .initializer: "init"
    case .layers: "layers"
    case .retention: "retention"
    case .score: "score"
    case .merge: "merge"
    case .makeMemory: "makeMemory"
    case .shouldExit: "shouldExit"
    }
  }
}

/// The table of running policy calls.
public enum PolicyCallNotes {
  /// One thread's running call. `label` is UTF-8 that ends with a NUL, and lives as long as the process.
  private struct Note {
    var thread: UInt
    var label: UnsafePointer<UInt8>?
    var call: PolicyCall
  }

  /// Threads share a slot when their hashes collide; then one of the two notes is lost, and only a message with it.
  private static let slotCount = 1024

  nonisolated(unsafe) private static var identify: (@convention(c) () -> UInt)?
  nonisolated(unsafe) private static var slots: UnsafeMutablePointer<Note>?

  /// Starts noting; `currentThread` must be cheap, and safe in signal handlers. Call it before policies run.
  public static func enable(currentThread: @escaping @convention(c) () -> UInt) {
    guard slots == nil else { return }
    let table = UnsafeMutablePointer<Note>.allocate(capacity: slotCount)
    table.initialize(repeating: Note(thread: 0, label: nil, call: .score), count: slotCount)
    slots = table
    identify = currentThread
  }

  /// The policy call that the current thread is in, `nil` when it is in none. Safe in a signal handler.
  public static func running() -> (label: UnsafePointer<UInt8>, call: PolicyCall)? {
    guard let slots, let identify else { return nil }
    let thread = identify()
    let note = slots[slot(of: thread)]
    guard note.thread == thread, let label = note.label else { return nil }
    return (label, note.call)
  }

  /// Runs `body` with the note in place.
  @inline(__always)
  static func during<Result>(_ call: PolicyCall, _ label: UnsafePointer<UInt8>, _ body: () -> Result) -> Result {
    guard let slots, let identify else { return body() }
    let thread = identify()
    let note = slots + slot(of: thread)
    note.pointee = Note(thread: thread, label: label, call: call)
    let result = body()
    note.pointee.label = nil
    return result
  }

  /// Fibonacci hashing: thread identities are addresses far apart, so their middle bits matter.
  @inline(__always)
  private static func slot(of thread: UInt) -> Int {
    Int(truncatingIfNeeded: (UInt64(thread) &* 0x9E37_79B9_7F4A_7C15) >> 54)
  }
}
