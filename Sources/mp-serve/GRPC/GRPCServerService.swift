// gRPC's server as a part of the process: its port, its security, its end.

#if Server
  import GRPCCore
  import GRPCNIOTransportHTTP2
  import Logging
  import NIOCore
  import PyramidServing
  import ServiceLifecycle

  struct GRPCServerService: Service {
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let logger: Logger
    private let port: Int

    init(_ options: MPServe, _ repository: ModelRepository, _ token: BearerToken?, _ logger: Logger) throws {
      var security = HTTP2ServerTransport.Posix.TransportSecurity.plaintext
      if let certificate = options.tlsCertificate, let key = options.tlsKey {
        security = .tls(
          certificateChain: [.file(path: certificate, format: .pem)], privateKey: .file(path: key, format: .pem))
      }
      // The transport takes no names.
      let address = try NIOCore.SocketAddress.makeAddressResolvingHost(options.host, port: options.grpcPort)
      let host = address.ipAddress ?? options.host
      let transport = HTTP2ServerTransport.Posix(
        address: address.protocol == .inet6
          ? .ipv6(host: host, port: options.grpcPort) : .ipv4(host: host, port: options.grpcPort),
        transportSecurity: security, config: .defaults { $0.rpc.maxRequestPayloadSize = options.maxBody })
      server = GRPCServer(
        transport: transport, services: [InferenceService(repository: repository)],
        interceptors: token.map { [TokenInterceptor(token: $0)] } ?? [])
      (self.logger, port) = (logger, options.grpcPort)
    }

    func run() async throws {
      logger.notice("listens for gRPC", metadata: ["port": .stringConvertible(port)])
      try await withGracefulShutdownHandler {
        try await server.serve()
      } onGracefulShutdown: {
        server.beginGracefulShutdown()
      }
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
