// Differences, corrections and bounds against values that SciPy and scikit-learn give. The intervals of the paired difference were
// found there by a score test whose likelihood is maximised numerically, not by the closed form that is tested.

import Testing

@testable import PyramidEvaluation

private func isClose(_ a: Double, _ b: Double, within tolerance: Double = 1e-9) -> Bool {
  abs(a - b) <= tolerance * max(1, abs(b))
}

@Suite struct DistributionTests {
  @Test(arguments: [
    (0, 20, 0.1, 0.12157665459056925), (3, 10, 0.5, 0.171875), (7, 10, 0.5, 0.9453125),
    (12, 1000, 0.02, 0.037604810397184225), (30, 1000, 0.02, 0.9873522516538874),
    (5, 5, 0.3, 1.0), (250_000, 1_000_000, 0.2505, 0.12448770281620955), (-1, 5, 0.5, 0), (0, 5, 0, 1), (4, 5, 1, 0),
  ])
  func `Binomial tails are SciPy's`(k: Int, n: Int, p: Double, expected: Double) {
    #expect(isClose(Binomial.cumulative(k, of: n, p), expected, within: 1e-9))
  }

  @Test(arguments: [
    (9999, 100_000, 0.1005, 0.2980100826375991), (10_000, 100_000, 0.1005, 0.3016714602265398),
    (60_000, 100_000, 0.6001, 0.4754648504525885), (600_000_000, 1_000_000_000, 0.60002, 0.09835678037791293),
  ])
  func `Tails of many texts are those of arithmetic with 40 digits`(k: Int, n: Int, p: Double, expected: Double) {
    // Logarithms of factorials of a billion have 2e10 before the point, which leaves 5 digits after it.
    #expect(isClose(Binomial.cumulative(k, of: n, p), expected, within: n > 1_000_000 ? 1e-5 : 1e-9))
  }

  @Test(arguments: [(0.975, 1.95996398), (0.8, 0.84162123), (0.95, 1.64485363), (0.5, 0), (1e-6, -4.75342431)])
  func `Normal quantiles are SciPy's`(p: Double, expected: Double) {
    #expect(isClose(Normal.quantile(p), expected, within: 1e-8))
  }
}

