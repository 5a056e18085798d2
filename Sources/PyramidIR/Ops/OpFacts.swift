// What is true of an operation whatever its operands are, in one exhaustive switch. Printer, parser, verifier, passes
// and runtime read the facts from here, so that a new operation states each once, and one that lacks a name, an effect
// or a place in memory does not compile. Nothing here takes memory: the facts of every node are read when an artefact is
// opened, attributes (OpAttribute.swift) only when it is printed.

/// The word that names an operation of any graph in text.
public enum Mnemonic: String, CaseIterable, Sendable {
  case input, embed, linear, activate, gate, rotate, add, attention, softmax, concat, compact, pool, classify
  case linearAddNorm = "linear_add_norm"
  case layerNorm = "layer_norm"
  case attentionQKV = "attention_qkv"
  case firstAttention = "first_attention"
  case relativeAttention = "relative_attention"
  case firstRows = "first_rows"
  case segmentMean = "segment_mean"
  case bagLogits = "bag_logits"
  case rowNorm = "row_norm"
  case headMean = "head_mean"
  case decideExit = "decide_exit"
  case decidePrune = "decide_prune"
  case keepSamples = "keep_samples"
  case compactSegments = "compact_segments"
}

/// What an operation of training graphs is there for.
public enum TrainingRole: Sendable {
  /// Brought in by the trainer.
  case source
  /// On the way from the batch to the losses.
  case forward
  /// Its result, a number for each sample, is part of the loss.
  case loss
  /// Computes gradients.
  case backward
}

/// What holds for an operation whatever it is applied to. Places among operands and weights count from 0.
public struct OpFacts: Sendable {
  /// Its name in text.
  public let mnemonic: String
  /// What it brings in, which text has before the operands.
  public var input: InputKind?
  /// Whether the node matters even when nothing reads its results.
  public var hasEffect = false
  /// Whether each row of the result depends on the same row of the operands only.
  public var isRowwise = false
  /// Operands that the result may be written over if nothing reads them later: row r of such an operand is read for row
  /// r of the result only.
  public var replaceable: Range<Int> = 0..<0
  /// Weights that are matrices of a product and may be packed in panels.
  public var packable: Range<Int> = 0..<0
  /// Weights whose values may be stored in a reduced precision.
  public var reducible: Range<Int> = 0..<0
  /// Whether its matrices are tables of which a row is read for each token, and not all of them.
  public var readsRows = false
  /// Whether it depends on where tokens stand in their texts.
  public var readsPositions = false
  /// Whether instruction sets differ in how they compute it. Moves and decisions have one version for all, and no
  /// kernel.
  public var hasKernel = true
  /// What attention has besides operands.
  public var attention: Attention?
  /// Whether such a node stands in a layer for the sake of policies only, unless it is the last layer.
  public var servesPolicies = false
  /// Whether losses may depend on it: false where nobody knows its gradient.
  public var hasGradient = true
  /// What it is in a training graph; nil for an operation of any graph.
  public var training: TrainingRole?
  /// Whether the factors of its product may be rounded to bf16 on the fly, what is stored staying f32.
  public var roundsFactors = false

  /// Facts of an operation that attends.
  public struct Attention: Sendable {
    /// Attention heads.
    public let heads: Int
    /// What is handed out besides the context.
    public let emits: [Emission]
    /// The operand whose rows are attended to.
    public let tokens: Int
    /// The operand that holds the offsets of samples; the one after it, if any, the sizes of rows.
    public let segments: Int
    /// Whether only the first token of each sample attends.
    public var isOfFirst = false
    /// How many operands hold queries, keys and values: 3, or 1 in which they are blocks of columns.
    public var projected = 3
  }

  init(_ mnemonic: String) { self.mnemonic = mnemonic }

  fileprivate init(
    _ mnemonic: Mnemonic, servesPolicies: Bool = false, hasKernel: Bool = true, hasEffect: Bool = false,
    readsRows: Bool = false, hasGradient: Bool = true
  ) {
    self.init(mnemonic.rawValue)
    (self.servesPolicies, self.hasKernel) = (servesPolicies, hasKernel)
    (self.hasEffect, self.readsRows, self.hasGradient) = (hasEffect, readsRows, hasGradient)
  }

  fileprivate init(_ mnemonic: Mnemonic, _ attention: Attention, isRelative: Bool = false) {
    self.init(mnemonic, hasGradient: !isRelative)
    (self.attention, readsPositions) = (attention, isRelative)
    servesPolicies = attention.isOfFirst
  }

  /// An operation on rows; of a product the first weight is the matrix.
  fileprivate init(
    rowwise mnemonic: Mnemonic, replaces replaceable: Range<Int> = 0..<0, isProduct: Bool = false,
    hasGradient: Bool = true
  ) {
    self.init(mnemonic, hasGradient: hasGradient)
    isRowwise = true
    self.replaceable = replaceable
    if isProduct { (packable, reducible) = (0..<1, 0..<1) }
  }
}

