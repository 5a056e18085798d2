// Prune what others stand for: the tokens that stay are centres such that every row is close to one of them.

import PyramidPolicy

/// Keeps a share of the tokens chosen one after the other, each the farthest from those before, [CLS] first.
public struct CoreSet: PruningPolicy {
  public static let name = "core-set"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "fraction", default: [0.7], in: 0...1, help: "share of the tokens alive kept per boundary, or one for all")
  ]

  public let reads: Set<TokenSignal> = [.hidden]
  private let fractions: [Float]

  public init(_ arguments: PolicyArguments) throws {
    fractions = try arguments.numbersPerBoundary("fraction")
  }

  public func retention(afterLayer layer: Int) -> Retention { .fraction(fractions[layer - 1]) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let rows = sample.hidden
    let (count, width) = (sample.count, sample.width)
    var distances = [Double](repeating: .infinity, count: count)
    var centre = 0
    let chosen = retention(afterLayer: sample.layer).survivors(of: count, textLength: sample.textLength)
    // A centre's score is the number of those that could still follow, so that the first ones rank highest.
    for left in stride(from: chosen, to: 0, by: -1) {
      scores[centre] = Float(left)
      distances[centre] = -1
      var farthest = centre
      for token in 1..<max(1, count) where distances[token] >= 0 {
        var square = 0.0
        for column in 0..<width {
          let difference = Double(rows[token * width + column]) - Double(rows[centre * width + column])
          square += difference * difference
        }
        // What is not a number is as far as can be: its token stays.
        distances[token] = square.isNaN ? .infinity : min(distances[token], square)
        if distances[token] > distances[farthest] { farthest = token }
      }
      centre = farthest
    }
  }
}
