// gRPC waits for a call's message as long as the client likes, who may send a byte now and then, or none. Interceptors
// see whole messages only, so the time is watched on the call's stream, where its end is told.

#if Server
  import NIOCore

  /// Resets a stream whose request is not there in time. Stands in the stream's pipeline, behind what reads messages.
  final class CallTimer: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private let time: TimeAmount
    private var timer: Scheduled<Void>?

    init(seconds: Int) { time = .seconds(Int64(seconds)) }

    func handlerAdded(context: ChannelHandlerContext) {
      timer = context.eventLoop.scheduleTask(in: time) { [channel = context.channel] in channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case ChannelEvent.inputClosed? = event as? ChannelEvent { timer?.cancel() }
      context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
      timer?.cancel()
      context.fireChannelInactive()
    }
  }
#endif