extension Op {
  /// The operation's facts.
  public var facts: OpFacts {
    switch self {
    case .input(let kind):
      var facts = OpFacts(.input, hasKernel: false)
      facts.input = kind
      return facts
    case .embed: return OpFacts(.embed, readsRows: true)
    case .linear: return OpFacts(rowwise: .linear, isProduct: true)
    case .linearAddNorm: return OpFacts(rowwise: .linearAddNorm, replaces: 1..<2, isProduct: true)
    case .activate: return OpFacts(rowwise: .activate, replaces: 0..<1)
    case .gate: return OpFacts(rowwise: .gate, hasGradient: false)
    case .rotate:
      var facts = OpFacts(rowwise: .rotate, replaces: 0..<1, hasGradient: false)
      facts.readsPositions = true
      return facts
    case .add: return OpFacts(rowwise: .add, replaces: 0..<2)
    case .layerNorm: return OpFacts(rowwise: .layerNorm, replaces: 0..<1)
    case .attention(let heads, let emits):
      return OpFacts(.attention, OpFacts.Attention(heads: heads, emits: emits, tokens: 0, segments: 3))
    case .attentionQKV(let heads, let emits):
      return OpFacts(.attentionQKV, OpFacts.Attention(heads: heads, emits: emits, tokens: 0, segments: 1, projected: 1))
    case .relativeAttention(let relative, let emits):
      return OpFacts(.relativeAttention, relative.facts(emits: emits), isRelative: true)
    case .firstAttention(let heads, let emits):
      var facts = OpFacts(
        .firstAttention, OpFacts.Attention(heads: heads, emits: emits, tokens: 1, segments: 2, isOfFirst: true))
      facts.reducible = 0..<2
      return facts
    case .firstRows: return OpFacts(.firstRows, servesPolicies: true, hasKernel: false)
    case .segmentMean: return OpFacts(.segmentMean, servesPolicies: true)
    case .concat:
      var facts = OpFacts(.concat, servesPolicies: true, hasKernel: false)
      facts.isRowwise = true
      return facts
    case .bagLogits:
      return OpFacts(.bagLogits, servesPolicies: true, hasKernel: false, readsRows: true, hasGradient: false)
    case .softmax: return OpFacts(.softmax, servesPolicies: true)
    case .rowNorm: return OpFacts(.rowNorm, servesPolicies: true, hasGradient: false)
    case .headMean: return OpFacts(.headMean, servesPolicies: true, hasKernel: false, hasGradient: false)
    case .decideExit: return OpFacts(.decideExit, servesPolicies: true, hasKernel: false, hasEffect: true)
    case .decidePrune: return OpFacts(.decidePrune, servesPolicies: true, hasKernel: false)
    case .pool: return OpFacts(.pool, servesPolicies: true, hasKernel: false, hasGradient: false)
    case .keepSamples: return OpFacts(.keepSamples, servesPolicies: true, hasKernel: false)
    case .compact: return OpFacts(.compact, servesPolicies: true, hasKernel: false)
    case .compactSegments: return OpFacts(.compactSegments, servesPolicies: true, hasKernel: false)
    case .classify: return OpFacts(.classify, hasKernel: false, hasEffect: true)
    case .gradient(let op): return op.facts
    }
  }

  /// The word that names the operation in text.
  public var mnemonic: String { facts.mnemonic }

  /// The policy that the operation asks, which text has before the operands, after `@`; nil when it asks none.
  public var policy: String? {
    switch self {
    case .decideExit(let policy, _, _), .decidePrune(let policy, _, _, _, _): policy
    default: nil
    }
  }

  /// The family of the dim that the operation's first result defines; nil when it defines none. A node that defines one is
  /// a definition, never a value: two of them with equal operands must not be merged.
  public var definedFamily: DimFamily? {
    switch self {
    case .decideExit: .samples
    case .decidePrune, .keepSamples: .tokens
    default: nil
    }
  }

  /// Whether the operation's first result defines a dim.
  public var definesDim: Bool { definedFamily != nil }

  /// The same attention handing out `emits`; an operation that is not attention over all tokens as it is.
  public func emitting(_ emits: [Emission]) -> Op {
    if case .attention(let heads, _) = self { return .attention(heads: heads, emits: emits) }
    if case .attentionQKV(let heads, _) = self { return .attentionQKV(heads: heads, emits: emits) }
    if case .relativeAttention(let relative, _) = self, relative.form != .first {
      return .relativeAttention(relative, emits: emits)
    }
    if case .gradient(.dropoutAttention(let heads, let rate, let stream, _)) = self {
      return .gradient(.dropoutAttention(heads: heads, rate: rate, stream: stream, emits: emits))
    }
    return self
  }

  /// Heads and emissions of attention over all tokens, in either form.
  public var attentionOfAll: OpFacts.Attention? { facts.attention.flatMap { $0.isOfFirst ? nil : $0 } }
}

extension Node {
  /// The offsets of the samples that an attention attends within; nil for another operation.
  public var attendedSegments: ValueID? { op.facts.attention.map { inputs[$0.segments] } }

  /// The sizes of the rows that an attention attends to; nil where each stands for one token.
  public var sizes: ValueID? {
    op.facts.attention.flatMap { $0.segments + 1 < inputs.count ? inputs[$0.segments + 1] : nil }
  }

  /// Whether the result may be written over an operand that nothing reads later, by the facts of the node's operation.
  public func overwrites(_ value: ValueID, _ facts: OpFacts) -> Bool {
    var isRead = false
    for (place, input) in inputs.enumerated() where input == value {
      if !facts.replaceable.contains(place) { return false }
      isRead = true
    }
    return isRead
  }
}
