// What clients do with a connection. Who asked is gone: work whose answer nobody waits for is given up. Hummingbird's own
// way to know, by its request's body, ends each connection after one request; here the channel says so. And who asks
// on and on and does not read is gone, too: Hummingbird waits for replies but the first as long as the client likes.

#if Server
  import Hummingbird
  import NIOCore
  import NIOHTTP1
  import NIOHTTPTypes
  import Synchronization

  /// What routes know of a request.
  struct Context: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Its body was read to its end.
    let bodyEnd = Finding()
    /// Of its body, counted until it is answered.
    let bodyBytes = Tally()
    /// It fails, and the server is at fault.
    let fault = Finding()
    private let channel: any Channel

    init(source: ApplicationRequestContextSource) {
      (coreContext, channel) = (CoreRequestContextStorage(source: source), source.channel)
    }

    /// Tells a client that waits before it sends its body that the body is wanted (RFC 9110, 10.1.1).
    func sayContinue() {
      channel.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .continue)), promise: nil)
    }

    /// Closes the connection, once there was time to send a reply.
    func closeSoon() { channel.close(in: .seconds(1)) }

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

  extension Channel {
    /// Closes the channel after that time, unless what it returns is cancelled before.
    @discardableResult
    func close(in time: TimeAmount) -> Scheduled<Void> {
      eventLoop.scheduleTask(in: time) { self.close(promise: nil) }
    }
  }

  /// Something of a request that is found out on the way, and asked by who stands around it.
  final class Finding: Sendable {
    private let wasMade = Atomic(false)

    var isMade: Bool { wasMade.load(ordering: .relaxed) }
    func note() { wasMade.store(true, ordering: .relaxed) }
  }

  /// What is counted of a request on the way.
  final class Tally: Sendable {
    private let count = Atomic(0)

    var value: Int { count.load(ordering: .relaxed) }
    func add(_ more: Int) { count.add(more, ordering: .relaxed) }
  }

  /// Stands in a connection's pipeline, on whose event loop all of it happens.
  final class ClientWatch: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let time: TimeAmount
    private var timer: Scheduled<Void>?
    private var isEnded = false
    private var hasLongHeaders = false
    /// Called at the end of the connection, or at once after it.
    var onEnd: (@Sendable () -> Void)? { didSet { if isEnded { onEnd?() } } }

    /// Closes the connection when what waits to be sent is not taken within `seconds`, but for the last 32 KB, at which the
    /// system takes more again.
    init(seconds: Int) { time = .seconds(Int64(seconds)) }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
      timer?.cancel()
      timer = context.channel.isWritable ? nil : context.channel.close(in: time)
      context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case ChannelEvent.inputClosed? = event as? ChannelEvent { end() }
      context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
      end()
      context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      if case HTTPParserError.headerOverflow? = error as? HTTPParserError { hasLongHeaders = true }
      context.fireErrorCaught(error)
    }

    /// Headers that are too long even to be read are to Hummingbird a bad request like others.
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
      guard case .head(var head) = unwrapOutboundIn(data), hasLongHeaders, head.status == .badRequest,
        head.headerFields[.contentLength] == "0"
      else { return context.write(data, promise: promise) }
      head.status = .requestHeaderFieldsTooLarge
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    }

    private func end() {
      isEnded = true
      onEnd?()
    }
  }
#endif
