// The bound of the queue. The executor takes whatever it is handed, so what may wait there is counted here, in tokens,
// which is what waiting costs. Who does not get in is told at once, and about when to come again.
//
// Requests take turns in the executor, so a large one costs the others a share and not its length: it counts at most half
// of the room, and leaves a quarter to the small ones. Were it counted in full, one would shut out all others.

import Synchronization

/// Counts the tokens of requests that are not answered yet.
public final class AdmissionGate: Sendable {
  private struct State {
    var tokens = 0
    /// Of those, what counts against the capacity.
    var counted = 0
    var requests = 0
    /// Seconds that a request took of late, an average that forgets.
    var seconds = 0.0
  }

  /// Most tokens at a time, of which a request counts at most half.
  public let capacity: Int
  private let state = Mutex(State())

  /// A gate for `capacity` tokens.
  public init(capacity: Int) { self.capacity = capacity }

  /// Tokens of requests that are not answered yet.
  public var tokens: Int { state.withLock { $0.tokens } }
  /// Requests that are not answered yet.
  public var requests: Int { state.withLock { $0.requests } }
  /// The filled part, 0 to 1.
  public var fill: Double { min(1, Double(state.withLock { $0.counted }) / Double(capacity)) }

  /// What a request counts, and up to which count of all it gets in.
  private func count(_ tokens: Int) -> (counted: Int, most: Int) {
    let isLarge = tokens > capacity / 8
    return (min(tokens, max(1, capacity / 2)), isLarge ? capacity - capacity / 4 : capacity)
  }

  /// Throws when there is no room for a request of at least so many tokens, before its texts are cut for nothing.
  public func refuseIfFull(atLeast tokens: Int = 1) throws(ServingError) {
    let (counted, most) = count(tokens)
    let full = state.withLock { $0.counted > 0 && $0.counted + counted > most ? $0 : nil }
    if let full { throw Self.refusal(full) }
  }

  /// Runs `body` with room for a request of so many tokens; whatever it has, it gets in when nothing else is there.
  /// Of the capacity it gets in as long as `share` is not filled.
  public func admit<Result: Sendable>(
    tokens: Int, upTo share: Double = 1, clock: ContinuousClock = ContinuousClock(),
    _ body: () async throws -> Result
  ) async throws -> Result {
    let (counted, most) = count(tokens)
    let full = state.withLock { state -> State? in
      guard state.counted == 0 || state.counted + counted <= min(most, Int(share * Double(capacity))) else {
        return state
      }
      state.tokens += tokens
      state.counted += counted
      state.requests += 1
      return nil
    }
    if let full { throw Self.refusal(full) }
    let start = clock.now
    defer {
      let seconds = (clock.now - start) / .seconds(1)
      state.withLock { state in
        state.tokens -= tokens
        state.counted -= counted
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
