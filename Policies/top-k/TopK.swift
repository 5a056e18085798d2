// Prune to a fixed schedule: a known number of tokens at each layer, so cost is known before a text is seen.

import PyramidPolicy

/// Keeps a fixed number, or a fixed share, of the tokens that receive the most attention.
public struct TopK: PruningPolicy {
  public static let name = "top-k"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "keep", default: [], in: 1...1e6, help: "tokens kept per boundary, or one count for all; wins over fraction"),
    .numbers(
      "fraction", default: [0.8], in: 0...1, help: "share of the tokens alive kept per boundary, or one for all"),
  ]

  public let reads: Set<TokenSignal> = [.receivedAttention]
  private let schedule: [Retention]

  public init(_ arguments: PolicyArguments) throws {
    guard !arguments.numbers("keep").isEmpty else {
      schedule = try arguments.numbersPerBoundary("fraction").map { .fraction($0) }
      return
    }
    schedule = try arguments.wholeNumbersPerBoundary("keep").map { .count($0) }
  }

  public func retention(afterLayer layer: Int) -> Retention {
    schedule[layer - 1]
  }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let received = sample.receivedAttention
    for token in received.indices { scores[token] = received[token] }
  }
}
