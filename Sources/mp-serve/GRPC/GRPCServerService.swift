// gRPC's server as a part of the process: its port, its security, its end.

#if Server
  import GRPCCore
  import GRPCNIOTransportHTTP2
  import HummingbirdCore
  import Logging
  import NIOCore
  import PyramidServing
  import ServiceLifecycle
  import Synchronization

  struct GRPCServerService: Service {
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let logger: Logger
    private let ending = ServerEnding()

    init(
      _ options: MPServe, _ repository: ModelRepository, _ draining: Draining, _ token: BearerToken?,
      _ certificate: TLSCertificate?, _ logger: Logger, _ cut: Tally
    ) throws {
      var security = HTTP2ServerTransport.Posix.TransportSecurity.plaintext
      if let certificate { security = try .tls(certificateReloader: certificate) }
      // The transport takes no names.
      let address = try NIOCore.SocketAddress.makeAddressResolvingHost(options.host, port: options.grpcPort)
      let host = address.ipAddress ?? options.host
      let underway = BytesUnderway(largest: options.maxBody)
      let transport = HTTP2ServerTransport.Posix(
        address: address.protocol == .inet6
          ? .ipv6(host: host, port: options.grpcPort) : .ipv4(host: host, port: options.grpcPort),
        transportSecurity: security,
        config: .defaults { config in
          // `CallLimits` refuses what is larger than allowed; the transport would reset the stream and not say why.
          config.rpc.maxRequestPayloadSize = .max
          config.connection.maxIdleTime = .seconds(options.idleTimeout)
          config.connection.keepalive.time = .seconds(options.idleTimeout)
          config.http2.maxConcurrentStreams = 32
          // Meant for debugging, but the transport has no other way to them.
          config.channelDebuggingCallbacks.onBindTCPListener = { [connections = options.maxConnections] port in
            port.eventLoop.makeCompletedFuture {
              try port.pipeline.syncOperations.addHandler(
                AvailableConnectionsChannelHandler(maxConnections: connections))
            }
          }
          config.channelDebuggingCallbacks.onAcceptTCPConnection = { [seconds = options.idleTimeout] connection in
            connection.eventLoop.makeCompletedFuture {
              try connection.pipeline.syncOperations.addHandler(ConnectionLimits(seconds: seconds, channel: connection))
            }
          }
          config.channelDebuggingCallbacks.onAcceptHTTP2Stream = { [seconds = options.idleTimeout] stream in
            stream.eventLoop.makeCompletedFuture {
              let connection = try stream.parent?.pipeline.syncOperations.handler(type: ConnectionLimits.self)
              try stream.pipeline.syncOperations.addHandler(
                CallLimits(seconds: seconds, underway: underway, connection: connection), position: .first)
            }
          }
        })
      var interceptors: [any ServerInterceptor] = [CallLog(logger: logger, cut: cut, draining: draining)]
      if let token { interceptors.append(TokenInterceptor(token: token)) }
      server = GRPCServer(
        transport: transport,
        services: [InferenceService(repository: repository, ending: ending, draining: draining)],
        interceptors: interceptors)
      self.logger = logger
    }

    func run() async throws {
      try await withGracefulShutdownHandler {
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await server.serve() }
          group.addTask {
            // There is none where the port could not be had, which `serve` throws.
            guard let address = try? await server.listeningAddress else { return }
            logger.notice("listens for gRPC", metadata: ["address": "\(address)"])
          }
          try await group.waitForAll()
        }
      } onGracefulShutdown: {
        ending.begin()
        server.beginGracefulShutdown()
      }
    }
  }

  /// Whether the server ends: it tells its calls so in the way that it tells them of a client that is gone.
  final class ServerEnding: Sendable {
    private let hasBegun = Atomic(false)

    /// Says so, before the server does.
    func begin() { hasBegun.store(true, ordering: .sequentiallyConsistent) }

    /// Runs a call's `body`, which is cancelled when the client closes its stream or its deadline passes.
    func whileAwaited<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
      let work = Task { try await body() }
      let end: @Sendable () -> Void = { [self] in
        if !hasBegun.load(ordering: .sequentiallyConsistent) { work.cancel() }
      }
      return try await withTaskCancellationHandler {
        try await withRPCCancellationHandler {
          try await work.value
        } onCancelRPC: {
          end()
        }
      } onCancel: {
        work.cancel()
      }
    }
  }

  /// One line for each call, as `RequestLog` has them for HTTP.
  private struct CallLog: ServerInterceptor {
    let logger: Logger
    let cut: Tally
    let draining: Draining

    func intercept<Input: Sendable, Output: Sendable>(
      request: StreamingServerRequest<Input>, context: ServerContext,
      next: @Sendable (StreamingServerRequest<Input>, ServerContext) async throws -> StreamingServerResponse<Output>
    ) async throws -> StreamingServerResponse<Output> {
      let start = ContinuousClock.now
      do {
        let response = try await next(request, context)
        var code: RPCError.Code?
        if case .failure(let error) = response.accepted { code = error.code }
        note(context, code, since: start)
        return response
      } catch {
        note(context, (error as? RPCError)?.code ?? .unknown, since: start)
        throw error
      }
    }

    private func note(_ context: ServerContext, _ code: RPCError.Code?, since start: ContinuousClock.Instant) {
      if Task.isCancelled, draining.isUnderway { cut.add(1) }
      let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
      let isFault = code == .internalError || code == .unknown
      logger.log(
        level: isFault ? .error : .debug, "call",
        metadata: [
          "method": "\(context.descriptor.method)", "code": "\(code?.description ?? "ok")",
          "ms": .stringConvertible(milliseconds),
        ])
    }
  }

  /// Refuses calls without the token, but for the server's health.
  private struct TokenInterceptor: ServerInterceptor {
    let token: BearerToken

    func intercept<Input: Sendable, Output: Sendable>(
      request: StreamingServerRequest<Input>, context: ServerContext,
      next: @Sendable (StreamingServerRequest<Input>, ServerContext) async throws -> StreamingServerResponse<Output>
    ) async throws -> StreamingServerResponse<Output> {
      let isHealth = ["ServerLive", "ServerReady"].contains(context.descriptor.method)
      let header = request.metadata[stringValues: "authorization"].first { _ in true }
      guard isHealth || token.admits(header) else {
        throw RPCError(code: .unauthenticated, message: "a bearer token is needed")
      }
      return try await next(request, context)
    }
  }
#endif
