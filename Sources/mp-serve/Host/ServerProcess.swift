// The process: what runs beside each other (loading and reloading, HTTP, gRPC), and in which order it ends.

#if Server
  import ArgumentParser
  import Glibc
  import Hummingbird
  import HummingbirdCore
  import HummingbirdTLS
  import Logging
  import MagicPyramid
  import CoreMetrics
  import NIOCertificateReloading
  import NIOCore
  import NIOSSL
  import PyramidFormats
  import PyramidServing
  import ServiceLifecycle
  import UnixSignals

  struct ServerProcess {
    private let options: MPServe
    private let logger: Logger
    private let registry = MetricRegistry()
    private let repository: ModelRepository
    private let token: BearerToken?
    private let certificate: TLSCertificate?
    private let trace: ExecutionTrace?
    /// Requests and calls that were not answered by the end.
    private let cut = Tally()

    init(_ options: MPServe) throws {
      self.options = options
      guard let level = Logger.Level(rawValue: options.logLevel) else {
        throw ValidationError("--log-level \(options.logLevel): there is no such level")
      }
      let format = options.logFormat
      LoggingSystem.bootstrap { _ in LineLogHandler(format: format, logLevel: level) }
      MetricsSystem.bootstrap(RegistryMetrics(registry))
      let logger = Logger(label: "mp-serve")
      self.logger = logger
      token = try options.tokenFile.map { try BearerToken(path: $0) } ?? options.token.map { BearerToken($0) }
      certificate = try options.tlsCertificate.flatMap { chain in
        try options.tlsKey.map { try TLSCertificate(certificate: chain, key: $0) }
      }
      try options.trace.check()
      trace = options.trace.recorder
      var serving = options.serving
      serving.classifier.trace = trace
      repository = ModelRepository(
        path: options.path, options: serving, registry: try options.plugins.registry(), metrics: registry,
        onTrouble: { model, trouble in
          logger.error("\(trouble)", metadata: ["model": "\(model.name)", "version": "\(model.version)"])
        },
        onPassedOver: { path in
          logger.warning("is no NAME.mpc, NAME/VERSION.mpc or NAME/VERSION/ANY.mpc", metadata: ["path": "\(path)"])
        })
    }

    func run() async throws {
      raiseFileLimit()
      let draining = Draining(seconds: options.drainDelay)
      let application = Application(
        router: router(draining), server: try server(),
        configuration: ApplicationConfiguration(
          address: .hostname(options.host, port: options.port), serverName: "mp-serve", backlog: 1024,
          availableConnectionsDelegate: MaximumAvailableConnections(options.maxConnections)),
        onServerRunning: { [logger] channel in
          logger.notice("listens for HTTP", metadata: ["address": "\(channel.localAddress?.description ?? "?")"])
        }, logger: logger)
      if token == nil, !["127.0.0.1", "::1", "localhost"].contains(options.host) {
        logger.warning("anybody who reaches this address may ask, and load and unload models: there is no --token")
      }
      var transports: [any Service] = [application]
      if options.grpcPort > 0 {
        transports.append(try GRPCServerService(options, repository, draining, token, certificate, logger, cut))
      }
      var configuration = ServiceGroupConfiguration(
        services: [
          ModelLoading(repository: repository, certificate: certificate, logger: logger),
          Transports(services: transports), draining,
        ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
      configuration.maximumGracefulShutdownDuration = .seconds(options.drainDelay + options.drainTimeout)
      // What was traced is as telling after a failure.
      var failure: (any Error)?
      do { try await ServiceGroup(configuration: configuration).run() } catch { failure = error }
      if cut.value > 0 { logger.warning("--drain-timeout cut requests", metadata: ["requests": "\(cut.value)"]) }
      for note in try options.trace.write(trace) { logger.notice("\(note)") }
      if let failure { throw failure }
    }

    private func router(_ draining: Draining) -> Router<Context> {
      var router = Router(context: Context.self, options: [.autoGenerateHeadEndpoints])
      router.add(middleware: RequestLog(logger: logger, cut: cut))
      router.add(middleware: LastReplies(draining: draining))
      let bodies = RequestBodies(most: options.maxBody, seconds: options.idleTimeout)
      router.add(middleware: bodies)
      router.add(middleware: ErrorReplies())
      router.add(middleware: HeaderLimit(bytes: options.maxHeader))
      if let token { router.add(middleware: TokenCheck(token: token)) }
      ServingRoutes(repository: repository, metrics: registry, bodies: bodies, draining: draining, logger: logger)
        .add(to: &router)
      return router
    }

    /// A connection is an open file, and shells often allow a thousand where the system has room for more.
    private func raiseFileLimit() {
      let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
      var limit = rlimit()
      guard getrlimit(files, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
      limit.rlim_cur = limit.rlim_max
      if setrlimit(files, &limit) != 0 {
        logger.warning("open files stay limited", metadata: ["error": "\(String(cString: strerror(errno)))"])
      }
    }

    private func server() throws -> HTTPServerBuilder {
      // Beyond it the decoder itself gives up; up to there `HeaderLimit` says how much is allowed.
      let (hardLimit, idleTimeout) = (4 * options.maxHeader, options.idleTimeout)
      let http = HTTPServerBuilder.http1(
        configuration: HTTP1Channel.Configuration(
          additionalChannelHandlers: [ClientWatch(seconds: idleTimeout)], idleTimeout: .seconds(Int64(idleTimeout)),
          httpDecoderConfiguration: .init(
            maxHeaderFieldSize: hardLimit, maxHeaderListSize: hardLimit, maxHeaderFieldCount: 1000)))
      guard let certificate else { return http }
      var security = try TLSConfiguration.makeServerConfiguration(certificateReloader: certificate)
      security.minimumTLSVersion = .tlsv12
      return try .tls(http, tlsConfiguration: security)
    }
  }

  /// HTTP and gRPC as one: a service group ends its services one after another, and a stuck call of one would keep the
  /// other open, and then have its requests cancelled.
  private struct Transports: Service {
    let services: [any Service]

    func run() async throws {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for service in services { group.addTask { try await service.run() } }
        for try await _ in group {}
      }
    }
  }

  /// Loads the models at the start, and again at each SIGHUP, with the TLS certificate.
  struct ModelLoading: Service {
    let repository: ModelRepository
    let certificate: TLSCertificate?
    let logger: Logger

    func run() async throws {
      let signals = await UnixSignalsSequence(trapping: .sighup)
      try await repository.load()
      for model in repository.models { logger.notice("serves a model", metadata: model.facts) }
      for await _ in signals.cancelOnGracefulShutdown() {
        // By itself: neither is to wait for the other, nor to be kept back by what is wrong with it.
        do {
          if let certificate {
            try certificate.reload()
            logger.notice("read the TLS certificate again")
          }
        } catch {
          logger.error("the TLS certificate stays as it was", metadata: ["error": "\(error)"])
        }
        do {
          try await repository.load()
          for model in repository.models { logger.notice("serves a model", metadata: model.facts) }
        } catch {
          logger.error("models stay as they were", metadata: ["error": "\(error)"])
        }
      }
    }
  }

  extension ServedModel {
    fileprivate var facts: Logger.Metadata {
      var facts: Logger.Metadata = [
        "model": "\(name)", "version": "\(version)", "path": "\(path)", "classes": "\(classifier.labels.count)",
      ]
      if let isTested = testsCertificate { facts["certificate"] = isTested ? "tested" : "not tested" }
      return facts
    }
  }
#endif
