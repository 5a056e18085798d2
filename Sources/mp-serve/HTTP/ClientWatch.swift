// Who asked is gone: work whose answer nobody waits for is given up. Hummingbird's own way to know, by its request's
// body, ends each connection after one request; here the channel says so.

#if Server
  import Hummingbird
  import NIOCore

  /// What routes know of a request.
  struct Context: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Its body was read to its end.
    let bodyEnd = Finding()
    /// It fails, and the server is at fault.
    let fault = Finding()
    private let channel: any Channel

    init(source: ApplicationRequestContextSource) {
      (coreContext, channel) = (CoreRequestContextStorage(source: source), source.channel)
    }

    /// Closes the connection, once there was time to send a reply.
    func closeSoon() {
      channel.eventLoop.scheduleTask(in: .seconds(1)) { [channel] in channel.close(promise: nil) }
    }

    /// Runs `body`, which is cancelled when the client closes the connection, or its side of it, before the answer.
    func whileAwaited<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
      let work = Task { try await body() }
      let end: @Sendable () -> Void = { work.cancel() }
      let watch: @Sendable ((@Sendable () -> Void)?) -> Void = { [channel] end in
        channel.eventLoop.execute {
          guard let watch = try? channel.pipeline.syncOperations.handler(type: ClientWatch.self) else {
            return end?() ?? ()
          }
          watch.onEnd = end
        }
      }
      watch(end)
      defer { watch(nil) }
      return try await withTaskCancellationHandler {
        try await work.value
      } onCancel: {
        end()
      }
    }
  }

  /// Stands in a connection's pipeline, on whose event loop all of it happens.
  final class ClientWatch: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    private var isEnded = false
    /// Called at the end of the connection, or at once after it.
    var onEnd: (@Sendable () -> Void)? { didSet { if isEnded { onEnd?() } } }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case ChannelEvent.inputClosed? = event as? ChannelEvent { end() }
      context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
      end()
      context.fireChannelInactive()
    }

    private func end() {
      isEnded = true
      onEnd?()
    }
  }
#endif
