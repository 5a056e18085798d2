// Samples that no model made: every signal of every head or token, seeded, from sure to undecided and from one token to
// many. Kept apart from the examination so that a new signal has one place to be made up at.

import Glibc
import PyramidEvaluation
import PyramidPolicy

/// One sample on its way past the exit heads, the entry first.
struct ExitSample {
  /// What a head says.
  struct Head {
    var logits: [Float]
    var probabilities: [Float]
    var hidden: [Float]
    var tokensAlive: Int
  }

  /// Heads at the entry (0) and after layers 1 ..< layers.
  var heads: [Head]
  /// Its tokens, special ones left out.
  let tokenIDs: [Int32]

  /// A sample whose heads grow surer with depth, from a random start; `sureness` scales the logits of the last.
  init(_ model: ModelFacts, sureness: Double, _ random: inout SeededRandom) {
    let classes = max(model.classes, 1)
    let label = random.integer(below: classes)
    let drift = random.unit()
    let row = (0..<PolicySamples.width(model)).map { _ in random.normal() }
    tokenIDs = (0..<1 + random.integer(below: 40)).map { _ in Int32(random.integer(below: 8000)) }
    heads = (0..<max(model.layers, 1)).map { layer in
      let depth = Double(layer + 1) / Double(model.layers)
      let logits = (0..<classes).map { Float(($0 == label ? sureness * depth * drift : 0) + Double(random.normal())) }
      let hidden = row.map { $0 + Float(Double(random.normal()) * (1 - depth)) }
      return Head(
        logits: logits, probabilities: model.answers == .labels ? logits.map(Self.sigmoid) : Self.softmax(logits),
        hidden: hidden,
        tokensAlive: 1 + random.integer(below: 1 + 40 / (layer + 1)))
    }
  }

  private static func sigmoid(_ logit: Float) -> Float { Float(1 / (1 + exp(-Double(logit)))) }

  private static func softmax(_ logits: [Float]) -> [Float] {
    let top = logits.max() ?? 0
    let powers = logits.map { exp(Double($0 - top)) }
    let sum = powers.reduce(0, +)
    return powers.map { Float($0 / sum) }
  }
}

/// One sample's tokens at one boundary.
struct TokenSample {
  let layer: Int
  var receivedAttention: [Float]
  var receivedFromOthers: [Float]
  var receivedAttentionSum: [Float]
  var attentionFromCLS: [Float]
  var valueNorm: [Float]
  var hiddenNorm: [Float]
  var keys: [[Float]]
  var position: [Int32]
  var tokenID: [Int32]
  var hidden: [[Float]]

  /// A sample of `count` tokens after `layer`; attention has mean 1, as the engine's has.
  init(_ model: ModelFacts, layer: Int, count: Int, _ random: inout SeededRandom) {
    func rows(_ width: Int) -> [[Float]] { (0..<count).map { _ in (0..<width).map { _ in random.normal() } } }
    func shares() -> [Float] {
      let raw = (0..<count).map { _ in exp(2 * Double(random.normal())) }
      let mean = raw.reduce(0, +) / Double(count)
      return raw.map { Float($0 / mean) }
    }
    self.layer = layer
    receivedAttention = shares()
    receivedFromOthers = shares().map { $0 * Float(count - 1) / Float(count) }
    receivedAttentionSum = shares().map { $0 * Float(max(layer, 1)) }
    attentionFromCLS = shares()
    valueNorm = shares()
    let width = PolicySamples.width(model)
    hidden = rows(width)
    keys = rows(max(1, width / max(1, model.heads ?? 1)))
    hiddenNorm = hidden.map { row in row.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    var place = 0
    position = (0..<count).map { index in
      place += index == 0 ? 0 : 1 + random.integer(below: 3)
      return Int32(place)
    }
    tokenID = (0..<count).map { _ in Int32(random.integer(below: 8000)) }
  }
}

/// What all samples share.
enum PolicySamples {
  /// Numbers in a row of [CLS] or of a token.
  static func width(_ model: ModelFacts) -> Int { model.hidden ?? 8 }

  /// Samples for an exit policy, from undecided to sure.
  static func exits(_ model: ModelFacts, seed: UInt64) -> [ExitSample] {
    var random = SeededRandom(seed: seed, stream: "policy check, heads")
    return (0..<64).map { ExitSample(model, sureness: [0, 2, 6, 20][$0 % 4], &random) }
  }

  /// Samples for a pruning policy, [CLS] alone among them, at every boundary at which it is active.
  static func tokens(_ model: ModelFacts, _ layers: [Int], seed: UInt64) -> [TokenSample] {
    var random = SeededRandom(seed: seed, stream: "policy check, tokens")
    return layers.flatMap { layer in
      [1, 2, 3, 8, 17, 50].map { TokenSample(model, layer: layer, count: $0, &random) }
    }
  }
}
