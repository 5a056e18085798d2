// What a pruning policy sees of one sample. The engine fills a plain struct of pointers; the policy gets a view that
// cannot outlive the call, hands out spans (bounds checked), and refuses signals that the policy did not declare.
// Making a view allocates nothing and copies nothing.

/// One sample's tokens as the engine knows them: counts and pointers, `nil` for a signal that was not computed.
///
/// The engine owns the memory, which must stay valid and unchanged during the call.
public struct TokenViewStorage {
  /// Tokens alive, [CLS] included.
  public var count: Int
  /// Tokens of the text before anything was pruned.
  public var textLength: Int
  /// The layer that has just run, counted from 1; 0 at the entry, before the first.
  public var layer: Int
  /// Layers of the model.
  public var layers: Int
  /// Width H of a hidden row.
  public var width: Int
  /// `[count]`, see `TokenSignal.receivedAttention`.
  public var receivedAttention: UnsafePointer<Float>?
  /// `[count]`, see `TokenSignal.receivedFromOthers`.
  public var receivedFromOthers: UnsafePointer<Float>?
  /// `[count]`, see `TokenSignal.receivedAttentionSum`.
  public var receivedAttentionSum: UnsafePointer<Float>?
  /// `[count]`, see `TokenSignal.attentionFromCLS`.
  public var attentionFromCLS: UnsafePointer<Float>?
  /// `[count]`, see `TokenSignal.valueNorm`.
  public var valueNorm: UnsafePointer<Float>?
  /// `[count]`, see `TokenSignal.hiddenNorm`.
  public var hiddenNorm: UnsafePointer<Float>?
  /// Numbers in one row of `keys`.
  public var keyWidth = 0
  /// `[count, keyWidth]` without gaps, see `TokenSignal.keys`.
  public var keys: UnsafePointer<Float>?
  /// `[count]`, see `TokenSignal.position`.
  public var position: UnsafePointer<Int32>?
  /// `[count]`, see `TokenSignal.tokenID`.
  public var tokenID: UnsafePointer<Int32>?
  /// `[count, width]` without gaps, see `TokenSignal.hidden`.
  public var hidden: UnsafePointer<Float>?

  /// A view storage without signals; set the pointers that the policy's `tokenSignals` name. `textLength` is `count`
  /// unless given.
  public init(count: Int, textLength: Int? = nil, layer: Int, layers: Int, width: Int = 0) {
    self.count = count
    self.textLength = textLength ?? count
    self.layer = layer
    self.layers = layers
    self.width = width
  }
}

/// One sample's tokens that are alive at a boundary, as a pruning policy sees them.
///
/// Reading a signal that the policy's `reads` does not name ends the run with a message that names the signal.
public struct TokenView: ~Copyable, ~Escapable {
  @usableFromInline let storage: UnsafePointer<TokenViewStorage>
  @usableFromInline let declared: UInt64
  /// Keeps the memory of a view that was made by hand.
  private let signals: AnyObject?

  @_lifetime(immortal)
  init(_ storage: UnsafePointer<TokenViewStorage>, declared: UInt64, _ signals: AnyObject? = nil) {
    self.storage = storage
    self.declared = declared
    self.signals = signals
  }

  /// Tokens alive, [CLS] included: the length of each signal.
  @inlinable public var count: Int { storage.pointee.count }
  /// Tokens of the text before anything was pruned.
  @inlinable public var textLength: Int { storage.pointee.textLength }
  /// The layer that has just run, counted from 1; 0 at the entry, before the first.
  @inlinable public var layer: Int { storage.pointee.layer }
  /// Layers of the model.
  @inlinable public var layers: Int { storage.pointee.layers }
  /// Numbers in one row of `hidden`.
  @inlinable public var width: Int { storage.pointee.width }

  /// `[count]`, see `TokenSignal.receivedAttention`.
  @inlinable public var receivedAttention: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.receivedAttention, count, .receivedAttention) }
  }
  /// `[count]`, see `TokenSignal.receivedFromOthers`.
  @inlinable public var receivedFromOthers: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.receivedFromOthers, count, .receivedFromOthers) }
  }
  /// `[count]`, see `TokenSignal.receivedAttentionSum`.
  @inlinable public var receivedAttentionSum: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.receivedAttentionSum, count, .receivedAttentionSum) }
  }
  /// `[count]`, see `TokenSignal.attentionFromCLS`.
  @inlinable public var attentionFromCLS: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.attentionFromCLS, count, .attentionFromCLS) }
  }
  /// `[count]`, see `TokenSignal.valueNorm`.
  @inlinable public var valueNorm: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.valueNorm, count, .valueNorm) }
  }
  /// `[count]`, see `TokenSignal.hiddenNorm`.
  @inlinable public var hiddenNorm: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.hiddenNorm, count, .hiddenNorm) }
  }
  /// Numbers in one row of `keys`.
  @inlinable public var keyWidth: Int { storage.pointee.keyWidth }
  /// `[count * keyWidth]`, row after row, see `TokenSignal.keys`.
  @inlinable public var keys: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.keys, count * keyWidth, .keys) }
  }
  /// `[count]`, see `TokenSignal.position`.
  @inlinable public var position: Span<Int32> {
    @_lifetime(borrow self) get { vend(storage.pointee.position, count, .position) }
  }
  /// `[count]`, see `TokenSignal.tokenID`.
  @inlinable public var tokenID: Span<Int32> {
    @_lifetime(borrow self) get { vend(storage.pointee.tokenID, count, .tokenID) }
  }
  /// `[count * width]`, row after row, see `TokenSignal.hidden`.
  @inlinable public var hidden: Span<Float> {
    @_lifetime(borrow self) get { vend(storage.pointee.hidden, count * width, .hidden) }
  }

  @inlinable @_lifetime(borrow self)
  func vend<Element>(_ start: UnsafePointer<Element>?, _ count: Int, _ signal: TokenSignal) -> Span<Element> {
    guard declared & signal.bit != 0, let start else { refuseSignal(signal.rawValue, declared & signal.bit != 0) }
    return _overrideLifetime(Span(_unsafeStart: start, count: count), borrowing: self)
  }
}

/// Ends the run because a policy read a signal that it had not declared, or that the engine did not supply.
@usableFromInline func refuseSignal(_ name: String, _ isDeclared: Bool) -> Never {
  if isDeclared { fatalError("signal '\(name)' was declared by the policy but not supplied by the engine") }
  fatalError("a policy read signal '\(name)', which its 'reads' does not declare")
}
