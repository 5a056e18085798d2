// Prune by length: tokens whose row at the layer's input is short. It reads no attention at all.

import PyramidPolicy

/// Keeps the share of the tokens whose rows at the layer's input have the largest Euclidean norm.
public struct HiddenNorm: PruningPolicy {
  public static let name = "hidden-norm"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "fraction", default: [0.7], in: 0...1, help: "share of the tokens alive kept per boundary, or one for all")
  ]

  public let reads: Set<TokenSignal> = [.hiddenNorm]
  private let fractions: [Float]

  public init(_ arguments: PolicyArguments) throws {
    fractions = try arguments.numbersPerBoundary("fraction")
  }

  public func retention(afterLayer layer: Int) -> Retention { .fraction(fractions[layer - 1]) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let norm = sample.hiddenNorm
    for token in norm.indices { scores[token] = norm[token] }
  }
}
