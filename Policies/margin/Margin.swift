// Exit when the best class is well ahead of the second.

import PyramidPolicy

/// Exits at the first head whose two largest probabilities differ by more than a threshold.
public struct Margin: ExitPolicy {
  public static let name = "margin"
  public static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0.8, in: 0...1, help: "exit above this difference; 1 never exits, lower is faster")
  ]

  public let reads: Set<ExitSignal> = [.probabilities]
  private let threshold: Float

  public init(_ arguments: PolicyArguments) {
    threshold = arguments.float("threshold")
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    let probabilities = head.probabilities
    var (first, second) = (-Float.infinity, -Float.infinity)
    for index in probabilities.indices {
      let probability = probabilities[index]
      if probability.isNaN { return false }
      if probability > first {
        (first, second) = (probability, first)
      } else if probability > second {
        second = probability
      }
    }
    return first - second > threshold
  }
}
