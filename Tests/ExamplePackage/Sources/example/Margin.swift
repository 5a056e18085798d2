// A policy of one's own, built into a program: it needs no plugin.

import MagicPyramid

/// Exits at the first head that gives its best class this much more probability than any other.
struct Margin: ExitPolicy {
  static let name = "margin"
  static let parameters: [PolicyParameter] = [
    .number("margin", default: 0.9, in: 0...1, help: "exit from this lead on; 1 hardly ever exits, lower is faster")
  ]

  let reads: Set<ExitSignal> = [.probabilities]
  private let margin: Float

  init(_ arguments: PolicyArguments) {
    margin = arguments.float("margin")
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
    return best - second >= margin
  }
}
