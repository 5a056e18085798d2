// Views that are made from arrays, for the unit tests of a policy: a sample is one expression, without a pointer and
// without an engine. A signal that is not given is not declared, so that reading it ends the process with the engine's
// message. The numbers are copied to an object that the view holds, and live as long as the view.

extension ExitView {
  /// An exit head of a sample with the signals that are given; see `ExitSignal` for their units.
  ///
  /// `logits`, `probabilities` and each of `earlierProbabilities` (of the heads passed before, first to last) have one
  /// number per class; `hidden` and `earlierHidden` are [CLS] rows. In `#expect` compare the answer, `policy.shouldExit(head) == true`:
  /// the macro takes a bare call apart and cannot hold a view.
  @_lifetime(immortal)
  public init(
    layer: Int, layers: Int, answers: AnswerKind = .probabilities, logits: [Float]? = nil,
    probabilities: [Float]? = nil, hidden: [Float]? = nil,
    earlierHidden: [Float]? = nil, tokenIDs: [Int32]? = nil, tokensAlive: Int? = nil,
    earlierProbabilities: [[Float]]? = nil, groupLogits: [Float]? = nil
  ) {
    let classes = sharedCount([logits?.count, probabilities?.count] + (earlierProbabilities ?? []).map(\.count))
    let signals = OwnedSignals(
      ExitViewStorage(
        layer: layer, layers: layers, classes: classes, answers: answers,
        width: sharedCount([hidden?.count, earlierHidden?.count]),
        tokensAlive: tokensAlive ?? 0))
    signals.storage.pointee.earlierHeads = earlierProbabilities?.count ?? 0
    signals.keep(logits, at: \.logits, ExitSignal.logits.bit)
    signals.keep(probabilities, at: \.probabilities, ExitSignal.probabilities.bit)
    signals.keep(hidden, at: \.hidden, ExitSignal.hidden.bit)
    signals.keep(earlierHidden, at: \.earlierHidden, ExitSignal.earlierHidden.bit)
    signals.keep(tokenIDs, at: \.tokenIDs, ExitSignal.tokenIDs.bit)
    signals.storage.pointee.words = tokenIDs?.count ?? 0
    let earlier = earlierProbabilities.map { Array($0.joined()) }
    signals.keep(earlier, at: \.earlierProbabilities, ExitSignal.earlierProbabilities.bit)
    signals.keep(groupLogits, at: \.groupLogits, ExitSignal.groupLogits.bit)
    signals.storage.pointee.groupSize = groupLogits?.count ?? 0
    if tokensAlive != nil { signals.declared |= ExitSignal.tokensAlive.bit }
    self.init(signals.storage, declared: signals.declared, signals)
  }
}

extension TokenView {
  /// A sample's tokens with the signals that are given, one element (or row) per token; see `TokenSignal` for units.
  ///
  /// `count` is needed only where no signal is given, `textLength` where something was pruned before. The rows of
  /// `hidden`, and those of `keys`, have one length.
  @_lifetime(immortal)
  public init(
    layer: Int, layers: Int, count: Int? = nil, textLength: Int? = nil, receivedAttention: [Float]? = nil,
    receivedFromOthers: [Float]? = nil, receivedAttentionSum: [Float]? = nil, attentionFromCLS: [Float]? = nil,
    valueNorm: [Float]? = nil, hiddenNorm: [Float]? = nil, keys: [[Float]]? = nil, position: [Int32]? = nil,
    tokenID: [Int32]? = nil, hidden: [[Float]]? = nil
  ) {
    let received = [receivedAttention, receivedFromOthers, receivedAttentionSum]
    let floats = (received + [attentionFromCLS, valueNorm, hiddenNorm]).map { $0?.count }
    let count = sharedCount([count, keys?.count, position?.count, tokenID?.count, hidden?.count] + floats)
    let signals = OwnedSignals(
      TokenViewStorage(
        count: count, textLength: textLength, layer: layer, layers: layers,
        width: sharedCount((hidden ?? []).map(\.count))))
    signals.keep(receivedAttention, at: \.receivedAttention, TokenSignal.receivedAttention.bit)
    signals.keep(receivedFromOthers, at: \.receivedFromOthers, TokenSignal.receivedFromOthers.bit)
    signals.keep(receivedAttentionSum, at: \.receivedAttentionSum, TokenSignal.receivedAttentionSum.bit)
    signals.keep(attentionFromCLS, at: \.attentionFromCLS, TokenSignal.attentionFromCLS.bit)
    signals.keep(valueNorm, at: \.valueNorm, TokenSignal.valueNorm.bit)
    signals.keep(hiddenNorm, at: \.hiddenNorm, TokenSignal.hiddenNorm.bit)
    signals.storage.pointee.keyWidth = sharedCount((keys ?? []).map(\.count))
    signals.keep(keys.map { Array($0.joined()) }, at: \.keys, TokenSignal.keys.bit)
    signals.keep(position, at: \.position, TokenSignal.position.bit)
    signals.keep(tokenID, at: \.tokenID, TokenSignal.tokenID.bit)
    signals.keep(hidden.map { Array($0.joined()) }, at: \.hidden, TokenSignal.hidden.bit)
    self.init(signals.storage, declared: signals.declared, signals)
  }
}

extension ExitPolicy where Memory == Void {
  /// Whether a sample leaves at this head, for a policy that remembers nothing.
  public func shouldExit(_ head: borrowing ExitView) -> Bool {
    var memory: Void = ()
    return shouldExit(head, &memory)
  }
}

extension PruningPolicy {
  /// The scores of a sample's tokens, `[sample.count]`: `score(_:into:)` on zeros, as the engine calls it.
  public func scores(of sample: borrowing TokenView) -> [Float] {
    var scores = [Float](repeating: 0, count: sample.count)
    var span = scores.mutableSpan
    score(sample, into: &span)
    return scores
  }
}

extension MergingPolicy {
  /// Where each of a sample's tokens goes, [sample.count]; its own place if it stays.
  public func targets(of sample: borrowing TokenView) -> [Int32] {
    var targets = (0..<Int32(sample.count)).map { $0 }
    var span = targets.mutableSpan
    merge(sample, into: &span)
    return targets
  }
}

/// A view's storage with the numbers that it points at, in memory of its own.
private final class OwnedSignals<Storage> {
  let storage: UnsafeMutablePointer<Storage>
  var declared: UInt64 = 0
  private var copies: [UnsafeMutableRawPointer] = []

  init(_ storage: Storage) {
    self.storage = .allocate(capacity: 1)
    self.storage.initialize(to: storage)
  }

  deinit {
    storage.deallocate()
    for copy in copies { copy.deallocate() }
  }

  /// Copies the values of a signal and declares it; does nothing for a signal that is not given.
  func keep<Element: BitwiseCopyable>(
    _ values: [Element]?, at field: WritableKeyPath<Storage, UnsafePointer<Element>?>, _ bit: UInt64
  ) {
    guard let values else { return }
    let copy = UnsafeMutableBufferPointer<Element>.allocate(capacity: max(1, values.count))
    _ = copy.initialize(from: values)
    copies.append(UnsafeMutableRawPointer(copy.baseAddress!))
    storage.pointee[keyPath: field] = UnsafePointer(copy.baseAddress!)
    declared |= bit
  }
}

/// The number that those given agree on, 0 without any.
private func sharedCount(_ counts: [Int?]) -> Int {
  let given = counts.compactMap { $0 }
  precondition(given.allSatisfy { $0 == given[0] }, "the signals of a sample have different counts: \(given)")
  return given.first ?? 0
}
