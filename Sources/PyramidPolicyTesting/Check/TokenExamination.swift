// What a pruning policy is asked: the same tokens twice and in another order of samples, and whether anything stays.

import PyramidPolicy

/// A pruning policy and the samples that it is shown.
struct TokenExamination {
  private let policy: PolicyInstance
  private let samples: [TokenSample]
  private let report: (PolicyFinding.Kind, String) -> Void

  init(
    _ policy: PolicyInstance, _ samples: [TokenSample], _ report: @escaping (PolicyFinding.Kind, String) -> Void
  ) {
    (self.policy, self.samples, self.report) = (policy, samples, report)
  }

  func run() {
    checkPurity()
    let long = samples.filter { $0.position.count >= 8 }
    if !long.isEmpty, long.allSatisfy({ Self.kept(policy, $0).count == 1 }) {
      report(.keepsNothing, "of \(long.count) samples of 8 to 50 tokens only [CLS] stays")
    }
  }

  /// Equal scores in another order of samples, and numbers.
  func checkPurity() {
    let forwards = samples.map { Self.scores(policy, $0) }
    let backwards = Array(samples.reversed().map { Self.scores(policy, $0) }.reversed())
    for (index, (one, other)) in zip(forwards, backwards).enumerated() {
      let sample = samples[index]
      if one.map(\.bitPattern) != other.map(\.bitPattern) {
        report(.isNotPure, "one sample of \(one.count) tokens gets other scores when it is asked about again")
        return
      }
      // What [CLS] gets is never read.
      if let place = one.indices.first(where: { $0 > 0 && one[$0].isNaN }) {
        report(
          .scoresAreNotNumbers,
          "token \(place) of \(one.count) gets the score \(one[place]) after layer \(sample.layer)")
        return
      }
    }
  }

  /// The tokens that stay.
  static func kept(_ policy: PolicyInstance, _ sample: TokenSample) -> [Int32] {
    let count = sample.position.count
    let retention = policy.retention(afterLayer: sample.layer)
    var kept = [Int32](repeating: 0, count: count)
    if policy.remainder == .merged {
      if retention == .all { return (0..<count).map { Int32($0) } }
      var targets = policy.targets(of: view(policy, sample))
      var (merged, shares) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
      let left = TokenPooling.merge(
        targets: &targets, sizes: nil, count: count, keep: &kept, merged: &merged, shares: &shares)
      return Array(kept.prefix(left))
    }
    let scores = scores(policy, sample)
    var scratch = [UInt64](repeating: 0, count: count)
    let left = TokenSelection.keep(
      scores: scores, count: count, textLength: 2 * count, retention: retention, scratch: &scratch, into: &kept)
    return Array(kept.prefix(left))
  }

  /// The scores, or where tokens go, by the signals that the policy declares and no others; as in the engine a policy is
  /// not asked where all tokens stay.
  private static func scores(_ policy: PolicyInstance, _ sample: TokenSample) -> [Float] {
    if policy.retention(afterLayer: sample.layer) == .all { return Array(repeating: 0, count: sample.position.count) }
    return policy.remainder == .merged
      ? policy.targets(of: view(policy, sample)).map { Float($0) } : policy.scores(of: view(policy, sample))
  }

  @_lifetime(immortal)
  private static func view(_ policy: PolicyInstance, _ sample: TokenSample) -> TokenView {
    // At the entry nothing else is known, whatever the policy reads at other boundaries.
    let reads = policy.tokenSignals.filter { sample.layer > 0 || [.position, .tokenID].contains($0) }
    return TokenView(
      layer: sample.layer, layers: policy.model.layers, count: sample.position.count,
      textLength: 2 * sample.position.count,
      receivedAttention: reads.contains(.receivedAttention) ? sample.receivedAttention : nil,
      receivedFromOthers: reads.contains(.receivedFromOthers) ? sample.receivedFromOthers : nil,
      receivedAttentionSum: reads.contains(.receivedAttentionSum) ? sample.receivedAttentionSum : nil,
      attentionFromCLS: reads.contains(.attentionFromCLS) ? sample.attentionFromCLS : nil,
      valueNorm: reads.contains(.valueNorm) ? sample.valueNorm : nil,
      hiddenNorm: reads.contains(.hiddenNorm) ? sample.hiddenNorm : nil,
      keys: reads.contains(.keys) ? sample.keys : nil,
      position: reads.contains(.position) ? sample.position : nil,
      tokenID: reads.contains(.tokenID) ? sample.tokenID : nil,
      hidden: reads.contains(.hidden) ? sample.hidden : nil)
  }
}
