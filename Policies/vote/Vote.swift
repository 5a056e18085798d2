// Exit when enough heads have voted for one class, not necessarily in a row.

import PyramidPolicy

/// Exits when a class has `votes` of the heads so far, each of which votes for its likeliest class.
public struct Vote: ExitPolicy {
  /// The classes that a sample's heads voted for; room for the deepest model that is accepted.
  public struct Memory: Sendable {
    var count = 0
    var classes = InlineArray<64, Int32>(repeating: -1)
  }

  public static let name = "vote"
  public static let parameters: [PolicyParameter] = [
    .integer("votes", default: 2, in: 1...1000, help: "heads that must name one class; lower is faster")
  ]

  public let reads: Set<ExitSignal> = [.logits]
  private let votes: Int

  public init(_ arguments: PolicyArguments) throws {
    votes = arguments.integer("votes")
    guard arguments.model.layers <= 64 else { throw PolicyError.rejected("counts the votes of at most 64 layers") }
  }

  public func makeMemory() -> Memory { Memory() }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Memory) -> Bool {
    guard let best = head.predictedClass else { return false }
    memory.classes[memory.count] = Int32(best)
    memory.count += 1
    var received = 0
    for index in 0..<memory.count where memory.classes[index] == Int32(best) { received += 1 }
    return received >= votes
  }
}
