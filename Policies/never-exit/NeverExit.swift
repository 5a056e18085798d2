// A control: exit heads run and no sample leaves, which shows what the heads alone cost.

import PyramidPolicy

/// Evaluates every exit head and never exits.
public struct NeverExit: ExitPolicy {
  public static let name = "never-exit"
  public static let requires = Set(AnswerKind.allCases)

  public let reads: Set<ExitSignal>

  public init(_ arguments: PolicyArguments) {
    reads = arguments.model.answers == .value ? [.logits] : [.probabilities]
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { false }
}
