// The pruning criteria of the literature and the controls that come after those of BuiltInPruningPolicyTests.swift, on
// tokens written by hand: what each keeps follows from its card by mental arithmetic.

import PyramidPolicy
import Testing

@Suite struct PublishedPruningPolicyTests {
  @Test("value-weighted ranks by attention times the norm of the value")
  func valueWeighted() throws {
    let instance = try policy("value-weighted(fraction=0.5)")
    #expect(instance.tokenSignals == [.attentionFromCLS, .valueNorm])
    let scores = instance.scores(fromCLS: [1, 2, 3, 1], values: [1, 4, 1, 2])
    #expect(scores == [1, 8, 3, 2] && keep(scores, instance.retention(afterLayer: 1)) == [0, 1])
    #expect(try policy("value-weighted(fraction=[0.9, 0.8, 0.7, 0.6, 0.5])").retention(afterLayer: 2) == .fraction(0.8))
  }

  @Test("contribution compares each token's share with threshold / n, and keeps all where there are no shares")
  func contribution() throws {
    let instance = try policy("contribution(thresholds=[0.8, 1, 1, 1, 1])")
    // Shares 1/2, 1/5, 1/10, 1/5 of four tokens: 2, 0.8, 0.4, 0.8 equal shares.
    let scores = instance.scores(fromCLS: [5, 1, 1, 2], values: [1, 2, 1, 1])
    #expect(keep(scores, .above(0.79)) == [0, 1, 3] && keep(scores, .above(0.81)) == [0])
    #expect(instance.retention(afterLayer: 1) == .above(0.8) && instance.retention(afterLayer: 2) == .above(1))
    for broken in [[0, 0, 0], [1, .nan, 1]] as [[Float]] {
      let scores = instance.scores(fromCLS: broken, values: [1, 1, 1])
      #expect(keep(scores, instance.retention(afterLayer: 1)) == [0, 1, 2])
    }
  }

  @Test("hidden-norm ranks by the norm of the row at the layer's input")
  func hiddenNorm() throws {
    let instance = try policy("hidden-norm(fraction=0.5)")
    #expect(keep(instance.scores(norms: [1, 2, 5, 3]), instance.retention(afterLayer: 3)) == [0, 2])
  }

  @Test("first-k, last-k and stride keep what they say, [CLS] included, and read no more than positions")
  func controls() throws {
    let (first, last) = (try policy("first-k(tokens=3)"), try policy("last-k(tokens=[5, 4, 3, 2, 1])"))
    #expect(first.tokenSignals.isEmpty && last.tokenSignals.isEmpty)
    #expect(keep(first.scores(count: 6), first.retention(afterLayer: 1)) == [0, 1, 2])
    #expect(keep(last.scores(count: 6), last.retention(afterLayer: 3)) == [0, 4, 5])
    #expect(keep(last.scores(count: 6), last.retention(afterLayer: 5)) == [0])
    let stride = try policy("stride(step=3)")
    let scores = stride.scores(positions: [0, 1, 3, 5, 6, 8, 9])
    #expect(keep(scores, stride.retention(afterLayer: 1)) == [0, 2, 4, 6])
  }

  @Test(
    "counts of tokens are whole numbers from 1, as many as boundaries",
    arguments: ["first-k(tokens=2.5)", "last-k(tokens=0)", "column-sum(schedule=[3, 2])", "inverse-cdf(tokens=0.5)"])
  func badCounts(text: String) {
    #expect(throws: PolicyError.self) { try policy(text) }
  }

  @Test("column-sum follows its schedule by what tokens receive from others")
  func columnSum() throws {
    let instance = try policy("column-sum(schedule=[5, 4, 3, 2, 1])")
    #expect(instance.tokenSignals == [.receivedFromOthers])
    let scores = instance.scores(fromOthers: [0, 3, 1, 2, 2])
    #expect(keep(scores, instance.retention(afterLayer: 3)) == [0, 1, 3])
  }

  @Test("cascade keeps shares of the text's tokens that fall from its first layer to the last boundary")
  func cascade() throws {
    let instance = try policy("cascade(start=2, final=0.2)")
    #expect(instance.tokenSignals == [.receivedAttentionSum])
    #expect((0...5).map { instance.isActive(afterLayer: $0) } == [false, false, true, true, true, true])
    // Of 10 tokens ceil(10 (1 - 0.8 k / 4)): 8, 6, 4, 2.
    let survivors = (2...5).map { instance.retention(afterLayer: $0).survivors(of: 10, textLength: 10) }
    #expect(survivors == [8, 6, 4, 2])
    let scores = instance.scores(sum: [1, 5, 2, 4])
    #expect(keep(scores, instance.retention(afterLayer: 4), textLength: 7) == [0, 1, 3])
    #expect(keep(scores, instance.retention(afterLayer: 2), textLength: 10) == [0, 1, 2, 3])
  }

  @Test(
    "cascade starts where SpAtten does unless told, and before the last layer",
    arguments: [
      (2, 1), (4, 1), (5, 4), (6, 4), (12, 4), (24, 5), (40, 7),
    ])
  func cascadeStart(layers: Int, start: Int) throws {
    let instance = try policy("cascade", layers: layers)
    #expect((1..<layers).first { instance.isActive(afterLayer: $0) } == start)
    #expect(throws: PolicyError.self) { try policy("cascade(start=\(layers))", layers: layers) }
  }

