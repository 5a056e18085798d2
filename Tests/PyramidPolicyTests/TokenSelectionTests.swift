// The selection against its definition: an O(n^2) count of the tokens that rank higher.

import PyramidPolicy
import Testing

@Suite struct TokenSelectionTests {
  /// Whether token a ranks above token b, by the words of the documentation.
  private func ranksAbove(_ a: Int, _ b: Int, _ scores: [Float]) -> Bool {
    if a == 0 || b == 0 { return a == 0 && b != 0 }
    if scores[a].isNaN || scores[b].isNaN {
      return scores[a].isNaN && scores[b].isNaN ? a < b : scores[a].isNaN
    }
    return scores[a] == scores[b] ? a < b : scores[a] > scores[b]
  }

  private func expected(_ scores: [Float], _ retention: Retention) -> [Int32] {
    let tokens = Array(scores.indices)
    let best: Int
    switch retention {
    case .all: return tokens.map { Int32($0) }
    case .above(let threshold): return tokens.filter { $0 == 0 || !(scores[$0] < threshold) }.map { Int32($0) }
    case .count(let count): best = max(1, min(count, scores.count))
    case .fractionOfText(let fraction): best = max(1, Int((fraction * Float(2 * scores.count)).rounded(.up)))
    case .fraction(let fraction): best = max(1, Int((fraction * Float(scores.count)).rounded(.up)))
    }
    return tokens.filter { token in tokens.count { ranksAbove($0, token, scores) } < best }.map { Int32($0) }
  }

  @Test("random scores with ties, NaN, infinities and signed zeros are selected by the definition")
  func agreesWithDefinition() {
    var generator = SplitMix(state: 1)
    let values: [Float] = [0, -0.0, 1, 1, -1, 2.5, .nan, -.nan, .infinity, -.infinity, .leastNonzeroMagnitude]
    for round in 0..<300 {
      let count = Int.random(in: 1...40, using: &generator)
      let scores = (0..<count).map { _ in
        round % 2 == 0 ? values.randomElement(using: &generator)! : Float.random(in: -1...1, using: &generator)
      }
      let retentions: [Retention] = [
        .all, .above(values.randomElement(using: &generator)!), .count(Int.random(in: -1...45, using: &generator)),
        .fraction(Float.random(in: 0...1, using: &generator)), .fraction(Float(round % 11) / 10),
        .fractionOfText(Float.random(in: 0...1, using: &generator)),
      ]
      for retention in retentions {
        #expect(keep(scores, retention, textLength: 2 * count) == expected(scores, retention), "\(scores) \(retention)")
      }
    }
  }

  @Test("[CLS] never dies, whatever its score", arguments: [Float.nan, -Float.infinity, 0])
  func firstTokenStays(score: Float) {
    for retention in [Retention.above(.infinity), .above(10), .fraction(0), .count(1), .count(0), .count(.min)] {
      #expect(keep([score, 1, 2, 3], retention) == [0])
    }
  }

  @Test("a threshold that is NaN, and a fraction that is NaN, keep every token")
  func nanKeeps() {
    #expect(keep([0, 1, 2], .above(.nan)) == [0, 1, 2])
    #expect(keep([0, 1, 2], .fraction(.nan)) == [0, 1, 2])
  }

  @Test(
    "a fraction of n keeps max(1, ceil(f n)) tokens",
    arguments: [
      (Float(0.7), 10, 7), (0.1, 10, 1), (0.11, 10, 2), (0.5, 7, 4), (0, 5, 1), (-3, 5, 1), (1, 5, 5), (2, 5, 5),
      (.infinity, 5, 5), (1e-30, 5, 1), (0.3, 1, 1), (0.8, 512, 410),
    ])
  func fractions(fraction: Float, count: Int, kept: Int) {
    let scores = (0..<count).map { Float($0) }
    #expect(keep(scores, .fraction(fraction)).count == kept)
  }

  @Test("no tokens are kept of none")
  func empty() {
    for retention in [Retention.all, .above(0), .fraction(0.5), .count(3)] { #expect(keep([], retention) == []) }
  }

  @Test("a large sample is selected without a quadratic cost")
  func large() {
    let count = 20_000
    let scores = (0..<count).map { Float(($0 &* 7919) % count) }
    let kept = keep(scores, .count(100))
    #expect(kept.count == 100)
    #expect(kept.dropFirst().allSatisfy { scores[Int($0)] >= Float(count - 100) })
  }
}
