// The one thread that owns an OpenMP team. libomp makes a separate team for every thread that enters a parallel region,
// so callers hand their work to this one and wait; concurrent callers queue. Never the cooperative pool of Swift
// concurrency. All executors of one team size share the thread: two idle teams would still spin on each other's CPUs
// for a while.

import Glibc
import PyramidKernels
import Synchronization

/// What the thread is asked to do: a C function, since making a closure for another thread would allocate.
typealias InferenceWork = @convention(c) (_ argument: UnsafeMutableRawPointer?) -> Void

/// A thread that does work one piece after the other and owns the kernels' team.
final class InferenceThread: @unchecked Sendable {
  /// Threads in the team.
  let teamSize: Int
  private let state: UnsafeMutablePointer<State>

  private struct State {
    var mutex = pthread_mutex_t()
    var wake = pthread_cond_t()
    var done = pthread_cond_t()
    /// The work in hand; callers wait for their turn while it is set.
    var work: InferenceWork?
    /// What it is called with.
    var argument: UnsafeMutableRawPointer?
    var isFinished = false
    var isStopping = false
    var teamSize = 1
  }

  private static let running = Mutex<[Int: WeakReference]>([:])

  private struct WeakReference: @unchecked Sendable { weak var thread: InferenceThread? }

  /// The process's thread with a team of `threads`, started when there is none.
  static func shared(threads: Int) throws -> InferenceThread {
    try running.withLock { running in
      if let thread = running[threads]?.thread { return thread }
      let thread = try InferenceThread(threads: threads)
      running[threads] = WeakReference(thread: thread)
      return thread
    }
  }

  /// Starts the thread with a team of `threads`.
  private init(threads: Int) throws(RuntimeError) {
    teamSize = threads
    state = .allocate(capacity: 1)
    state.initialize(to: State())
    pthread_mutex_init(&state.pointee.mutex, nil)
    pthread_cond_init(&state.pointee.wake, nil)
    pthread_cond_init(&state.pointee.done, nil)
    state.pointee.teamSize = threads
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, 8 << 20)
    defer { pthread_attr_destroy(&attributes) }
    let code = pthread_create(&thread, &attributes, inferenceThreadMain, UnsafeMutableRawPointer(state))
    guard code == 0 else {
      state.deinitialize(count: 1)
      state.deallocate()
      throw RuntimeError("can't start the inference thread: \(String(cString: strerror(code)))")
    }
  }

  private var thread = pthread_t()

  /// Calls `work` with `argument` on the thread and waits for its end. Allocates nothing.
  func run(_ work: InferenceWork, _ argument: UnsafeMutableRawPointer) {
    pthread_mutex_lock(&state.pointee.mutex)
    while state.pointee.work != nil { pthread_cond_wait(&state.pointee.done, &state.pointee.mutex) }
    state.pointee.isFinished = false
    state.pointee.argument = argument
    state.pointee.work = work
    pthread_cond_signal(&state.pointee.wake)
    while !state.pointee.isFinished { pthread_cond_wait(&state.pointee.done, &state.pointee.mutex) }
    state.pointee.isFinished = false
    state.pointee.work = nil
    pthread_cond_broadcast(&state.pointee.done)
    pthread_mutex_unlock(&state.pointee.mutex)
  }

  deinit {
    pthread_mutex_lock(&state.pointee.mutex)
    state.pointee.isStopping = true
    pthread_cond_signal(&state.pointee.wake)
    pthread_mutex_unlock(&state.pointee.mutex)
    pthread_join(thread, nil)
    state.deinitialize(count: 1)
    state.deallocate()
  }

  /// The thread's loop.
  fileprivate static func loop(_ raw: UnsafeMutableRawPointer) {
    let state = raw.assumingMemoryBound(to: State.self)
    let threads = state.pointee.teamSize
    Team.setUp(threads: threads)
    pthread_mutex_lock(&state.pointee.mutex)
    while true {
      while (state.pointee.work == nil || state.pointee.isFinished) && !state.pointee.isStopping {
        pthread_cond_wait(&state.pointee.wake, &state.pointee.mutex)
      }
      if state.pointee.isStopping { break }
      let (work, argument) = (state.pointee.work!, state.pointee.argument!)
      pthread_mutex_unlock(&state.pointee.mutex)
      Team.perform(threads: threads, work, argument)
      pthread_mutex_lock(&state.pointee.mutex)
      state.pointee.isFinished = true
      pthread_cond_broadcast(&state.pointee.done)
    }
    pthread_mutex_unlock(&state.pointee.mutex)
  }
}

/// A free function: a closure literal handed to `pthread_create` would be bound to the main actor and trap.
private func inferenceThreadMain(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  InferenceThread.loop(raw!)
  return nil
}
