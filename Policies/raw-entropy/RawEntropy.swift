// Exit when the head is certain, in nats: the criterion of DeeBERT and of ElasticBERT.

import PyramidPolicy

/// Exits at the first head whose entropy H(p), in nats, lies below a threshold.
public struct RawEntropy: ExitPolicy {
  public static let name = "raw-entropy"
  public static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0.1, in: 0...100, help: "exit below this many nats; 0 never exits, higher is faster")
  ]

  public let reads: Set<ExitSignal> = [.probabilities]
  private let threshold: Double

  public init(_ arguments: PolicyArguments) {
    threshold = arguments.number("threshold")
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    head.entropy < threshold
  }
}
