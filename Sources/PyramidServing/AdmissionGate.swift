// The bound of the queue. The executor takes whatever it is handed, so what may wait there is counted here, in tokens,
// which is what waiting costs. Who does not get in is told at once, and about when to come again.

import Synchronization

/// Counts the tokens of requests that are not answered yet.
public final class AdmissionGate: Sendable {
  private struct State {
    var tokens = 0
    var requests = 0
    /// Seconds that a request took of late, an average that forgets.
    var seconds = 0.0
  }

  /// Most tokens at a time.
  public let capacity: Int
  private let state = Mutex(State())

  /// A gate for `capacity` tokens.
  public init(capacity: Int) { self.capacity = capacity }

  /// Tokens of requests that are not answered yet.
  public var tokens: Int { state.withLock { $0.tokens } }
  /// Requests that are not answered yet.
  public var requests: Int { state.withLock { $0.requests } }
  /// The filled part, 0 to 1.
  public var fill: Double { min(1, Double(tokens) / Double(capacity)) }

  /// Throws when there is no room for a request of at least so many tokens, before its texts are cut for nothing.
  public func refuseIfFull(atLeast tokens: Int = 1) throws(ServingError) {
    let full = state.withLock { $0.tokens > 0 && $0.tokens + tokens > capacity ? $0 : nil }
    if let full { throw Self.refusal(full) }
  }

  /// Runs `body` with room for a request of so many tokens, which may be more than the capacity when nothing else is there.
  /// Of the capacity it gets in as long as `share` is not filled.
  public func admit<Result: Sendable>(
    tokens: Int, upTo share: Double = 1, clock: ContinuousClock = ContinuousClock(),
    _ body: () async throws -> Result
  ) async throws -> Result {
    let full = state.withLock { state -> State? in
      guard state.tokens == 0 || state.tokens + tokens <= Int(share * Double(capacity)) else { return state }
      state.tokens += tokens
      state.requests += 1
      return nil
    }
    if let full { throw Self.refusal(full) }
    let start = clock.now
    defer {
      let seconds = (clock.now - start) / .seconds(1)
      state.withLock { state in
        state.tokens -= tokens
        state.requests -= 1
        state.seconds += 0.1 * (seconds - state.seconds)
      }
    }
    return try await body()
  }

  private static func refusal(_ state: State) -> ServingError {
    ServingError(
      .busy(retryAfter: max(1, Int(state.seconds.rounded(.up)))),
      "the queue is full: \(state.requests) requests of \(state.tokens) tokens wait")
  }
}
