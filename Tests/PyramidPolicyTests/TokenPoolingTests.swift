// Where tokens go that do not stay: by hand, and by what holds for any choice.

import PyramidPolicy
import Testing

@Suite struct TokenPoolingTests {
  private struct Pooled: Equatable {
    var keep: [Int32]
    var targets: [Int32]
    var shares: [Float]
    var sizes: [Float] = []
  }

  private func fuse(_ scores: [Float], keeping kept: [Int32]) -> Pooled {
    var keep = kept + [Int32](repeating: 7, count: scores.count - kept.count)
    var targets = [Int32](repeating: 7, count: scores.count)
    var shares = [Float](repeating: 7, count: scores.count)
    let count = TokenPooling.fuse(
      scores: scores, count: scores.count, kept: kept.count, keep: &keep, targets: &targets, shares: &shares)
    return Pooled(keep: Array(keep.prefix(count)), targets: targets, shares: shares)
  }

  private func merge(_ targets: [Int32], sizes: [Float]? = nil) -> Pooled {
    var (targets, keep) = (targets, [Int32](repeating: 7, count: targets.count))
    var shares = [Float](repeating: 7, count: targets.count)
    var merged = shares
    let count =
      if let sizes {
        TokenPooling.merge(
          targets: &targets, sizes: sizes, count: targets.count, keep: &keep, merged: &merged, shares: &shares)
      } else {
        TokenPooling.merge(
          targets: &targets, sizes: nil, count: targets.count, keep: &keep, merged: &merged, shares: &shares)
      }
    return Pooled(
      keep: Array(keep.prefix(count)), targets: targets, shares: shares, sizes: Array(merged.prefix(count)))
  }

  @Test("what does not stay becomes one row, by its scores, and where nothing is dropped there is none")
  func fusing() {
    #expect(
      fuse([9, 1, 5, 3], keeping: [0, 2])
        == Pooled(keep: [0, 2, -1], targets: [0, 2, 1, 2], shares: [1, 0.25, 1, 0.75]))
    #expect(fuse([9, 1], keeping: [0, 1]) == Pooled(keep: [0, 1], targets: [0, 1], shares: [1, 1]))
    #expect(fuse([9, 1], keeping: [0]) == Pooled(keep: [0, -1], targets: [0, 1], shares: [1, 1]))
  }

  @Test(
    "scores that are no weights count as nothing, and without a weight all count alike",
    arguments: [
      ([9, -1, 4, 4], [0, 0.5, 0.5]), ([9, 0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]), ([9, -1, -2], [0.5, 0.5]),
      ([9, .infinity, 1], [0.5, 0.5]),
    ] as [([Float], [Float])])
  func brokenWeights(scores: [Float], shares: [Float]) {
    #expect(fuse(scores, keeping: [0]).shares == [1] + shares)
  }

  @Test("tokens go where they are sent, weighted by size, and the receiver keeps its place")
  func merging() {
    // 2 and 4 go into 1; 3 stays.
    #expect(
      merge([0, 1, 1, 3, 1])
        == Pooled(
          keep: [0, 1, 3], targets: [0, 1, 1, 2, 1], shares: [1, 1 / 3, 1 / 3, 1, 1 / 3], sizes: [1, 3, 1]))
    #expect(
      merge([0, 1, 1], sizes: [1, 3, 1])
        == Pooled(keep: [0, 1], targets: [0, 1, 1], shares: [1, 0.75, 0.25], sizes: [1, 4]))
    #expect(merge([0]) == Pooled(keep: [0], targets: [0], shares: [1], sizes: [1]))
  }

  @Test(
    "who is sent to [CLS], outside, to itself in a ring or to one that leaves stays",
    arguments: [[0, 0, 2], [0, 1, 3], [0, -1, 2], [0, 2, 1], [1, 1, 2], [0, 2, 0], [.max, .min, 9]] as [[Int32]])
  func refused(targets: [Int32]) {
    #expect(merge(targets) == Pooled(keep: [0, 1, 2], targets: [0, 1, 2], shares: [1, 1, 1], sizes: [1, 1, 1]))
  }

  @Test("whatever a policy says, each row's shares add up to one and no size is lost")
  func anyTargets() {
    var generator = SplitMix(state: 5)
    for _ in 0..<300 {
      let count = Int.random(in: 1...30, using: &generator)
      let sent = (0..<count).map { token in
        Bool.random(using: &generator) ? Int32(token) : Int32.random(in: -2...Int32(count), using: &generator)
      }
      let sizes = (0..<count).map { _ in Float(Int.random(in: 1...9, using: &generator)) }
      let pooled = merge(sent, sizes: sizes)
      #expect(pooled.sizes.reduce(0, +) == sizes.reduce(0, +))
      #expect(pooled.keep.first == 0 && zip(pooled.keep, pooled.keep.dropFirst()).allSatisfy { $0 < $1 })
      for (row, place) in pooled.keep.enumerated() {
        #expect(pooled.targets[Int(place)] == Int32(row))
        let parts = pooled.targets.indices.filter { pooled.targets[$0] == Int32(row) }
        #expect(abs(parts.reduce(0) { $0 + pooled.shares[$1] } - 1) < 1e-6)
        for part in parts where part != Int(place) { #expect(sent[part] == place) }
      }
    }
  }
}
