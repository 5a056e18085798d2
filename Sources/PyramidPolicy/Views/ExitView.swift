// What an exit policy sees at one exit head of one sample: the counterpart of TokenView, with the same rules.

/// One sample's exit head as the engine knows it: counts and pointers, `nil` for a signal that was not computed.
///
/// The engine owns the memory, which must stay valid and unchanged during the call.
public struct ExitViewStorage {
  /// The layer that has just run, counted from 1; 0 at the entry, before the first.
  public var layer: Int
  /// Layers of the model.
  public var layers: Int
  /// Classes C of the head.
  public var classes: Int
  /// What the model answers with.
  public var answers: AnswerKind
  /// Width H of the [CLS] row.
  public var width: Int
  /// See `ExitSignal.tokensAlive`.
  public var tokensAlive: Int
  /// `[classes]`, see `ExitSignal.logits`.
  public var logits: UnsafePointer<Float>?
  /// `[classes]`, see `ExitSignal.probabilities`.
  public var probabilities: UnsafePointer<Float>?
  /// `[width]`, see `ExitSignal.hidden`.
  public var hidden: UnsafePointer<Float>?
  /// `[width]`, see `ExitSignal.earlierHidden`.
  public var earlierHidden: UnsafePointer<Float>?
  /// `[words]`, see `ExitSignal.tokenIDs`.
  public var tokenIDs: UnsafePointer<Int32>?
  /// How many `tokenIDs` there are.
  public var words = 0
  /// Heads that this sample has passed before this one.
  public var earlierHeads: Int
  /// Floats from the start of one earlier head's probabilities to the start of the next head's.
  public var earlierStride: Int
  /// Probabilities of the first head passed, see `ExitSignal.earlierProbabilities`.
  public var earlierProbabilities: UnsafePointer<Float>?

  /// `[groupSize]`, see `ExitSignal.groupLogits`.
  public var groupLogits: UnsafePointer<Float>?
  /// How many `groupLogits` there are.
  public var groupSize = 0

  /// A view storage without signals; set the pointers that the policy's `exitSignals` name.
  public init(
    layer: Int, layers: Int, classes: Int, answers: AnswerKind = .probabilities, width: Int = 0, tokensAlive: Int = 0
  ) {
    self.answers = answers
    self.layer = layer
    self.layers = layers
    self.classes = classes
    self.width = width
    self.tokensAlive = tokensAlive
    earlierHeads = 0
    earlierStride = classes
  }
}

/// One sample at the exit head of a layer, as an exit policy sees it.
///
/// Reading a signal that the policy's `reads` does not name ends the run with a message that names the signal.
public struct ExitView: ~Copyable, ~Escapable {
  @usableFromInline let storage: UnsafePointer<ExitViewStorage>
  @usableFromInline let declared: UInt64
  /// Keeps the memory of a view that was made by hand.
  private let signals: AnyObject?

  @_lifetime(immortal)
  init(_ storage: UnsafePointer<ExitViewStorage>, declared: UInt64, _ signals: AnyObject? = nil) {
    self.storage = storage
    self.declared = declared
    self.signals = signals
  }

  /// The layer that has just run, counted from 1; 0 at the entry, before the first.
  @inlinable public var layer: Int { storage.pointee.layer }
  /// Layers of the model.
  @inlinable public var layers: Int { storage.pointee.layers }
  /// Classes C of the head.
  @inlinable public var classes: Int { storage.pointee.classes }
  /// What the model answers with.
  public var answers: AnswerKind { storage.pointee.answers }

  /// `[classes]`, see `ExitSignal.logits`.
  @inlinable public var logits: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.logits, classes, .logits) }
  }
  /// `[classes]`, see `ExitSignal.probabilities`.
  @inlinable public var probabilities: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.probabilities, classes, .probabilities) }
  }
  /// The [CLS] row, `[H]`, see `ExitSignal.hidden`.
  @inlinable public var hidden: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.hidden, storage.pointee.width, .hidden) }
  }
  /// The [CLS] row at the layer's input, `[H]`, see `ExitSignal.earlierHidden`.
  @inlinable public var earlierHidden: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.earlierHidden, storage.pointee.width, .earlierHidden) }
  }
  /// One for each word, see `ExitSignal.tokenIDs`.
  @inlinable public var tokenIDs: Span<Int32> {
    @_lifetime(borrow self) get { vend(storage.pointee.tokenIDs, storage.pointee.words, .tokenIDs) }
  }
  /// One for each sample of the group, see `ExitSignal.groupLogits`.
  @inlinable public var groupLogits: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.groupLogits, storage.pointee.groupSize, .groupLogits) }
  }
  /// See `ExitSignal.tokensAlive`.
  @inlinable public var tokensAlive: Int {
    if declared & ExitSignal.tokensAlive.bit == 0 { refuseSignal(ExitSignal.tokensAlive.rawValue, false) }
    return storage.pointee.tokensAlive
  }
  /// Heads that this sample has passed before this one; needs `ExitSignal.earlierProbabilities`.
  @inlinable public var earlierHeads: Int {
    let signal = ExitSignal.earlierProbabilities
    if declared & signal.bit == 0 { refuseSignal(signal.rawValue, false) }
    return storage.pointee.earlierHeads
  }

  /// `[classes]` probabilities of the head passed as number `index`, counted from 0 in `0 ..< earlierHeads`.
  @inlinable @_lifetime(borrow self)
  public func earlierProbabilities(ofHead index: Int) -> Span<Float> {
    precondition(index >= 0 && index < earlierHeads, "no earlier head of this index")
    let start = storage.pointee.earlierProbabilities.map { $0 + index * storage.pointee.earlierStride }
    return vend(start, classes, .earlierProbabilities)
  }

  @inlinable @_lifetime(borrow self)
  func vend<Element>(_ start: UnsafePointer<Element>?, _ count: Int, _ signal: ExitSignal) -> Span<Element> {
    guard declared & signal.bit != 0, let start else { refuseSignal(signal.rawValue, declared & signal.bit != 0) }
    return _overrideLifetime(Span(_unsafeStart: start, count: count), borrowing: self)
  }
}
