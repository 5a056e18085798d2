// A null model as a policy: the bag of words answers what it is sure of, before the first layer, and the whole model the
// rest. Heads between the layers, and criteria that read them, are worth what they save beyond that.

import PyramidPolicy

/// Exits at the entry when the normalised entropy there is below `threshold`, and nowhere else.
struct BagThenDense: ExitPolicy {
  static let name = "bag-then-dense"
  static let requires: Set<AnswerKind> = [.probabilities, .labels]
  static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0.1, in: 0...1, help: "leave at the entry when the normalised entropy is below")
  ]
  let reads: Set<ExitSignal> = [.probabilities]
  let layers = LayerSet.only(0)
  private let threshold: Float

  init(_ arguments: PolicyArguments) { threshold = arguments.float("threshold") }

  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { head.normalizedEntropy < threshold }
}
