// The selection rule, stated case by case, and compared with the engine's own on scores full of ties and NaN.

import PyramidPolicy
import Testing

@testable import PyramidReference

struct SelectionTests {
  @Test func `above keeps what is not below, and always the first`() {
    #expect(Selection.survivors([0, 1, 0.5, .nan, 2], textLength: 9, .above(1)) == [0, 1, 3, 4])
    #expect(Selection.survivors([0, 1], textLength: 9, .above(.nan)) == [0, 1])
  }

  @Test func `count keeps the best and breaks ties to the left`() {
    #expect(Selection.survivors([0, 1, 3, 3, 2], textLength: 9, .count(2)) == [0, 2])
    #expect(Selection.survivors([9, 1, 3, 3, 2], textLength: 9, .count(3)) == [0, 2, 3])
    #expect(Selection.survivors([0, 1, .nan, 3], textLength: 9, .count(2)) == [0, 2])
    #expect(Selection.survivors([0, -0.0, 0.0], textLength: 9, .count(2)) == [0, 1])
  }

  @Test func `count is held between one and all`() {
    #expect(Selection.survivors([0, 1, 2], textLength: 9, .count(0)) == [0])
    #expect(Selection.survivors([0, 1, 2], textLength: 9, .count(-5)) == [0])
    #expect(Selection.survivors([0, 1, 2], textLength: 9, .count(.max)) == [0, 1, 2])
  }

  @Test func `fraction rounds up`() {
    #expect(Selection.survivors([0, 1, 2, 3, 4], textLength: 9, .fraction(0.5)) == [0, 3, 4])
    #expect(Selection.survivors([0, 1, 2], textLength: 9, .fraction(0)) == [0])
    #expect(Selection.survivors([0, 1, 2], textLength: 9, .fraction(1)) == [0, 1, 2])
    #expect(Selection.survivors([Float](repeating: 1, count: 10), textLength: 9, .fraction(0.7)).count == 7)
  }

  @Test func `all keeps all`() {
    #expect(Selection.survivors([.nan, -1], textLength: 9, .all) == [0, 1])
  }

  @Test(arguments: 0..<40)
  func `the engine selects the same tokens`(seed: Int) {
    var random = SeededValues(name: "selection \(seed)")
    let scores: [Float] = (0..<(1 + seed)).map { _ in
      let value = (random.next() * 4).rounded()
      return value == 3 ? .nan : value == -3 ? -.infinity : value
    }
    let retentions: [Retention] = [
      .all, .above(random.next()), .fraction(abs(random.next())), .count(Int(random.next() * 20)), .above(.nan),
      .fractionOfText(abs(random.next())), .fractionOfText(.nan),
    ]
    for retention in retentions {
      var kept = [Int32](repeating: 0, count: scores.count)
      var scratch = [UInt64](repeating: 0, count: scores.count)
      let count = TokenSelection.keep(
        scores: scores, count: scores.count, textLength: 2 * seed + 1, retention: retention, scratch: &scratch,
        into: &kept)
      let expected = Selection.survivors(scores, textLength: 2 * seed + 1, retention)
      #expect(kept.prefix(count).map { Int($0) } == expected)
      #expect(count <= retention.survivors(of: scores.count, textLength: 2 * seed + 1))
    }
  }
}
