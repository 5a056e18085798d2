// Merge what is alike: a token that says what another one says goes into it, and nothing is lost but its place.

import PyramidPolicy

/// Merges, at each boundary, the pairs of tokens with the most similar keys: even places go into odd ones.
public struct Merge: MergingPolicy {
  public static let name = "merge"
  public static let parameters: [PolicyParameter] = [
    .numbers("rate", default: [8], in: 0...1e6, help: "pairs merged per boundary, or one for all; higher is faster")
  ]

  public let reads: Set<TokenSignal> = [.keys]
  private let rates: [Int]

  public init(_ arguments: PolicyArguments) throws {
    rates = try arguments.wholeNumbersPerBoundary("rate")
  }

  public func merge(_ sample: borrowing TokenView, into targets: inout MutableSpan<Int32>) {
    let keys = sample.keys
    let (count, width) = (sample.count, sample.keyWidth)
    var lengths = [Double](repeating: 0, count: count)
    for token in 0..<count {
      var square = 0.0
      for column in token * width..<(token + 1) * width { square += Double(keys[column]) * Double(keys[column]) }
      lengths[token] = square.squareRoot()
    }
    var pairs: [(cosine: Double, from: Int, into: Int)] = []
    for even in stride(from: 2, to: count, by: 2) {
      var best = (cosine: -Double.infinity, into: 0)
      for odd in stride(from: 1, to: count, by: 2) {
        var product = 0.0
        for column in 0..<width {
          product += Double(keys[even * width + column]) * Double(keys[odd * width + column])
        }
        let cosine = product / (lengths[even] * lengths[odd])
        if cosine > best.cosine { best = (cosine, odd) }
      }
      // Nothing is similar to what is not a number, which stays.
      if best.into > 0 { pairs.append((best.cosine, even, best.into)) }
    }
    pairs.sort { ($1.cosine, $0.from) < ($0.cosine, $1.from) }
    for pair in pairs.prefix(rates[sample.layer - 1]) { targets[pair.from] = Int32(pair.into) }
  }
}
