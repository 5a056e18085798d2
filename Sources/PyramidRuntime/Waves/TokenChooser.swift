// Which tokens of one sample a pruning policy keeps: its signals gathered, its scores, and the choice by its retention.
// Shared by inference, which records what follows from it, and training, which does not.

import PyramidIR
import PyramidPolicy

/// A pruning policy with room for the tokens of one sample.
final class TokenChooser {
  private let own: PolicyInstance
  private let layers: Int
  private let arena = Arena()
  private let scores: UnsafeMutablePointer<Float>
  /// What the policy gave the tokens of the last choice; nil when it was not asked for scores.
  private(set) var given: UnsafePointer<Float>?
  private let heap: UnsafeMutablePointer<UInt64>
  /// The choice, rising: places of tokens in their sample.
  let chosen: UnsafeMutablePointer<Int32>
  /// Where the rest goes: the number, in the sample, of the row that each token goes into, and its part; and the sizes of
  /// the rows, if they are merged.
  let targets: UnsafeMutablePointer<Int32>
  let shares: UnsafeMutablePointer<Float>
  let sizes: UnsafeMutablePointer<Float>

  /// For samples of up to `tokens` tokens of a model with `layers` layers.
  init(_ prune: PolicyInstance, layers: Int, tokens: Int) throws {
    (own, self.layers) = (prune, layers)
    scores = try arena.take(Float.self, tokens)
    heap = try arena.take(UInt64.self, tokens)
    chosen = try arena.take(Int32.self, tokens)
    let pooled = prune.remainder == .dropped ? 0 : tokens
    targets = try arena.take(Int32.self, pooled)
    shares = try arena.take(Float.self, pooled)
    sizes = try arena.take(Float.self, pooled)
  }

  /// Chooses among the `count` tokens of the sample at `first`, whose text had `textLength`; returns how many rows there are
  /// then, the last of which is -1 if tokens were fused. `other` is a policy in place of the chooser's own, for this sample.
  func choose(
    _ decision: PruneDecision<Operand>, _ runner: StepRunner, first: Int, count: Int, textLength: Int,
    by other: PolicyInstance? = nil
  ) -> Int {
    let prune = other ?? own
    let number = decision.boundary.number
    let retention = prune.retention(afterLayer: number)
    if decision.rest == .merged, retention == .all {
      for token in 0..<count { targets[token] = Int32(truncatingIfNeeded: token) }
    }
    if retention != .all {
      var view = TokenViewStorage(count: count, textLength: textLength, layer: number, layers: layers)
      fillSignals(&view, decision, runner, first: first)
      if decision.rest == .merged { prune.merge(view, into: targets) } else { prune.score(view, into: scores) }
    }
    given = decision.rest == .merged || retention == .all ? nil : UnsafePointer(scores)
    if decision.rest == .merged {
      let before = decision.sizes.map { UnsafePointer(runner.floats($0) + first) }
      return TokenPooling.merge(
        targets: targets, sizes: before, count: count, keep: chosen, merged: sizes, shares: shares)
    }
    let kept = TokenSelection.keep(
      scores: scores, count: count, textLength: textLength, retention: retention, scratch: heap, into: chosen)
    if decision.rest == .dropped { return kept }
    return TokenPooling.fuse(
      scores: scores, count: count, kept: kept, keep: chosen, targets: targets, shares: shares)
  }

  private func fillSignals(
    _ view: inout TokenViewStorage, _ decision: PruneDecision<Operand>, _ runner: StepRunner, first: Int
  ) {
    for (signal, operand) in decision.signals {
      switch signal {
      case .receivedAttention: view.receivedAttention = UnsafePointer(runner.floats(operand) + first)
      case .receivedFromOthers: view.receivedFromOthers = UnsafePointer(runner.floats(operand) + first)
      case .receivedAttentionSum: view.receivedAttentionSum = UnsafePointer(runner.floats(operand) + first)
      case .attentionFromCLS: view.attentionFromCLS = UnsafePointer(runner.floats(operand) + first)
      case .valueNorm: view.valueNorm = UnsafePointer(runner.floats(operand) + first)
      case .hiddenNorm: view.hiddenNorm = UnsafePointer(runner.floats(operand) + first)
      case .keys:
        view.keyWidth = operand.columns
        view.keys = UnsafePointer(runner.floats(operand) + first * operand.columns)
      case .position: view.position = UnsafePointer(runner.integers(operand) + first)
      case .tokenID: view.tokenID = UnsafePointer(runner.integers(operand) + first)
      case .hidden:
        view.width = operand.columns
        view.hidden = UnsafePointer(runner.floats(operand) + first * operand.columns)
      }
    }
  }
}
