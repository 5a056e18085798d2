// Prune by the share that a token has in what [CLS] takes from all: AdapLeR's thresholds on scores that add up to 1.

import PyramidPolicy

/// Keeps the tokens whose share in the sum of attention from [CLS] times norm of the value reaches threshold / n.
public struct Contribution: PruningPolicy {
  public static let name = "contribution"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "thresholds", default: [0.25], in: 0...1e6,
      help: "least share times the tokens alive, per boundary or one for all; 1 is an equal share, higher is faster")
  ]

  public let reads: Set<TokenSignal> = [.attentionFromCLS, .valueNorm]
  private let thresholds: [Float]

  public init(_ arguments: PolicyArguments) throws {
    thresholds = try arguments.numbersPerBoundary("thresholds")
  }

  public func retention(afterLayer layer: Int) -> Retention { .above(thresholds[layer - 1]) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let (attention, norm) = (sample.attentionFromCLS, sample.valueNorm)
    var sum = 0.0
    for token in attention.indices {
      scores[token] = attention[token] * norm[token]
      sum += Double(scores[token])
    }
    // Without any contribution all shares are 0 / 0, and NaN keeps its token.
    let scale = Double(sample.count) / sum
    for token in attention.indices { scores[token] = Float(Double(scores[token]) * scale) }
  }
}
