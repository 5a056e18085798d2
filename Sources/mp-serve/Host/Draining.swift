// The time between the signal to end and the end of the ports. Load balancers learn only now and then that a server
// ends, and clients keep connections on which they may just be sending: both are told while requests are still taken.

#if Server
  import HTTPTypes
  import Hummingbird
  import ServiceLifecycle
  import Synchronization

  /// Stands last in its group, whose services end from the last to the first: the ports end once it has.
  final class Draining: Service {
    private let delay: Duration
    private let start = Mutex<ContinuousClock.Instant?>(nil)

    /// The ports stay open for `seconds` more.
    init(seconds: Int) { delay = .seconds(seconds) }

    /// Whether the server was told to end.
    var isUnderway: Bool { start.withLock { $0 != nil } }

    /// Whether so many seconds have passed since the ports were to end.
    func isOver(after seconds: Int) -> Bool {
      start.withLock { $0.map { ContinuousClock.now - $0 >= delay + .seconds(seconds) } ?? false }
    }

    func run() async throws {
      try await gracefulShutdown()
      start.withLock { $0 = .now }
      try await Task.sleep(for: delay)
    }
  }

  /// Tells clients to come again by another connection once the server ends: on this one a request might be under way
  /// while it is closed.
  struct LastReplies: RouterMiddleware {
    let draining: Draining

    func handle(
      _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
      var response = try await next(request, context)
      if draining.isUnderway { response.headers[.connection] = "close" }
      return response
    }
  }
#endif
