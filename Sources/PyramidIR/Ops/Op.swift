// The closed set of operations, each documented once with its numbered constraints. Verifier errors and negative
// filetests cite the numbers as `op C<n>`. The set is closed so that facts, shape rule, operation count, interpreter
// and kernel choice are exhaustive switches: an operation that lacks one of them does not compile. Policies stay open.

import PyramidPolicy

/// What a batch brings in.
public enum InputKind: String, Hashable, Sendable, CaseIterable {
  /// i32[T0]: vocabulary ids.
  case tokenIDs = "token-ids"
  /// i32[T0]: place of each token in its sample, from 0.
  case positions
  /// i32[T0]: 0 for the first text, 1 for the second of a pair.
  case typeIDs = "type-ids"
  /// i32[B0 + 1]: first token of each sample, then the number of tokens.
  case segments
  /// i32[B0]: number of each sample in the batch.
  case samples
}

/// Elementwise function after a linear layer.
public enum Activation: String, Hashable, Sendable, CaseIterable {
  case none
  /// x * (1 + erf(x / sqrt 2)) / 2.
  case gelu
  /// The tanh approximation, `gelu_new` in configurations.
  case geluTanh = "gelu-tanh"
  case relu
  case tanh
  /// 1 / (1 + e^-x).
  case sigmoid
}

/// What attention can hand out besides its result, each f32[T].
public enum Emission: String, Hashable, Sendable, CaseIterable {
  /// Mean over heads of the attention that a token receives, summed over its sample's queries: uniform is 1.
  case received
  /// Mean over heads of the attention of [CLS] to a token, times the sample's length: uniform is 1.
  case fromFirst = "from-first"
  /// As received, without what a token gives to itself.
  case fromOthers = "from-others"
}

