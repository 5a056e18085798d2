// What clients send is bounded before anything looks at it: a body by itself, all that are on their way together, and the
// time that one takes.

#if Server
  import HTTPTypes
  import Hummingbird
  import NIOCore
  import PyramidServing

  /// Reads requests' bodies, and stands around each request.
  final class RequestBodies: RouterMiddleware {
    private let most: Int
    private let time: Duration
    private let underway: BytesUnderway

    /// Bodies of at most `most` bytes that are there within `seconds`.
    init(most: Int, seconds: Int) {
      (self.most, time, underway) = (most, .seconds(seconds), BytesUnderway(largest: most))
    }

    /// The body of a request. Throws `ServingError` where it is too large, too slow or compressed, or where too many bytes
    /// are on their way already.
    func body(of request: Request, _ context: Context) async throws -> [UInt8] {
      if let encoding = request.headers[.contentEncoding], encoding != "identity" {
        throw ServingError(.invalid, "Content-Encoding \(encoding.quoted) is not understood: send the body as it is")
      }
      if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > most {
        throw ServingError(.tooLarge, "the body has \(length) bytes, and this server takes \(most)")
      }
      if request.hasBody, request.headers[.expect]?.lowercased() == "100-continue" { context.sayContinue() }
      var bytes: [UInt8] = []
      let start = ContinuousClock.now
      // What a header promises is not counted: who sends nothing takes no room.
      for try await part in request.body {
        guard part.readableBytes <= most - bytes.count else {
          throw ServingError(.tooLarge, "the body has more than the \(most) bytes that this server takes")
        }
        guard ContinuousClock.now - start < time else {
          throw ServingError(.late, "the body is not there after \(time.components.seconds) s")
        }
        bytes += part.readableBytesView
        context.bodyBytes.add(part.readableBytes)
        guard underway.add(part.readableBytes) else {
          throw ServingError(.busy(retryAfter: 1), "too many bytes are on their way to this server")
        }
      }
      context.bodyEnd.note()
      // The body of a client that is gone ends early.
      try Task.checkCancellation()
      return bytes
    }

    /// Counts what was read of a body until its request is answered. Ends connections whose request is answered before its
    /// body is there, whatever the answer: the rest would be read, however long it takes, so that the connection could be
    /// used again.
    func handle(
      _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
      defer { underway.remove(context.bodyBytes.value) }
      var response = try await next(request, context)
      guard request.hasBody, !context.bodyEnd.isMade else { return response }
      response.headers[.connection] = "close"
      context.closeSoon()
      return response
    }
  }

  extension Request {
    /// Whether its head promises a body.
    fileprivate var hasBody: Bool { headers[.contentLength] ?? "0" != "0" || headers[.transferEncoding] != nil }
  }
#endif
