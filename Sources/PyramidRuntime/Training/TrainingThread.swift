// The thread that a training computes on: the inference thread of its team size. Separate from the runs because the
// optimiser, too, wants the team for many small kernels, and should cross over to the thread once for all of them.

import PyramidKernels

/// A team of threads for the kernels of a training. Any thread may use it; the work of several callers takes turns.
public final class TrainingThread: Sendable {
  /// Threads of the team.
  public let threads: Int
  private let thread: InferenceThread

  /// The thread of a team of this size, started when there is none. Throws `RuntimeError` when it can't be started.
  public init(threads: Int) throws {
    self.threads = threads
    thread = try InferenceThread.shared(threads: threads)
  }

  /// The vector kernels for the team, to be called in `perform`.
  public var vectors: VectorKernels { VectorKernels(threads: threads) }

  /// Calls `body` on the thread while its team stands by, and waits for it; in a `body` that runs there already it is
  /// called at once. Not for the cooperative pool, whose threads must not wait: a task has the other form.
  public func perform<Result>(_ body: () throws -> Result) throws -> Result {
    if thread.isCurrent { return try body() }
    return try withoutActuallyEscaping(body) { body in
      let call = Call(body)
      let done = Semaphore()
      thread.wake(
        InferenceWork {
          call.run()
          done.signal()
          return false
        })
      done.wait()
      return try call.result!.get()
    }
  }

  /// The same while the calling task is suspended; no thread waits.
  public func perform<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    let call = Call(body)
    return try await withCheckedThrowingContinuation { continuation in
      thread.wake(
        InferenceWork {
          call.run()
          continuation.resume(with: call.result!)
          return false
        })
    }
  }

  /// One call and what came of it.
  private final class Call<Result>: @unchecked Sendable {
    private var body: (() throws -> Result)?
    private(set) var result: Swift.Result<Result, any Error>?

    init(_ body: @escaping () throws -> Result) { self.body = body }

    /// Calls and forgets the body: whoever waits may take back what it had lent.
    func run() {
      let body = self.body!
      self.body = nil
      result = Swift.Result { try body() }
    }
  }
}