@Suite struct PairedDifferenceTests {
  @Test(arguments: [
    (0, 0, 1.0), (1, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (10, 2, 0.038574218750), (2, 10, 0.038574218750),
    (3, 9, 0.145996093750), (0, 30, 0x1p-29),
  ])
  func `McNemar's p is the two-sided binomial probability`(gained: Int, lost: Int, expected: Double) {
    #expect(isClose(PairedDifference(gained: gained, lost: lost, of: 100).mcnemar, expected, within: 1e-12))
  }

  @Test func `McNemar's p stays a probability for counts that no power or coefficient can hold`() {
    func p(_ gained: Int, _ lost: Int) -> Double {
      PairedDifference(gained: gained, lost: lost, of: gained + lost).mcnemar
    }
    // The normal approximation with continuity correction: z = 2000 / sqrt(1002001) = 1.998, p = 0.045716.
    #expect(isClose(p(500_000, 502_001), 0.045716, within: 1e-5))
    #expect(p(0, 200_000) == 0)
    #expect(p(100_000, 100_000) == 1)
  }

  @Test func `Only samples that exactly one gets right count`() {
    let expected = [0, 0, 0, 0, 0, 0, 0]
    let difference = PairedDifference([0, 1, 0, 1, 1, 1, 1], against: [0, 1, 1, 0, 0, 0, 0], expected: expected)
    #expect(difference == PairedDifference(gained: 1, lost: 4, of: 7))
    #expect(isClose(difference.mcnemar, 0.375) && isClose(difference.value, -3.0 / 7))
  }

  @Test(arguments: [
    (12, 2, 50, 0.061112406982, 0.344708748154), (0, 0, 500, -0.007624340462, 0.007624340462),
    (3, 5, 500, -0.017945040113, 0.008726342047), (0, 8, 500, -0.031251108534, -0.008129253033),
    (21, 38, 7600, -0.004343156784, -0.000264562915), (40, 10, 100, 0.169223336496, 0.421077502384),
  ])
  func `The interval is that of the score test`(gained: Int, lost: Int, count: Int, low: Double, high: Double) {
    let interval = PairedDifference(gained: gained, lost: lost, of: count).interval()
    #expect(isClose(interval.low, low, within: 1e-7) && isClose(interval.high, high, within: 1e-7), "\(interval)")
    let mirrored = PairedDifference(gained: lost, lost: gained, of: count).interval()
    #expect(isClose(mirrored.low, -high, within: 1e-7) && isClose(mirrored.high, -low, within: 1e-7))
  }

  @Test func `A higher confidence makes a wider interval, and ends stay differences`() {
    let interval = PairedDifference(gained: 3, lost: 5, of: 500).interval(confidence: 0.99)
    #expect(
      isClose(interval.low, -0.024219620019, within: 1e-7) && isClose(interval.high, 0.014547525948, within: 1e-7))
    for (gained, lost) in [(1, 0), (0, 1), (0, 0)] {
      let interval = PairedDifference(gained: gained, lost: lost, of: 1).interval()
      #expect(
        -1 <= interval.low && interval.low <= interval.value && interval.value <= interval.high && interval.high <= 1)
    }
  }

  /// Three cells of known probabilities: whatever they are, the interval has to hold the difference about as often as it
  /// says. 2000 draws: below 93.4% only one correct interval in a thousand would fall.
  @Test(arguments: [(0.01, 0.01), (0.002, 0.008), (0.05, 0.02), (0.0, 0.004)])
  func `The interval covers the truth as often as promised`(gain: Double, loss: Double) {
    var generator = SeededRandom(seed: 7)
    let (texts, draws) = (500, 2000)
    let covered = (0..<draws).count { _ in
      var (gained, lost) = (0, 0)
      for _ in 0..<texts {
        let place = Double(generator.integer(below: 1 << 53)) / 0x1p53
        if place < gain { gained += 1 } else if place < gain + loss { lost += 1 }
      }
      let interval = PairedDifference(gained: gained, lost: lost, of: texts).interval()
      return interval.low <= gain - loss && gain - loss <= interval.high
    }
    #expect(Double(covered) / Double(draws) > 0.934, "\(covered) of \(draws)")
  }

  @Test(arguments: [
    (0, 0, 7600, 0.005, Verdict.notWorse), (3, 5, 500, 0.005, .inconclusive), (3, 5, 500, 0.02, .notWorse),
    (0, 8, 500, 0.005, .worse), (21, 38, 7600, 0.005, .notWorse),
  ])
  func `The verdict says on which side of the margin the interval lies`(
    gained: Int, lost: Int, count: Int, margin: Double, verdict: Verdict
  ) {
    #expect(PairedDifference(gained: gained, lost: lost, of: count).verdict(margin: margin) == verdict)
  }

  @Test func `How many texts it takes grows as the difference nears the margin`() {
    let difference = PairedDifference(gained: 3, lost: 5, of: 500)
    // By SciPy: (z(0.975) + z(0.8))^2 (0.016 - 0.004^2) / (margin - 0.004)^2.
    // Where nothing differs the normal approximation asks for fewer texts than there were.
    #expect(PairedDifference(gained: 0, lost: 0, of: 700).verdict(margin: 0.005) == .inconclusive)
    #expect((PairedDifference(gained: 0, lost: 0, of: 700).textsNeeded(margin: 0.005) ?? 0) > 700)
    #expect(difference.textsNeeded(margin: 0.005) == 125_457)
    #expect(difference.textsNeeded(margin: 0.01) == 3485)
    #expect(PairedDifference(gained: 0, lost: 5, of: 1000).textsNeeded(margin: 0.005) == nil)
  }

  @Test func `What can be seen before a run is about 2.8 standard errors`() {
    #expect(isClose(PairedDifference.detectable(texts: 500, discordant: 0.02), 0.017581324335, within: 1e-9))
    #expect(PairedDifference.detectable(texts: 1, discordant: 1) <= 1)
  }

  @Test func `Holm's adjustment is the stepwise one`() {
    #expect(zip(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]).allSatisfy { isClose($0, $1) })
    #expect(holm([0.9, 0.8]) == [1, 1])
    #expect(holm([]) == [])
  }
}

@Suite struct ConfusionCountsTests {
  @Test(arguments: [
    ([0, 0, 1, 2, 1, 1, 0, 2, 0, 0], [0, 0, 0, 0, 1, 1, 1, 2, 2, 3], 0.4027777777777778, 0.2580501148055394),
    ([0, 1, 0, 0, 4, 2], [0, 1, 1, 0, 4, 4], 0.5333333333333333, 0.5833333333333334),
    ([1, 1, 1], [0, 1, 1], 0.4, 0), ([2, 2], [2, 2], 1, 0),
  ])
  func `F1 and Matthews' coefficient are scikit-learn's`(answers: [Int], expected: [Int], f1: Double, matthews: Double)
  {
    let counts = ConfusionCounts(answers, expected: expected)
    #expect(isClose(counts.macroF1, f1) && isClose(counts.matthews, matthews))
  }
}

@Suite struct RiskBoundTests {
  @Test(arguments: [
    (0, 370, 0.02, 0.0005670847993502745), (2, 370, 0.02, 0.05700904036763163), (5, 1000, 0.01, 0.17978583254514757),
    (3, 880, 0.01, 0.06507159661120547), (20, 1000, 0.01, 1.0), (1, 1250, 0.005, 0.032436096702627135),
    (0, 0, 0.1, 1), (3, 3, 1, 0),
  ])
  func `The p-value is that of Hoeffding and Bentkus`(losses: Int, count: Int, limit: Double, expected: Double) {
    #expect(isClose(RiskCount(losses: losses, of: count).probability(above: limit), expected))
  }

