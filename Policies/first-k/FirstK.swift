// A control: the text is cut, as by a shorter maximum length but above the first layer. A criterion that reads the
// sample has to beat it.

import PyramidPolicy

/// Keeps the first tokens of those alive.
public struct FirstK: PruningPolicy {
  public static let name = "first-k"
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
    for token in scores.indices { scores[token] = -Float(token) }
  }
}
