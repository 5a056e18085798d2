// gRPC waits for a call's message as long as the client likes, who may send a byte now and then, or none, and holds what
// came of it. Interceptors see whole messages only, so time and bytes are watched on the call's stream. The transport says
// goodbye to idle connections, and then waits for the client as long as it likes, so those are watched, too.

#if Server
  import CoreMetrics
  import GRPCCore
  import NIOCore
  import NIOHPACK
  import NIOHTTP2

  /// Resets a stream whose request is not there in time, or whose reply is not taken in time, and refuses one that is too
  /// large or for whose bytes there is no room. Stands in the stream's pipeline, before what reads messages.
  final class CallLimits: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let time: TimeAmount
    private let underway: BytesUnderway
    /// The connection's; gone where that is closed.
    private weak var connection: ConnectionLimits?
    /// Of this call.
    private var bytes = 0
    private var isReplied = false
    private var timer: Scheduled<Void>?

    init(seconds: Int, underway: BytesUnderway, connection: ConnectionLimits?) {
      (time, self.underway, self.connection) = (.seconds(Int64(seconds)), underway, connection)
    }

    func handlerAdded(context: ChannelHandlerContext) {
      connection?.calls += 1
      startTimer(context)
    }

    /// As soon as the stream is closed, by whom ever.
    func handlerRemoved(context: ChannelHandlerContext) {
      connection?.calls -= 1
      timer?.cancel()
      underway.remove(bytes)
    }

    private func startTimer(_ context: ChannelHandlerContext) {
      timer?.cancel()
      timer = context.channel.close(in: time)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .data(let part):
        if !isReplied {
          bytes += part.data.readableBytes
          guard underway.add(part.data.readableBytes) else {
            return refuse(context, .resourceExhausted, "too many bytes are on their way to this server", "1")
          }
          // In front of a message are five bytes of its length.
          guard bytes - 5 <= underway.largest else {
            let text = "the message has more than the \(underway.largest) bytes that this server takes"
            return refuse(context, .outOfRange, text)
          }
        }
        if part.endStream, !isReplied { timer?.cancel() }
      case .headers(let part):
        if part.endStream, !isReplied { timer?.cancel() }
      default: break
      }
      context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
      if !isReplied {
        // Whoever does not read the reply keeps nothing of the request in memory.
        underway.remove(bytes)
        (isReplied, bytes) = (true, 0)
        startTimer(context)
      }
      context.write(data, promise: promise)
    }

    /// Says why as a reply of headers alone, and reads no more.
    private func refuse(
      _ context: ChannelHandlerContext, _ code: Status.Code, _ text: String, _ retryAfter: String? = nil
    ) {
      var reply: HPACKHeaders = [
        ":status": "200", "content-type": "application/grpc", "grpc-status": "\(code.rawValue)", "grpc-message": text,
      ]
      if let retryAfter { reply.add(name: "retry-after", value: retryAfter) }
      CoreMetrics.Counter(label: "grpc_server_refused", dimensions: [("code", code.description)]).increment()
      isReplied = true
      context.write(wrapOutboundOut(.headers(.init(headers: reply, endStream: true))), promise: nil)
      // What a server says that has answered and wants no more of the request.
      context.writeAndFlush(wrapOutboundOut(.rstStream(.noError)), promise: nil)
      context.close(promise: nil)
    }
  }

  /// Closes a connection that has no calls for twice the time after which the transport says goodbye. Stands in the
  /// connection's pipeline, on whose event loop its calls are.
  final class ConnectionLimits: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private let time: TimeAmount
    private let channel: any Channel
    private var timer: Scheduled<Void>?
    /// Calls that are under way.
    var calls = 0 { didSet { calls == 0 ? startTimer() : timer?.cancel() } }

    init(seconds: Int, channel: any Channel) {
      (time, self.channel) = (.seconds(2 * Int64(min(seconds, 1 << 40))), channel)
    }

    func handlerAdded(context: ChannelHandlerContext) { startTimer() }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    private func startTimer() { timer = channel.close(in: time) }
  }
#endif
