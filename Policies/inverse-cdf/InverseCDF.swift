// Prune by sampling: tokens at even steps of the cumulative score, so that where few have all of it, few stay.

import PyramidPolicy

/// Keeps the tokens that lie at the quantiles of attention from [CLS] times norm of the value.
public struct InverseCDF: PruningPolicy {
  public static let name = "inverse-cdf"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "tokens", default: [32], in: 1...1e6,
      help: "most tokens that stay per boundary, [CLS] included, or one for all; lower is faster")
  ]

  public let reads: Set<TokenSignal> = [.attentionFromCLS, .valueNorm]
  private let counts: [Int]

  public init(_ arguments: PolicyArguments) throws {
    counts = try arguments.wholeNumbersPerBoundary("tokens")
  }

  public func retention(afterLayer layer: Int) -> Retention { .above(1) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let (attention, norm) = (sample.attentionFromCLS, sample.valueNorm)
    var sum = 0.0
    for token in 1..<max(1, sample.count) { sum += Double(attention[token] * norm[token]) }
    let quantiles = counts[sample.layer - 1] - 1
    var (reached, next) = (0.0, 1)
    for token in 1..<max(1, sample.count) {
      reached += Double(attention[token] * norm[token]) / sum
      // What is not a number keeps its token: every comparison with NaN is false.
      scores[token] = reached.isNaN ? .nan : 0
      while next <= quantiles, Double(2 * next - 1) / Double(2 * quantiles) <= reached {
        scores[token] = 1
        next += 1
      }
    }
  }
}
