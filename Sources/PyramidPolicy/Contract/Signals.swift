// What a policy may read: two closed lists. A signal is computed only where an active policy declares it, so each case
// says who produces it and what that costs. The lists are closed because each signal needs a producer in the compiler.

/// A number (or a row of numbers) per token that a pruning policy may read. n is the number of tokens alive, H the
/// hidden width.
public enum TokenSignal: String, CaseIterable, Sendable {
  /// Mean attention that the token receives, over heads and alive queries, times n: 1 is uniform at any length.
  /// Producer: the layer's attention. Price: heads * n^2 additions, no product.
  case receivedAttention = "received-attention"
  /// The same without the attention that the token gives to itself.
  /// Producer: the layer's attention. Price: heads * n^2 additions, no product.
  case receivedFromOthers = "received-from-others"
  /// `receivedAttention` added up over this layer and all before it, whatever was pruned between. Not known before a
  /// layer. Producer: attention of each layer so far. Price: that of `receivedAttention` in each, one number carried
  /// per token.
  case receivedAttentionSum = "received-attention-sum"
  /// Attention of [CLS] to the token, mean over heads, times n: 1 is uniform at any length.
  /// Producer: the layer's attention. Price: heads * n additions. For a policy that prunes before the layer, the row of
  /// [CLS] alone: 3 H^2 + 2 heads n H multiply-adds more, unless an exit head makes that row necessary anyway.
  case attentionFromCLS = "attention-from-cls"
  /// Euclidean norm of the token's value vector in the layer, all heads together.
  /// Producer: the layer's value projection. Price: n * H multiply-adds.
  case valueNorm = "value-norm"
  /// Euclidean norm of the token's row at the layer's input.
  /// Producer: the previous layer. Price: n * H multiply-adds.
  case hiddenNorm = "hidden-norm"
  /// The token's key vector of the layer, mean over heads, H / heads numbers.
  /// Producer: the layer's key projection. Price: n * H additions.
  case keys = "keys"
  /// Position of the token in its text, counted from 0 ([CLS]) before anything was pruned; -1 for a
  /// row that tokens were fused to. Known at the entry.
  /// Producer: the packed batch. Price: none, one integer is carried per token.
  case position = "position"
  /// Index of the token in the vocabulary; -1 for a row that tokens were fused to. Known at the entry.
  /// Producer: the tokenizer. Price: none, one integer is carried per token.
  case tokenID = "token-id"
  /// The token's row of H numbers at the layer's input.
  /// Producer: the previous layer. Price: no operation, but the rows must stay readable until the decision.
  case hidden = "hidden"
}

/// What an exit policy may read at the exit head of a layer or of the entry; the layer itself is always there. C is the
/// class count.
public enum ExitSignal: String, CaseIterable, Sendable {
  /// The head's C outputs before the softmax. Producer: the exit head. Price: the head, H^2 + H*C multiply-adds;
  /// at the entry C additions for each token.
  case logits = "logits"
  /// The head's C probabilities. Producer: a softmax after the exit head. Price: the head and C exponentials.
  case probabilities = "probabilities"
  /// The [CLS] row of H numbers after the layer, never at the entry. Producer: the layer. Price: none, the head reads it
  /// anyway.
  case hidden = "hidden"
  /// The [CLS] row of H numbers at the layer's input, after the layer before; never at the entry. Producer: the previous
  /// layer. Price: none, a row a sample is copied.
  case earlierHidden = "earlier-hidden"
  /// Vocabulary indices of the sample's words, alive or not: all its tokens but those equal to the first or to the last
  /// one ([CLS], and [SEP] wherever it stands). Known at the entry. Producer: the tokenizer. Price: none, the ids are kept
  /// until the sample leaves.
  case tokenIDs = "token-ids"
  /// Number of tokens alive before this boundary prunes. Producer: the packed batch. Price: none.
  case tokensAlive = "tokens-alive"
  /// Probabilities of the heads that this sample passed before. Producer: those heads. Price: C numbers kept per head.
  case earlierProbabilities = "earlier-probabilities"
  /// The first logit of every sample of the group, of this one, too: of one that is alive this head's, of one that has left
  /// the one that it left with. Without groups a sample is alone in its own. Producer: the exit heads. Price: one number
  /// kept per sample.
  case groupLogits = "group-logits"
}

extension ExitSignal {
  /// Whether it is known before anything is embedded.
  public var isKnownAtEntry: Bool { self != .hidden && self != .earlierHidden }
}

extension TokenSignal {
  /// Whether it is known before anything is embedded: at the entry a pruning policy is handed what is, of what it reads.
  public var isKnownAtEntry: Bool { self == .position || self == .tokenID }

  /// The signal's bit; a switch rather than a search because each access to a view tests it.
  @usableFromInline var bit: UInt64 {
    switch self {
    case .receivedAttention: 1 << 0
    case .receivedFromOthers: 1 << 1
    case .receivedAttentionSum: 1 << 2
    case .attentionFromCLS: 1 << 3
    case .valueNorm: 1 << 4
    case .hiddenNorm: 1 << 5
    case .keys: 1 << 6
    case .position: 1 << 7
    case .tokenID: 1 << 8
    case .hidden: 1 << 9
    }
  }
}

extension ExitSignal {
  /// The signal's bit; a switch rather than a search because each access to a view tests it.
  @usableFromInline var bit: UInt64 {
    switch self {
    case .logits: 1 << 0
    case .probabilities: 1 << 1
    case .hidden: 1 << 2
    case .earlierHidden: 1 << 3
    case .tokenIDs: 1 << 4
    case .tokensAlive: 1 << 5
    case .earlierProbabilities: 1 << 6
    case .groupLogits: 1 << 7
    }
  }
}
