// Exit when successive heads say nearly the same, all probabilities compared: the criterion of F-PABEE.

import PyramidPolicy

/// Exits when the Jensen-Shannon divergence of a head from the one before was below a threshold `patience` times in a row.
public struct PatienceDivergence: ExitPolicy {
  public static let name = "patience-divergence"
  public static let requires: Set<AnswerKind> = [.probabilities, .labels]
  public static let parameters: [PolicyParameter] = [
    .number(
      "threshold", default: 0.05, in: 0...0.6931471805599453,
      help: "heads this close in nats agree, at most ln 2; higher is faster"),
    .integer("patience", default: 2, in: 1...1000, help: "agreements in a row before exiting"),
  ]

  public let reads: Set<ExitSignal> = [.probabilities, .earlierProbabilities]
  private let threshold: Float
  private let patience: Int

  public init(_ arguments: PolicyArguments) {
    threshold = arguments.float("threshold")
    patience = arguments.integer("patience")
  }

  public func makeMemory() -> Int { 0 }

  public func shouldExit(_ head: borrowing ExitView, _ agreements: inout Int) -> Bool {
    let last = head.earlierHeads - 1
    agreements = last >= 0 && head.divergence(fromHead: last) < threshold ? agreements + 1 : 0
    return agreements >= patience
  }
}
