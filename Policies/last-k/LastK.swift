// A control: only the end of the text stays, beside [CLS]. A criterion that reads the sample has to beat it.

import PyramidPolicy

/// Keeps [CLS] and the last tokens of those alive.
public struct LastK: PruningPolicy {
  public static let name = "last-k"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "tokens", default: [32], in: 1...1e6, help: "tokens that stay per boundary, [CLS] included, or one for all")
  ]

  public let reads: Set<TokenSignal> = []
  private let counts: [Int]

  public init(_ arguments: PolicyArguments) throws {
    counts = try arguments.wholeNumbersPerBoundary("tokens")
  }

  public func retention(afterLayer layer: Int) -> Retention { .count(counts[layer - 1]) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for token in scores.indices { scores[token] = Float(token) }
  }
}
