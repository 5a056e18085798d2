// Exit when the head is certain: the criterion of FastBERT and of Magic Pyramid.

import PyramidPolicy

/// Exits at the first head whose normalised entropy H(p) / ln C lies below a threshold.
public struct Entropy: ExitPolicy {
  public static let name = "entropy"
  public static let requires: Set<AnswerKind> = [.probabilities, .labels]
  public static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0.1, in: 0...1, help: "exit below this entropy; 0 never exits, higher is faster")
  ]

  public let reads: Set<ExitSignal> = [.probabilities]
  private let threshold: Float

  public init(_ arguments: PolicyArguments) {
    threshold = arguments.float("threshold")
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    head.normalizedEntropy < threshold
  }
}
