// Which tokens of one sample live on, given their scores. The SDK has its own, faster selection, which the engine uses;
// this one is written a second time from the rule alone, so that a comparison can find a mistake in either.

import PyramidPolicy

enum Selection {
  /// Ascending positions of the tokens that live. Token 0 always does; a NaN score keeps its token; of equal scores the
  /// earlier token is preferred.
  static func survivors(_ scores: [Float], textLength: Int, _ retention: Retention) -> [Int] {
    switch retention {
    case .all: return Array(scores.indices)
    case .above(let threshold): return scores.indices.filter { $0 == 0 || !(scores[$0] < threshold) }
    case .fraction(let fraction):
      return best(share(fraction, of: scores.count, atMost: scores.count), of: scores)
    case .fractionOfText(let fraction):
      return best(share(fraction, of: textLength, atMost: scores.count), of: scores)
    case .count(let count): return best(count, of: scores)
    }
  }

  /// The product is rounded to Float: 0.7 of 10 is 7, where the exact product of Float(0.7) would exceed it.
  private static func share(_ fraction: Float, of count: Int, atMost most: Int) -> Int {
    let wanted = (fraction * Float(count)).rounded(.up)
    return wanted < Float(most) ? Int(max(wanted, 1)) : most
  }

  /// The first token and the best others, `count` together but at least one and at most all.
  private static func best(_ count: Int, of scores: [Float]) -> [Int] {
    guard !scores.isEmpty else { return [] }
    let others = scores.indices.dropFirst().sorted { precedes($0, $1, scores) }
    return ([0] + others.prefix(max(1, min(count, scores.count)) - 1)).sorted()
  }

  /// Score descending, NaN first, then index ascending.
  private static func precedes(_ a: Int, _ b: Int, _ scores: [Float]) -> Bool {
    switch (scores[a].isNaN, scores[b].isNaN) {
    case (true, true): a < b
    case (true, false): true
    case (false, true): false
    case (false, false): scores[a] == scores[b] ? a < b : scores[a] > scores[b]
    }
  }
}