/// One operation. R stands for any row axis, H, E, N, C for fixed widths.
public enum Op: Hashable, Sendable {
  /// `input KIND`: a piece of the batch.
  /// (C1) no operands. (C2) the type is the one its kind documents, over `B0` and `T0`.
  case input(InputKind)
  /// `embed %ids[, %positions][, %types], #words[, #positions][, #types]`: sum of table rows, f32[T, E].
  /// (C1) index operands are i32[T] of one length. (C2) as many tables as index operands, f32, of one width.
  case embed
  /// `linear %x, #w, #b {activation A}`: A(x W^T + b), f32[R, N].
  /// (C1) %x is f32[R, K]. (C2) #w is f32[N, K]. (C3) #b is f32[N].
  case linear(Activation)
  /// `linear_add_norm %x, %residual, #w, #b, #gamma, #beta {epsilon E}`: norm(x W^T + b + residual), f32[R, N].
  /// (C1) as linear. (C2) %residual is f32[R, N]. (C3) #gamma and #beta are f32[N]. (C4) epsilon is positive.
  case linearAddNorm(epsilon: Float)
  /// `activate %x {activation A}`: elementwise, same type. (C1) %x is f32.
  case activate(Activation)
  /// `gate %x {activation A}`: A(left half of each row) * right half, f32[R, N]. (C1) %x is f32[R, 2 N].
  case gate(Activation)
  /// `rotate %x, %positions {size D, columns C, base B}`: rotary positions (Su et al. 2021) on the first C columns of each
  /// row, which are heads of D columns, the rest as it is; same type. In a head the pair (k, k + D / 2) turns by the angle
  /// p * B^(-2 k / D) of the token's position p, power and product each rounded to f32: (a, b) -> (a cos - b sin,
  /// b cos + a sin).
  /// (C1) %x is f32[T, W]. (C2) %positions is i32[T]. (C3) D is even and divides C, which is at most W. (C4) the base is
  /// above 1.
  case rotate(Rotation)
  /// `add %a, %b`: elementwise sum. (C1) both are f32 of one type.
  case add
  /// `layer_norm %x, #gamma, #beta {epsilon E}`: over each row. (C1) %x is f32[R, N]. (C2) #gamma and #beta are f32[N].
  /// (C3) epsilon is positive.
  case layerNorm(epsilon: Float)
  /// `attention %q, %k, %v, %segments[, %sizes] {heads N[, emit received from-first from-others]}`: softmax(q k^T / sqrt(H / heads)) v within
  /// each sample, f32[T, H], then each emission as f32[T] in the order received, from-first, from-others.
  /// Where %sizes is given, ln(size) of each key's row is added to its score.
  /// (C1) %q, %k, %v are f32[T, H]. (C2) %segments is i32[B + 1] and counts T. (C3) heads divides H.
  /// (C4) emissions are in that order, each at most once. (C5) %sizes is f32[T].
  case attention(heads: Int, emits: [Emission])
  /// `attention_qkv %qkv, %segments[, %sizes] {...}`: the same with q, k and v as the three column blocks of one value.
  /// (C1) %qkv is f32[T, 3 H]. (C2), (C3), (C4) and (C5) as attention.
  case attentionQKV(heads: Int, emits: [Emission])
  /// `first_attention %q, %x, %segments[, %sizes], #wk, #wv, #bv {heads N[, emit from-first]}`: attention of each sample's first
  /// token only, f32[B, H], then the emission as f32[T]. Re-associated so that no keys and values are formed:
  /// u_h = Wk_h^T q_h, p_h = softmax(x u_h / sqrt(H / heads)), Wv_h (sum_j p_hj x_j) + bv_h. The key bias cancels in
  /// the softmax.
  /// (C1) %q is f32[B, H], %x is f32[T, K]. (C2) %segments is i32[B + 1] and counts T. (C3) heads divides H.
  /// (C4) #wk and #wv are f32[H, K], #bv is f32[H]. (C5) nothing else is emitted. (C6) %sizes as attention.
  case firstAttention(heads: Int, emits: [Emission] = [])
  /// `relative_attention %q, %k, %v, %positions, %segments[, %sizes][, tables] {...}`: attention in which the texts'
  /// positions count, f32[T, H], then emissions as attention. What it adds to a score, and which keys a query sees, is what
  /// `RelativeAttention` says; a key that is not seen has the probability 0. With `form joined` %qkv, f32[T, 3 H], stands
  /// for the first three; with `form first` only each sample's first token attends: %q and the result are f32[B, H].
  /// (C1) the operands are f32[T, H], f32[T, 3 H] where joined; %q is f32[B, H] of first tokens. (C2) %segments is
  /// i32[B + 1] and counts T. (C3) heads divides H. (C4) emissions are as attention's; of first tokens only from-first.
  /// (C5) %sizes is f32[T]. (C6) %positions is i32[T]. (C7) one table for each term: f32[rows, heads] for a bias,
  /// f32[rows, H] for a product. (C8) the window is 1 to 2^24, and the buckets are such as there are.
  case relativeAttention(RelativeAttention, emits: [Emission])
  /// `first_rows %x, %segments`: the row of each sample's first token, f32[B, N].
  /// (C1) %x is f32[T, N]. (C2) %segments is i32[B + 1].
  case firstRows
  /// `segment_mean %x, %segments`: the mean of each sample's rows, summed in their order, f32[B, N].
  /// (C1) %x is f32[T, N]. (C2) %segments is i32[B + 1] and counts T.
  case segmentMean
  /// `concat %a, %b`: the columns of %a, then those of %b, f32[R, N + M].
  /// (C1) %a is f32[R, N] and %b is f32[R, M].
  case concat
  /// `bag_logits %ids, %segments, #table[, #bigrams], #bias {separator ID, skip ID...}`: the entry's head, a linear
  /// classifier over the bag of a sample's word pieces, f32[B, C]. With the n tokens that are not in `skip`, in order:
  /// (sum of #table[id] + sum of #bigrams[(id * 1000003 + next) mod M] over neighbours) / max(n, 1) + #bias, the index
  /// in unsigned 64 bits. Neighbours are what stands side by side once the others are skipped, but never across the
  /// separator, which ends the first text of a pair. Truncated ids are read; without a token the logits are the bias.
  /// (C1) %ids is i32[T]. (C2) %segments is i32[B + 1] and counts T. (C3) #table is f32[V, C], #bias is f32[C].
  /// (C4) #bigrams is f32[M, C], M a power of two. (C5) `skip` holds rows of #table, ascending, the separator among
  /// them, at most 64 in all: each token is compared with them.
  case bagLogits(skip: [Int32], separator: Int32)
  /// `softmax %x`: over each row, same type. (C1) %x is f32[R, C].
  case softmax
  /// `row_norm %x {first F, count N}`: Euclidean norm of columns F ..< F + N of each row, f32[T].
  /// (C1) %x is f32[T, W]. (C2) the columns lie within W.
  case rowNorm(first: Int, count: Int)
  /// `head_mean %x {first F, count N, heads H}`: the mean over heads of columns F ..< F + N, f32[T, N / H].
  /// (C1) %x is f32[T, W]. (C2) the columns lie within W. (C3) heads divides the count.
  case headMean(first: Int, count: Int, heads: Int)
  /// `decide_exit @policy %samples, %logits[, signals] {layer L, reads ...}`: the samples that stay, as indices into
  /// the rows of %samples, i32[B']; those that leave are answered with their logits. At the entry, `at entry` stands for
  /// `layer L`.
  /// Signals follow in the order probabilities, hidden ([CLS] rows), earlier-hidden ([CLS] rows), tokens-alive
  /// (%segments), earlier-probabilities (one value for each earlier head, first head first); token-ids are the batch's, and
  /// group-logits the first logits of the samples of a group, as they are now or were when they left.
  /// (C1) %samples is i32[B]. (C2) %logits is f32[B, C]. (C3) one operand of the right type for each signal read.
  /// (C4) B' is declared `by` the result. (C5) the policy is declared as an exit policy.
  case decideExit(policy: String, at: Boundary, reads: [ExitSignal])
  /// `decide_prune @policy %segments[, %stay][, signals] {layer L, reads ...[, after exit]}`: the tokens that live on,
  /// as ascending indices into the packed rows, i32[T']; with `after exit` only those of samples in %stay. `at entry` as
  /// for decide_exit. Signals follow in the order received-attention, received-from-others, received-attention-sum,
  /// attention-from-cls, value-norm, hidden-norm (f32[T]), keys (f32[T, K]), position, token-id (i32[T]), hidden (f32[T, H]).
  ///
  /// With `rest fused` the others of a sample become one row, which comes last and has the index -1; with `rest merged`
  /// they go into rows that stay. Then %into, i32[T], the row that each token goes into, and %share, f32[T], with which
  /// part, are results too; and of merged ones %sizes, f32[T'], the tokens that each row stands for. The last operand is
  /// then what %sizes was before, unless all rows stand for one.
  /// (C1) %segments is i32[B + 1]. (C2) %stay is i32[B']. (C3) one operand of the right type for each signal read.
  /// (C4) T' is declared `by` the result. (C5) the policy is declared as a pruning policy. (C6) rows go into others
  /// between layers only, where a signal is read and no exit was decided before. (C7) sizes are f32[T].
  case decidePrune(policy: String, at: Boundary, reads: [TokenSignal], afterExit: Bool, rest: Remainder = .dropped)
  /// `pool %x, %into, %share, %keep`: row r is the sum of the rows of %x that go into r, each times its share, in their
  /// order; f32[T', N], or f32[T'].
  /// (C1) %x is f32[T, N] or f32[T]. (C2) %into is i32[T] and %share f32[T]. (C3) %keep is i32[T'], of the same decision.
  case pool
  /// `keep_samples %segments, %stay`: all tokens of the samples that stay, i32[T'].
  /// (C1) %segments is i32[B + 1]. (C2) %stay is i32[B']. (C3) T' is declared `by` the result.
  case keepSamples
  /// `compact %x, %index`: row `index[r]` of %x as row r; same columns, rows of %index. -1 where the index is -1.
  /// (C1) %x has a dim as rows. (C2) %index is i32 of one dim of the same family. (C3) %x is i32 where rows are fused.
  case compact
  /// `compact_segments %segments, %keep[, %stay]`: offsets of the samples (those in %stay) in the tokens of %keep,
  /// i32[B' + 1].
  /// (C1) %segments is i32[B + 1]. (C2) %keep is i32[T']. (C3) %stay is i32[B'].
  case compactSegments
  /// `classify %samples, %logits`: answers the samples that are left. No result.
  /// (C1) %samples is i32[B]. (C2) %logits is f32[B, C].
  case classify
  /// An operation of a training graph.
  case gradient(GradientOp)
}
