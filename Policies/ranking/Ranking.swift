// Exit when a pair can no longer come among the best of its group: what a reader of the first k results won't see needs
// no exact score.

import PyramidPolicy

/// Exits when a pair's logit plus a slack lies below the k-th best current logit of its group.
public struct Ranking: ExitPolicy {
  public static let name = "ranking"
  public static let requires: Set<AnswerKind> = [.value]
  public static let parameters: [PolicyParameter] = [
    .integer("k", default: 10, in: 1...1_000_000, help: "places that matter; lower is faster"),
    .number(
      "slack", default: 1, in: 0...1e6,
      help: "how far a logit may still rise against the k-th best, in its units; lower is faster"),
  ]

  public let reads: Set<ExitSignal> = [.logits, .groupLogits]
  private let places: Int
  private let slack: Float

  public init(_ arguments: PolicyArguments) throws {
    (places, slack) = (arguments.integer("k"), arguments.float("slack"))
    guard arguments.model.classes == 1 else { throw PolicyError.rejected("ranks by one logit") }
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    let (reachable, group) = (head.logits[0] + slack, head.groupLogits)
    var better = 0
    for index in group.indices where group[index] > reachable { better += 1 }
    return better >= places
  }
}