  @Test("inverse-cdf keeps the first token to reach each quantile, once, and all where nothing has a score")
  func inverseCDF() throws {
    let instance = try policy("inverse-cdf(tokens=5)")
    // Shares 0.125, 0.5, 0.25, 0.125 without [CLS] reach 0.125, 0.625, 0.875, 1; quantiles 1/8, 3/8, 5/8, 7/8.
    let scores = instance.scores(fromCLS: [9, 1, 4, 2, 1], values: [1, 1, 1, 1, 1])
    #expect(keep(scores, instance.retention(afterLayer: 1)) == [0, 1, 2, 3])
    let cls = try policy("inverse-cdf(tokens=1)")
    #expect(keep(cls.scores(fromCLS: [9, 1, 4], values: [1, 1, 1]), cls.retention(afterLayer: 1)) == [0])
    #expect(
      keep(instance.scores(fromCLS: [9, 0, 0], values: [1, 1, 1]), instance.retention(afterLayer: 1)) == [0, 1, 2])
    #expect(keep(instance.scores(fromCLS: [9], values: [1]), instance.retention(afterLayer: 1)) == [0])
  }

  @Test("core-set starts from [CLS] and takes the farthest each time, the earlier of equals")
  func coreSet() throws {
    let instance = try policy("core-set(fraction=0.5)")
    // On a line: [CLS] at 0; 4 and -4 are equally far, then 4 is chosen, then -4.
    let scores = instance.scores(rows: [[0, 0], [1, 0], [4, 0], [-4, 0], [3, 0], [0, 0]])
    #expect(keep(scores, instance.retention(afterLayer: 1)) == [0, 2, 3])
    let fewer = try policy("core-set(fraction=0.25)")
    let two = fewer.scores(rows: [[0, 0], [1, 0], [4, 0], [-4, 0], [3, 0], [0, 0]])
    #expect(keep(two, fewer.retention(afterLayer: 1)) == [0, 2])
    let whole = try policy("core-set(fraction=1)")
    #expect(keep(whole.scores(rows: [[1], [1], [1]]), whole.retention(afterLayer: 1)) == [0, 1, 2])
  }

  @Test("cls-fused ranks by attention from [CLS] and fuses the others")
  func clsFused() throws {
    let instance = try policy("cls-fused(fraction=0.5)")
    #expect(instance.remainder == .fused && instance.tokenSignals == [.attentionFromCLS])
    #expect(keep(instance.scores(fromCLS: [1, 2, 5, 3]), instance.retention(afterLayer: 1)) == [0, 2])
    #expect(try policy("cls-attention").remainder == .dropped)
  }

  @Test("merge sends the most similar even places to odd ones, the earlier pair of equals")
  func merge() throws {
    // Angles: 2 lies beside 3, 4 beside 1 and 6 exactly on 5, in different lengths.
    let keys: [[Float]] = [[1, 0], [1, 0], [0, 5], [0.1, 2], [3, 0.9], [-1, 0], [-7, 0]]
    func targets(_ text: String) throws -> [Int32] {
      try policy(text).targets(of: TokenView(layer: 1, layers: 6, keys: keys))
    }
    #expect(try policy("merge").remainder == .merged && policy("merge").tokenSignals == [.keys])
    #expect(try targets("merge(rate=1)") == [0, 1, 2, 3, 4, 5, 5])
    #expect(try targets("merge(rate=2)") == [0, 1, 3, 3, 4, 5, 5])
    #expect(try targets("merge(rate=99)") == [0, 1, 3, 3, 1, 5, 5])
    #expect(try targets("merge(rate=0)") == [0, 1, 2, 3, 4, 5, 6])
    let equal = try policy("merge(rate=1)")
    let alike = TokenView(layer: 1, layers: 6, keys: [[1], [1], [1], [1], [1]])
    #expect(equal.targets(of: alike) == [0, 1, 1, 3, 4])
    let broken = TokenView(layer: 1, layers: 6, keys: [[1], [1], [.nan], [1], [0]])
    #expect(equal.targets(of: broken) == [0, 1, 2, 3, 4])
  }

  @Test("learned-skim keeps a token whose second logit is not less than its first, and refuses weights that don't fit")
  func learnedSkim() throws {
    var learned: [String: LearnedTensor] = [:]
    let path = "policies.learned-skim.0."
    for part in ["norm1", "norm2"] {
      (learned[path + part + ".weight"], learned[path + part + ".bias"]) = ([1, 1], [0, 0])
    }
    learned[path + "linear1.weight"] = LearnedTensor(shape: [2, 2], values: [1, 0, 0, 1])
    learned[path + "linear1.bias"] = [0, 0]
    learned[path + "linear2.weight"] = LearnedTensor(shape: [2, 2], values: [0, 0, 0, 1])
    learned[path + "linear2.bias"] = [0.5, 0.5]
    let instance = try policy("learned-skim", layers: 2, learned: learned)
    #expect(instance.tokenSignals == [.hidden])
    // Rows become (-1, 1) and (1, -1); what is left is gelu(1) and gelu(-1).
    let scores = instance.scores(rows: [[3, 1], [1, 3], [9, 2], [.nan, 1]])
    #expect(abs(scores[1] - 0.841345) < 1e-4 && abs(scores[2] + 0.158655) < 1e-4 && scores[3].isNaN)
    #expect(keep(scores, instance.retention(afterLayer: 1)) == [0, 1, 3])
    #expect(throws: PolicyError.self) { try policy("learned-skim", layers: 2) }
    learned[path + "norm2.bias"] = [0, 0, 0]
    #expect(throws: PolicyError.self) { try policy("learned-skim", layers: 2, learned: learned) }
  }
}
