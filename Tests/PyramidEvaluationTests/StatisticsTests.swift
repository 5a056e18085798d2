// Statistics against values worked out by hand or taken from tables and other programs.

import PyramidFormats
import Testing

@testable import PyramidEvaluation

private func isClose(_ a: Double, _ b: Double, within tolerance: Double = 1e-9) -> Bool {
  abs(a - b) <= tolerance * max(1, abs(b))
}

/// `count` numbers that rise by 1 from `first` and fall back after `period` of them.
private func saw(_ count: Int, from first: Double, period: Int) -> [Double] {
  (0..<count).map { first + Double($0 % period) }
}

@Suite("Percentiles")
struct PercentilesTests {
  @Test("The median of an odd count is the middle value, of an even one the mean of the middle two")
  func median() {
    #expect(Percentiles([9, 1, 5]).median == 5)
    #expect(Percentiles([4, 1, 3, 2]).median == 2.5)
    #expect(Percentiles([7]).median == 7)
  }

  @Test(
    "Percentiles interpolate between the neighbours as NumPy's default does",
    arguments: [(0.0, 10.0), (0.25, 20), (0.5, 30), (0.95, 48), (0.99, 49.6), (1, 50)])
  func interpolation(p: Double, expected: Double) {
    #expect(isClose(Percentiles([50, 10, 40, 20, 30])(p), expected))
  }

  @Test("A p outside of 0...1 is brought into it")
  func clamped() {
    #expect(Percentiles([1, 2])(-3) == 1)
    #expect(Percentiles([1, 2])(7) == 2)
  }
}

@Suite("Ratios of paired measurements")
struct PairedRatioTests {
  @Test("The value is the median over repetitions of the ratios of sums")
  func value() {
    let ratio = PairedRatio(baseline: [[2, 4], [6, 6], [10, 20]], contender: [[1, 2], [2, 2], [10, 20]])
    #expect(ratio.value == 2)
  }

  @Test("A contender that is twice as fast on every block has the interval 2 to 2")
  func constant() {
    let interval = PairedRatio(baseline: [[2, 4, 8], [1, 2, 4]], contender: [[1, 2, 4], [0.5, 1, 2]]).interval()
    #expect(interval == Interval(value: 2, low: 2, high: 2))
  }

  @Test("The interval holds the value, has a width when blocks differ, and is the same each time")
  func interval() {
    let ratio = PairedRatio(
      baseline: [saw(40, from: 10, period: 7), saw(40, from: 11, period: 7)],
      contender: [saw(40, from: 3, period: 5), saw(40, from: 3.5, period: 5)])
    let interval = ratio.interval()
    #expect(interval.low < interval.value && interval.value < interval.high)
    #expect(interval.high - interval.low < 1)
    #expect(interval == ratio.interval())
    #expect(interval != ratio.interval(seed: 1))
  }

  @Test(
    "The interval holds the true ratio in about 95 of 100 experiments, neither fewer nor nearly all", arguments: [1, 5])
  func coverage(repetitions: Int) {
    var random = SeededRandom(seed: 7)
    var covered = 0
    let experiments = 300
    for experiment in 0..<experiments {
      // Times of 40 blocks: what slows a block slows both, and each has noise of its own. The truth is 2.
      let load = (0..<40).map { _ in 1 + random.unit() }
      let baseline = load.map { 2 * $0 * (1 + 0.2 * (random.unit() - 0.5)) }
      let contender = load.map { $0 * (1 + 0.2 * (random.unit() - 0.5)) }
      // What a text takes is the same in each repetition, but for a clock of its own.
      let clocks = (0..<repetitions).map { _ in 1 + 0.1 * random.unit() }
      let interval = PairedRatio(
        baseline: clocks.map { clock in baseline.map { clock * $0 } },
        contender: clocks.map { clock in contender.map { clock * $0 } }
      ).interval(resamples: 400, seed: UInt64(experiment))
      if interval.low <= 2, 2 <= interval.high { covered += 1 }
    }
    // 95% of 300 is 285; seven standard deviations of 3.8 below, and not all.
    #expect((258...297).contains(covered), "\(covered) of \(experiments)")
  }

  @Test("More blocks of the same kind make a narrower interval")
  func narrower() {
    func width(_ blocks: Int) -> Double {
      let ratio = PairedRatio(
        baseline: [saw(blocks, from: 10, period: 4)], contender: [saw(blocks, from: 5, period: 3)])
      let interval = ratio.interval(resamples: 400)
      return interval.high - interval.low
    }
    #expect(width(192) < 0.6 * width(24))
  }

  @Test("The generator gives the published numbers of SplitMix64")
  func generator() {
    var generator = SeededRandom(seed: 1_234_567)
    #expect(generator.next() == 6_457_827_717_110_365_317)
    #expect(generator.next() == 3_203_168_211_198_807_973)
  }
}

@Suite("Statistics of labels")
struct LabelStatisticsTests {
  @Test(
    "Wilson's interval has the values of Newcombe (1998), table I",
    arguments: [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)])
  func wilson(successes: Int, count: Int, low: Double, high: Double) {
    let interval = LabelStatistics.wilson(successes: successes, of: count)
    #expect(interval.value == Double(successes) / Double(count))
    #expect(isClose(interval.low, low, within: 5e-5))
    #expect(isClose(interval.high, high, within: 5e-5))
    let mirrored = LabelStatistics.wilson(successes: count - successes, of: count)
    #expect(isClose(mirrored.low, 1 - interval.high) && isClose(mirrored.high, 1 - interval.low))
  }

  @Test("Accuracy and agreement count equal labels")
  func shares() {
    #expect(LabelStatistics.accuracy([1, 2, 3, 4], expected: [1, 2, 0, 4]).value == 0.75)
    #expect(LabelStatistics.agreement([1, 1], [1, 2]) == 0.5)
  }
}

@Suite("Numbers as text")
struct NumberTextTests {
  @Test(
    "Decimals are fixed and rounded",
    arguments: [
      (1.25, 1, "1.3"), (0.0, 2, "0.00"), (-0.004, 2, "0.00"), (-1.5, 0, "-2"), (12.0, 3, "12.000"), (0.056, 2, "0.06"),
      (.infinity, 2, "-"), (1e300, 2, "-"),
    ])
  func fixed(value: Double, decimals: Int, expected: String) {
    #expect(decimal(value, decimals) == expected)
  }

  @Test("Three digits show whatever the size", arguments: [(1234.6, "1235"), (12.34, "12.3"), (0.01234, "0.0123")])
  func significantDigits(value: Double, expected: String) {
    #expect(significant(value) == expected)
  }
}
