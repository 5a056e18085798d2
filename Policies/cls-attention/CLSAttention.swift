// Prune before the layer: by what [CLS] alone attends to, which costs one row and not the layer's attention.

import PyramidPolicy

/// Keeps the tokens that [CLS] attends to most, and spares the others the whole layer.
public struct CLSAttention: PruningPolicy {
  public static let name = "cls-attention"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "thresholds", default: [], in: 0...1e6,
      help: "least attention from [CLS] relative to uniform, per boundary or one for all; wins over fraction"),
    .numbers(
      "fraction", default: [0.7], in: 0...1, help: "share of the tokens alive kept per boundary, or one for all"),
  ]

  public let reads: Set<TokenSignal> = [.attentionFromCLS]
  public let moment = PruningMoment.beforeLayer
  private let schedule: [Retention]

  public init(_ arguments: PolicyArguments) throws {
    schedule =
      arguments.numbers("thresholds").isEmpty
      ? try arguments.numbersPerBoundary("fraction").map { .fraction($0) }
      : try arguments.numbersPerBoundary("thresholds").map { .above($0) }
  }

  public func retention(afterLayer layer: Int) -> Retention {
    schedule[layer - 1]
  }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let attention = sample.attentionFromCLS
    for token in attention.indices { scores[token] = attention[token] }
  }
}