  @Test(arguments: [(0, 100, 0.029513049607), (2, 370, 0.020452986714), (5, 1000, 0.012116613289)])
  func `The upper bound is where the p-value is 1 - confidence`(losses: Int, count: Int, bound: Double) {
    let risk = RiskCount(losses: losses, of: count)
    #expect(isClose(risk.upperBound(confidence: 0.95), bound, within: 1e-7))
    #expect(RiskCount(losses: 0, of: 0).upperBound(confidence: 0.95) == 1)
  }

  @Test func `The texts needed are the fewest that bound the risk`() throws {
    let needed = try #require(RiskCount(losses: 0, of: 10).textsNeeded(limit: 0.02, confidence: 0.95))
    #expect(RiskCount(losses: 0, of: needed).probability(above: 0.02) <= 0.05)
    #expect(RiskCount(losses: 0, of: needed - 1).probability(above: 0.02) > 0.05)
    #expect(RiskCount(losses: 1, of: 10).textsNeeded(limit: 0.1, confidence: 0.95) == nil)
  }

  @Test func `Millions of texts are found to be needed as soon as hundreds are`() throws {
    let risk = RiskCount(losses: 24, of: 40)
    var needed: Int?
    let time = ContinuousClock().measure { needed = risk.textsNeeded(limit: 0.6001, confidence: 0.95) }
    let texts = try #require(needed)
    func probability(of texts: Int) -> Double {
      RiskCount(losses: Int((Double(texts) * 0.6).rounded(.up)), of: texts).probability(above: 0.6001)
    }
    #expect(texts > 1_000_000 && probability(of: texts) <= 0.05 && probability(of: texts / 100 * 99) > 0.05)
    // It took a quarter of a minute and more, one factor of a coefficient at a time.
    #expect(time < .seconds(5))
  }

  @Test func `The walk ends at the first bound that fails, and parts without texts don't hinder it`() {
    let control = RiskControl(limit: 0.05, confidence: 0.9)
    func walk(_ settings: [[(Int, Int)]]) -> Int? {
      control.loosest(settings.map { $0.map { RiskCount(losses: $0.0, of: $0.1) } })
    }
    #expect(walk([[(0, 500)], [(5, 500)], [(80, 500)], [(0, 500)]]) == 1)
    #expect(walk([[(90, 500)], [(0, 500)]]) == nil)
    #expect(walk([[(0, 5)]]) == nil)
    // Nobody leaves at the second exit; then too few do, which proves nothing; then enough.
    #expect(walk([[(0, 500), (0, 0)], [(0, 500), (1, 5)], [(1, 600), (0, 300)], [(1, 600), (200, 300)]]) == 2)
    // Enough to bound no loss, not to survive one: skipped, not failed.
    #expect(walk([[(0, 500), (1, 70)], [(0, 500), (1, 300)]]) == 1)
    #expect(walk([[(0, 500), (0, 0)], [(0, 500), (1, 5)]]) == 0)
    #expect(control.confidence(of: 4) == 0.975)
  }

  /// A risk that is small at first and just above the limit from a setting on, which is the hardest case. Over many seeded
  /// calibrations a setting that breaks the promise may be chosen in at most 1 - confidence of them; three standard errors
  /// are allowed for.
  @Test(arguments: [1, 3])
  func `A bound holds as often as promised`(parts: Int) {
    var generator = SeededRandom(seed: 2021)
    let control = RiskControl(limit: 0.05, confidence: 0.9)
    let (settings, calibrations, texts) = (8, 200, 1500)
    func risk(_ setting: Int) -> Double { setting < 5 ? 0.003 : 0.0505 }
    var (broken, useful) = (0, 0)
    for _ in 0..<calibrations {
      var counts = Array(repeating: Array(repeating: (losses: 0, count: 0), count: parts), count: settings)
      for _ in 0..<texts {
        // One text at all settings: the same draws, so that settings depend on each other as they do for real texts.
        let (ease, luck) = (
          Double(generator.integer(below: 1 << 20)) / 0x1p20, Double(generator.integer(below: 1 << 20)) / 0x1p20
        )
        let part = generator.integer(below: parts)
        for setting in 0..<settings where parts == 1 || ease < Double(setting + 1) / Double(settings) {
          counts[setting][part].count += 1
          if luck < risk(setting) { counts[setting][part].losses += 1 }
        }
      }
      let chosen = control.loosest(counts.map { $0.map { RiskCount(losses: $0.losses, of: $0.count) } })
      if let chosen, chosen > 0 { useful += 1 }
      if let chosen, risk(chosen) > control.limit { broken += 1 }
    }
    #expect(Double(broken) / Double(calibrations) <= 0.1 + 0.064, "\(broken) of \(calibrations)")
    #expect(useful > calibrations * 3 / 4, "\(useful) of \(calibrations)")
  }
}
