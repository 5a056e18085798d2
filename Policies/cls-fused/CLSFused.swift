// Prune by what [CLS] attends to, and keep what the others say together: they become one token.

import PyramidPolicy

/// Keeps the share of the tokens that [CLS] attends to most, and fuses the others into one row weighted by it.
public struct CLSFused: PruningPolicy {
  public static let name = "cls-fused"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "fraction", default: [0.7], in: 0...1, help: "share of the tokens alive kept per boundary, or one for all")
  ]

  public let reads: Set<TokenSignal> = [.attentionFromCLS]
  public let remainder = Remainder.fused
  private let fractions: [Float]

  public init(_ arguments: PolicyArguments) throws {
    fractions = try arguments.numbersPerBoundary("fraction")
  }

  public func retention(afterLayer layer: Int) -> Retention { .fraction(fractions[layer - 1]) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let attention = sample.attentionFromCLS
    for token in attention.indices { scores[token] = attention[token] }
  }
}
