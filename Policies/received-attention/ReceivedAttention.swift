// Prune tokens that receive little attention: the learned thresholds of LTP, the pruning half of Magic Pyramid.

import PyramidPolicy

/// Keeps the tokens whose received attention, relative to uniform, reaches the boundary's threshold.
public struct ReceivedAttention: PruningPolicy {
  public static let name = "received-attention"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "thresholds", default: .learned("prune.thresholds"), in: -1e6...1e6,
      help: "one threshold per boundary, or one for all; 1 is uniform attention"),
    .number("scale", default: 1, in: 0...1e6, help: "multiplies every threshold: 0 keeps all, higher is faster"),
  ]

  public let reads: Set<TokenSignal> = [.receivedAttention]
  private let thresholds: [Float]

  public init(_ arguments: PolicyArguments) throws {
    let scale = arguments.float("scale")
    thresholds = try arguments.numbersPerBoundary("thresholds").map { $0 * scale }
  }

  public func retention(afterLayer layer: Int) -> Retention {
    .above(thresholds[layer - 1])
  }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let received = sample.receivedAttention
    for token in received.indices { scores[token] = received[token] }
  }
}
