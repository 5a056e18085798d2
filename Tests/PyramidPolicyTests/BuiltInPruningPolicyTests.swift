// The built-in pruning policies on tokens written by hand.

import PyramidPolicy
import Testing

@Suite struct BuiltInPruningPolicyTests {
  @Test("received-attention compares each token with the learned threshold of its boundary")
  func receivedAttention() throws {
    let learned: [String: LearnedTensor] = ["prune.thresholds": [0.5, 1, 2, 3, 4]]
    let instance = try policy("received-attention", learned: learned)
    #expect(instance.spec.description == "received-attention(thresholds=#prune.thresholds, scale=1)")
    #expect(
      (1...6).map { instance.retention(afterLayer: $0) } == [
        .above(0.5), .above(1), .above(2), .above(3), .above(4), .all,
      ])
    let scores = instance.scores(received: [0.1, 0.6, 0.4, 1, .nan])
    #expect(scores.dropLast() == [0.1, 0.6, 0.4, 1] && scores[4].isNaN)
    #expect(keep(scores, instance.retention(afterLayer: 1)) == [0, 1, 3, 4])
    #expect(keep(scores, instance.retention(afterLayer: 2)) == [0, 3, 4])
  }

  @Test("the scale of received-attention multiplies every threshold, and one threshold serves all boundaries")
  func receivedAttentionScale() throws {
    let instance = try policy("received-attention(thresholds=0.5, scale=2)")
    #expect((1...5).map { instance.retention(afterLayer: $0) } == Array(repeating: .above(1), count: 5))
    #expect(instance.spec.description == "received-attention(thresholds=[0.5], scale=2)")
    let off = try policy("received-attention(scale=0)", learned: ["prune.thresholds": [1, 1, 1, 1, 1]])
    #expect(keep([0, 0, 0], off.retention(afterLayer: 1)) == [0, 1, 2])
  }

  @Test("a list that does not fit the model's boundaries is refused", arguments: [0, 2, 4, 6])
  func wrongLength(count: Int) {
    let values = Array(repeating: Float(1), count: count)
    #expect(throws: PolicyError.self) {
      try policy("received-attention", learned: ["prune.thresholds": LearnedTensor(values)])
    }
  }

  @Test("top-k follows its counts, and its fractions where no counts are given")
  func topK() throws {
    let counts = try policy("top-k(keep=[5, 4, 3, 2, 1])")
    #expect(
      (1...5).map { counts.retention(afterLayer: $0) } == [.count(5), .count(4), .count(3), .count(2), .count(1)])
    let scores = counts.scores(received: [0, 3, 1, 2])
    #expect(keep(scores, counts.retention(afterLayer: 4)) == [0, 1])
    #expect(try policy("top-k").retention(afterLayer: 1) == .fraction(0.8))
    #expect(try policy("top-k(fraction=[0.9, 0.8, 0.7, 0.6, 0.5])").retention(afterLayer: 3) == .fraction(0.7))
  }

  @Test("top-k refuses half tokens", arguments: ["top-k(keep=2.5)", "top-k(keep=0)", "top-k(keep=[1, 2])"])
  func topKBadCounts(text: String) {
    #expect(throws: PolicyError.self) { try policy(text) }
  }

  @Test("cls-attention follows its thresholds, and its fractions where no thresholds are given")
  func clsAttention() throws {
    let instance = try policy("cls-attention(thresholds=[0.5, 1, 0, 0, 2])")
    #expect(instance.tokenSignals == [.attentionFromCLS])
    #expect(instance.retention(afterLayer: 2) == .above(1) && instance.retention(afterLayer: 5) == .above(2))
    #expect(try policy("cls-attention").retention(afterLayer: 1) == .fraction(0.7))
    #expect(try policy("cls-attention(fraction=[0.9, 0.8, 0.7, 0.6, 0.5])").retention(afterLayer: 4) == .fraction(0.6))
    #expect(throws: PolicyError.self) { try policy("cls-attention(thresholds=[1, 2])") }
    let scores = instance.scores(fromCLS: [0.1, 0.6, 0.4, 1, .nan])
    #expect(keep(scores, instance.retention(afterLayer: 1)) == [0, 1, 3, 4])
  }

  @Test("salience looks tokens up at the entry, and prunes by attention above it if asked")
  func tokenTable() throws {
    let learned: [String: LearnedTensor] = [
      "prune.entry.salience": [0.5, 0, 2, .greatestFiniteMagnitude], "prune.entry.threshold": [0.5],
      "prune.thresholds": [1, 2, 3, 4, 5],
    ]
    let instance = try policy("salience", learned: learned)
    #expect(instance.tokenSignals == [.tokenID])
    #expect((0...5).map { instance.isActive(afterLayer: $0) } == [true, false, false, false, false, false])
    // The last id is beyond the table: there is no reason to lose it.
    let scores = instance.scores(tokens: [1, 0, 1, 2, 3, 9], layer: 0)
    #expect(keep(scores, instance.retention(afterLayer: 0)) == [0, 1, 3, 4, 5])
    let both = try policy("salience(threshold=3, attention=#prune.thresholds)", learned: learned)
    #expect(both.tokenSignals == [.tokenID, .receivedAttention])
    #expect((0...3).map { both.retention(afterLayer: $0) } == [.above(3), .above(1), .above(2), .above(3)])
    #expect(both.scores(received: [1, 4]) == [1, 4])
    #expect(throws: PolicyError.self) { try policy("salience(threshold=[1, 2])", learned: learned) }
    #expect(throws: PolicyError.self) { try policy("salience") }
  }

  @Test("keep-all keeps all and reads nothing")
  func keepAll() throws {
    let instance = try policy("keep-all")
    #expect(instance.retention(afterLayer: 1) == .all)
    #expect(instance.tokenSignals.isEmpty && instance.exitSignals.isEmpty)
  }

  @Test("random-prune is a function of token, position, seed and layer, and spreads over [0, 1)")
  func randomPrune() throws {
    let tokens = (0..<400).map { Int32($0 % 7) }
    let positions = (0..<400).map { Int32($0) }
    let instance = try policy("random-prune(fraction=0.5)")
    let scores = instance.scores(tokens: tokens, positions: positions)
    #expect(instance.scores(tokens: tokens, positions: positions) == scores)
    #expect(scores.allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(abs(scores.reduce(0, +) / 400 - 0.5) < 0.06)
    #expect(Set(scores).count > 390)
    #expect(instance.scores(tokens: tokens, positions: positions, layer: 2) != scores)
    #expect(try policy("random-prune(seed=1)").scores(tokens: tokens, positions: positions) != scores)
    // A token that moves in the row, because others died, keeps its score.
    #expect(instance.scores(tokens: [tokens[9]], positions: [positions[9]]) == [scores[9]])
    #expect(instance.tokenSignals == [.tokenID, .position])
  }
}
