// Prune to a schedule by what a token receives from the others: the significance score of PoWER-BERT.

import PyramidPolicy

/// Keeps a fixed number of tokens per boundary: those that receive the most attention from other tokens.
public struct ColumnSum: PruningPolicy {
  public static let name = "column-sum"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "schedule", default: [32], in: 1...1e6,
      help: "tokens that stay per boundary, [CLS] included, or one count for all; lower is faster")
  ]

  public let reads: Set<TokenSignal> = [.receivedFromOthers]
  private let schedule: [Int]

  public init(_ arguments: PolicyArguments) throws {
    schedule = try arguments.wholeNumbersPerBoundary("schedule")
  }

  public func retention(afterLayer layer: Int) -> Retention { .count(schedule[layer - 1]) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let received = sample.receivedFromOthers
    for token in received.indices { scores[token] = received[token] }
  }
}
