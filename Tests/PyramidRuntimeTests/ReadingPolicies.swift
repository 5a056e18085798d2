// Policies for tests that must notice any wrong row: what they decide depends on everything that a policy may read.

import MagicPyramid

/// Leaves when a number made of everything that an exit policy may read is above a threshold.
struct ReadsAll: ExitPolicy {
  static let name = "reads-all"
  static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0, in: -10...10, help: "leave above")
  ]
  let reads = Set(ExitSignal.allCases)
  let threshold: Float
  init(_ arguments: PolicyArguments) { threshold = arguments.float("threshold") }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    var sum = head.logits[0] - head.probabilities[0] + head.hidden[0] + Float(head.tokensAlive % 3) / 4
    sum += head.earlierHidden[0] / 2
    for word in head.tokenIDs.indices { sum += Float(head.tokenIDs[word] * 5 % 7) / 64 }
    for earlier in 0..<head.earlierHeads { sum += head.earlierProbabilities(ofHead: earlier)[0] }
    return sum > threshold
  }
}

/// Keeps a fraction of the tokens by one signal, and by attention from [CLS] where it prunes before the layer.
struct ScoresBy: PruningPolicy {
  static let name = "scores-by"
  static let parameters: [PolicyParameter] = [
    .word("signal", default: "hidden", oneOf: TokenSignal.allCases.map(\.rawValue), help: "the signal"),
    .number("fraction", default: 0.6, in: 0...1, help: "share that stays"),
    .flag("early", default: false, help: "prune before the layer"),
    .flag("entry", default: false, help: "prune at the entry, too"),
  ]
  let reads: Set<TokenSignal>
  let signal: TokenSignal
  let fraction: Float
  let moment: PruningMoment
  let layers: LayerSet
  init(_ arguments: PolicyArguments) {
    let signal = TokenSignal(rawValue: arguments.word("signal"))!
    let isEarly = arguments.flag("early")
    self.signal = signal
    layers = arguments.flag("entry") ? .from(0) : .all
    moment = isEarly ? .beforeLayer : .afterAttention
    reads = isEarly && signal != .receivedAttention ? [signal, .attentionFromCLS] : [signal]
    fraction = arguments.float("fraction")
  }
  func retention(afterLayer layer: Int) -> Retention { .fraction(fraction) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for token in scores.indices {
      if moment == .beforeLayer, sample.layer > 0 { scores[token] += sample.attentionFromCLS[token] / 8 }
      switch signal {
      case .receivedAttention: scores[token] += sample.receivedAttention[token]
      case .receivedFromOthers: scores[token] += sample.receivedFromOthers[token]
      case .receivedAttentionSum: scores[token] += sample.receivedAttentionSum[token]
      case .attentionFromCLS: scores[token] += sample.attentionFromCLS[token]
      case .valueNorm: scores[token] += sample.valueNorm[token]
      case .hiddenNorm: scores[token] += sample.hiddenNorm[token]
      case .keys: scores[token] += sample.keys[token * sample.keyWidth]
      case .position: scores[token] += Float(sample.position[token] * 7 % 11)
      case .tokenID: scores[token] += Float(sample.tokenID[token] * 5 % 13)
      case .hidden: scores[token] += sample.hidden[token * sample.width]
      }
    }
  }
}

/// Scores a token by its norm over that of its row, which is 1.
struct NormRatio: PruningPolicy {
  static let name = "norm-ratio"
  let reads: Set<TokenSignal> = [.hidden, .hiddenNorm]
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .fraction(0.6) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for token in scores.indices {
      var squares: Float = 0
      for column in 0..<sample.width {
        let value = sample.hidden[token * sample.width + column]
        squares += value * value
      }
      scores[token] = sample.hiddenNorm[token] / squares.squareRoot()
    }
  }
}

/// Leaves when the probabilities of all heads so far add up; the sum is the sample's memory, so that a memory in the
/// wrong hands moves exits.
struct AddsUp: ExitPolicy {
  static let name = "adds-up"
  static let parameters: [PolicyParameter] = [
    .number("threshold", default: 1, in: 0...10, help: "leave above")
  ]
  let reads: Set<ExitSignal> = [.probabilities]
  let threshold: Float
  init(_ arguments: PolicyArguments) { threshold = arguments.float("threshold") }
  func makeMemory() -> Float { 0 }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Float) -> Bool {
    memory += head.probabilities[0]
    return memory > threshold
  }
}
