// A policy of one's own, built into a program: it needs no plugin.

import MagicPyramid

/// Exits at the first head that gives its best class this much more probability than any other.
struct Lead: ExitPolicy {
  static let name = "lead"
  static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0.9, in: 0...1, help: "exit from this lead on; 1 hardly ever exits, lower is faster")
  ]

  let reads: Set<ExitSignal> = [.probabilities]
  private let threshold: Float

  init(_ arguments: PolicyArguments) {
    threshold = arguments.float("threshold")
  }

  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    var (best, second) = (-Float.infinity, -Float.infinity)
    let probabilities = head.probabilities
    for index in probabilities.indices {
      let probability = probabilities[index]
      if probability > best {
        (best, second) = (probability, best)
      } else {
        second = max(second, probability)
      }
    }
    return best - second >= threshold
  }
}
