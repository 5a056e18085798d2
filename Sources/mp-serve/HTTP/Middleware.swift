// What every HTTP request goes through: a log line and counts, errors in the form of the protocol that was spoken, the token.

#if Server
  import CoreMetrics
  import HTTPTypes
  import Hummingbird
  import Logging
  import NIOCore
  import PyramidFormats
  import PyramidServing

  /// One line for each request: what was asked, how it ended, how long it took; and the same in numbers. A fault of the
  /// server is an error, which operators see at any level; what it says may hold words of a text.
  struct RequestLog: RouterMiddleware {
    let logger: Logger
    /// Counts requests that the end of the server cuts: who is gone cancels what is computed for them, not the request.
    let cut: Tally

    func handle(
      _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
      let start = ContinuousClock.now
      do {
        let response = try await next(request, context)
        note(request, context, response.status, since: start)
        return response
      } catch {
        // What has no reply of its own is answered with 500, but for what goes wrong while the client sends its body.
        let isOurs = context.bodyEnd.isMade || request.method == .get
        if isOurs { context.fault.note() }
        note(request, context, isOurs ? .internalServerError : .badRequest, since: start, "\(type(of: error))")
        throw error
      }
    }

    private func note(
      _ request: Request, _ context: Context, _ status: HTTPResponse.Status, since start: ContinuousClock.Instant,
      _ error: String? = nil
    ) {
      if Task.isCancelled { cut.add(1) }
      let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
      // By the pattern of the path, of which there are a few; whatever is none of them is one.
      let route = context.endpointPath ?? "NotFound"
      let labels = [("route", route), ("method", request.method.rawValue), ("status", "\(status.code)")]
      CoreMetrics.Counter(label: "http_server_requests", dimensions: labels).increment()
      CoreMetrics.Timer(label: "http_server_request", dimensions: labels).recordNanoseconds(Int64(milliseconds * 1e6))
      var metadata: Logger.Metadata = [
        "method": "\(request.method)", "path": "\(request.uri.path)",
        "status": .stringConvertible(status.code), "ms": .stringConvertible(milliseconds),
      ]
      if let error { metadata["error"] = "\(error)" }
      logger.log(level: context.fault.isMade ? .error : .debug, "request", metadata: metadata)
    }
  }

  /// Turns errors into replies.
  struct ErrorReplies: RouterMiddleware {
    func handle(
      _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
      do { return try await next(request, context) } catch let error as ServingError {
        if error.kind == .broken { context.fault.note() }
        return reply(error, to: request)
      } catch is CancellationError {
        return reply(ServingError(.unavailable, "the client closed its connection, or the server ends"), to: request)
      } catch let error as any HTTPResponseError {
        let text = error.status == .notFound ? "there is nothing at this path" : error.status.reasonPhrase
        return .json(["error": .string(text)], status: error.status)
      }
    }

    private func reply(_ error: ServingError, to request: Request) -> Response {
      let isOpenInference = request.uri.path.hasPrefix("/v2")
      var object = JSONObject()
      object["error"] = .string(error.description)
      if !isOpenInference { object["error_type"] = .string(error.kind.textEmbeddingsWord) }
      var response = Response.json(.object(object), status: error.kind.status(isOpenInference: isOpenInference))
      if case .busy(let seconds) = error.kind { response.headers[.retryAfter] = "\(seconds)" }
      return response
    }
  }

  /// Refuses requests whose headers are too long.
  struct HeaderLimit: RouterMiddleware {
    let bytes: Int

    func handle(
      _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
      // Each line has ": " and its end as well.
      let size = request.headers.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count + 4 }
      guard size <= bytes else {
        let text = "the headers have \(size) bytes, and this server takes \(bytes)"
        return .json(["error": .string(text)], status: .requestHeaderFieldsTooLarge)
      }
      return try await next(request, context)
    }
  }

  /// Refuses requests without the token, but for health, the page and the description.
  struct TokenCheck: RouterMiddleware {
    let token: BearerToken
    private static let open: Set = ["/", "/health", "/openapi.json", "/v2/health/live", "/v2/health/ready"]

    init(token: BearerToken) { self.token = token }

    func handle(
      _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
      if Self.open.contains(request.uri.path) || token.admits(request.headers[.authorization]) {
        return try await next(request, context)
      }
      var response = Response.json(["error": "a bearer token is needed"], status: .unauthorized)
      response.headers[.wwwAuthenticate] = "Bearer"
      return response
    }
  }

  extension ServingError.Kind {
    func status(isOpenInference: Bool) -> HTTPResponse.Status {
      switch self {
      case .invalid: isOpenInference ? .badRequest : .unprocessableContent
      case .notFound: .notFound
      case .tooLarge: .contentTooLarge
      case .busy: .tooManyRequests
      case .late: .gatewayTimeout
      case .unavailable: .serviceUnavailable
      case .broken where isOpenInference: .internalServerError
      case .unfit where isOpenInference: .badRequest
      case .broken, .unfit: HTTPResponse.Status(code: 424, reasonPhrase: "Failed Dependency")
      }
    }

    fileprivate var textEmbeddingsWord: String {
      switch self {
      case .invalid, .tooLarge, .notFound: "Validation"
      case .busy, .late: "Overloaded"
      case .unavailable: "Unhealthy"
      case .broken, .unfit: "Backend"
      }
    }
  }

  extension Response {
    static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
      bytes(Array(JSONWriter.string(value).utf8), type: "application/json", status: status)
    }

    static func bytes(_ bytes: [UInt8], type: String, status: HTTPResponse.Status = .ok) -> Response {
      Response(status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
  }
#endif
