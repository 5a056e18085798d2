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
    private let hasBegun = Atomic(false)

    /// The ports stay open for `seconds` more.
    init(seconds: Int) { delay = .seconds(seconds) }

    /// Whether the server was told to end.
    var isUnderway: Bool { hasBegun.load(ordering: .sequentiallyConsistent) }

    func run() async throws {
      try await gracefulShutdown()
      hasBegun.store(true, ordering: .sequentiallyConsistent)
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
