// Exit when several heads in a row are certain: the criterion of PCEE-BERT.

import PyramidPolicy

/// Exits when the normalised entropy has been below a threshold at `patience` heads in a row.
public struct PatienceConfidence: ExitPolicy {
  public static let name = "patience-confidence"
  public static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0.2, in: 0...1, help: "a head below this entropy is certain; higher is faster"),
    .integer("patience", default: 2, in: 1...1000, help: "certain heads in a row before exiting"),
  ]

  public let reads: Set<ExitSignal> = [.probabilities]
  private let threshold: Float
  private let patience: Int

  public init(_ arguments: PolicyArguments) {
    threshold = arguments.float("threshold")
    patience = arguments.integer("patience")
  }

  public func makeMemory() -> Int { 0 }

  public func shouldExit(_ head: borrowing ExitView, _ certain: inout Int) -> Bool {
    certain = head.normalizedEntropy < threshold ? certain + 1 : 0
    return certain >= patience
  }
}
