// Prune by what [CLS] takes from a token: how much it attends to it, times how long the value is that it takes.

import PyramidPolicy

/// Keeps the share of the tokens with the largest attention from [CLS] times norm of the value.
public struct ValueWeighted: PruningPolicy {
  public static let name = "value-weighted"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "fraction", default: [0.7], in: 0...1, help: "share of the tokens alive kept per boundary, or one for all")
  ]

  public let reads: Set<TokenSignal> = [.attentionFromCLS, .valueNorm]
  private let fractions: [Float]

  public init(_ arguments: PolicyArguments) throws {
    fractions = try arguments.numbersPerBoundary("fraction")
  }

  public func retention(afterLayer layer: Int) -> Retention { .fraction(fractions[layer - 1]) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let (attention, norm) = (sample.attentionFromCLS, sample.valueNorm)
    for token in attention.indices { scores[token] = attention[token] * norm[token] }
  }
}
