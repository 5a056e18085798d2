// The one thread that owns an OpenMP team. libomp makes a separate team for every thread that enters a parallel region,
// so executors hand their work to this one. Never the cooperative pool of Swift concurrency. All executors of one team
// size share the thread, since two idle teams would still spin on each other's CPUs for a while; they take turns.

import Glibc
import PyramidKernels
import Synchronization

/// What an executor has the thread do, a turn at a time.
final class InferenceWork: @unchecked Sendable {
  fileprivate let turn: () -> Bool
  /// Whether it stands in the thread's line, and what comes after it there. Guarded by the thread's lock.
  fileprivate var isWaiting = false
  fileprivate var next: InferenceWork?
  /// Whether the last turn left something to do.
  fileprivate var hasMore = false

  /// Work whose turns are calls of `turn`, which returns whether there is more to do. It should return about as often
  /// as other executors may wait for.
  init(turn: @escaping () -> Bool) { self.turn = turn }
}

/// A thread that owns the kernels' team and gives turns to the executors that have something to do.
final class InferenceThread: Sendable {
  private let line: Line

  /// The works that wait for a turn. The thread keeps it, too, and whatever stands in it.
  fileprivate final class Line: @unchecked Sendable {
    let teamSize: Int
    let lock = Lock()
    /// Signalled once for each work that is appended, and at the end.
    let arrivals = Semaphore()
    /// Signalled once the thread has its team.
    let readiness = Semaphore()
    var first: InferenceWork?
    var last: InferenceWork?

    init(teamSize: Int) { self.teamSize = teamSize }

    /// Appends work unless it stands in the line already.
    func append(_ work: InferenceWork) {
      lock.lock()
      let isNew = !work.isWaiting
      if isNew {
        work.isWaiting = true
        if let last { last.next = work } else { first = work }
        last = work
      }
      lock.unlock()
      if isNew { arrivals.signal() }
    }

    /// Waits for work; nil when the thread has to end.
    func removeFirst() -> InferenceWork? {
      arrivals.wait()
      lock.lock()
      defer { lock.unlock() }
      guard let work = first else { return nil }
      first = work.next
      if first == nil { last = nil }
      work.next = nil
      work.isWaiting = false
      return work
    }
  }

  private static let running = Mutex<[Int: WeakReference]>([:])

  private struct WeakReference: Sendable { weak var thread: InferenceThread? }

  /// The process's thread with a team of `threads`, started when there is none; a fork has none of its parent's.
  static func shared(threads: Int) throws -> InferenceThread {
    try running.withLock { running in
      if let thread = running[threads]?.thread, thread.isOfThisProcess { return thread }
      let thread = try InferenceThread(threads: threads)
      running[threads] = WeakReference(thread: thread)
      return thread
    }
  }

  /// Starts the thread, and returns once it has its team of `threads`: a fork before would copy libomp's locks as held.
  private init(threads: Int) throws(RuntimeError) {
    line = Line(teamSize: threads)
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, 8 << 20)
    defer { pthread_attr_destroy(&attributes) }
    let argument = Unmanaged.passRetained(line)
    var thread = pthread_t()
    let code = pthread_create(&thread, &attributes, inferenceThreadMain, argument.toOpaque())
    guard code == 0 else {
      argument.release()
      throw RuntimeError("can't start the inference thread: \(String(cString: strerror(code)))")
    }
    self.thread = thread
    line.readiness.wait()
  }

  private let thread: pthread_t
  private let process = getpid()

  /// Whether the thread runs in this process, and not in one that this was forked from.
  var isOfThisProcess: Bool { getpid() == process }

  /// Whether the caller is this thread.
  var isCurrent: Bool { pthread_equal(pthread_self(), thread) != 0 }

  /// Gives `work` a turn, and further ones as long as it has more to do. Returns at once and allocates nothing.
  func wake(_ work: InferenceWork) { line.append(work) }

  deinit {
    guard isOfThisProcess else { return }
    line.arrivals.signal()
    pthread_join(thread, nil)
  }
}

/// The thread's loop. A free function: a closure literal handed to `pthread_create` would be bound to the main actor
/// and trap.
private func inferenceThreadMain(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  let line = Unmanaged<InferenceThread.Line>.fromOpaque(raw!).takeRetainedValue()
  Team.setUp(threads: line.teamSize)
  line.readiness.signal()
  while let work = line.removeFirst() {
    Team.perform(
      threads: line.teamSize,
      { raw in
        let work = Unmanaged<InferenceWork>.fromOpaque(raw!).takeUnretainedValue()
        work.hasMore = work.turn()
      }, Unmanaged.passUnretained(work).toOpaque())
    if work.hasMore { line.append(work) }
  }
  return nil
}
