// The second closed set of operations: what only training graphs hold, forward and backward, each documented once with
// its numbered constraints, which errors cite as `op C<n>`. It is apart from Op.swift because a classifying graph can't
// hold one: whoever reads or runs classifiers never has to look here.
//
// Gradients of weights are effects and not values: an operation *adds* into the gradient of the weights it names, so
// that every value still has a dim as rows. %rows in an operand list stands for any value with the rows that the result
// is to have: only its type is read. Scalars (losses) are one number a sample, and the loss is their sum.

/// One operation of a training graph. R stands for any row axis, T for tokens, B for samples, K, N, H, C for fixed
/// widths; `dy` is the gradient of the loss by y.
public enum GradientOp: Hashable, Sendable {
  // Forward.

  /// `targets {width C}`: the distribution over classes that each sample is trained towards, f32[B0, C], which the
  /// trainer brings. (C1) no operands. (C2) the width is positive. (C3) a graph has at most one.
  case targets(width: Int)
  /// `features {width W}`: rows that were computed before and that the trainer brings, f32[B0, W].
  /// (C1), (C2) and (C3) as targets.
  case features(width: Int)
  /// `columns %x {first F, count N}`: columns F ..< F + N, f32[R, N].
  /// (C1) %x is f32[R, W]. (C2) the columns lie within W.
  case columns(first: Int, count: Int)
  /// `dropout %x {rate P, stream S}`: x / (1 - P) where the run's `RandomState` keeps the element and 0 elsewhere; the
  /// counter of an element is row * columns + column. Same type. The gradient is the same dropout of dy.
  /// (C1) %x is f32. (C2) 0 <= P < 1. (C3) S is not negative; it tells the dropouts of a graph apart.
  case dropout(rate: Float, stream: Int)
  /// `dropout_attention %q, %k, %v, %segments {heads N, rate P, stream S[, emit received]}`: as attention, the
  /// probabilities dropped out before they multiply the values; the counter of one is (r * heads + head) * 4096 + j
  /// for the query's row r among all tokens and the key's number j in its sample, from 0. What is emitted is taken before.
  /// (C1), (C2), (C3) and (C4) as attention. (C5) only received is emitted. (C6) rate and stream as dropout.
  case dropoutAttention(heads: Int, rate: Float, stream: Int, emits: [Emission])
  /// `soft_keep %score, %segments, #thresholds {layer L, temperature t}`: the soft mask
  /// sigmoid((score - thresholds[L]) / t) of LTP (Kim et al. 2022, equation 5), 1 for each sample's first token; f32[T].
  /// (C1) %score is f32[T]. (C2) %segments is i32[B + 1] and counts T. (C3) #thresholds is f32[N], and 0 <= L < N.
  /// (C4) t is positive.
  case softKeep(layer: Int, temperature: Float)
  /// `scale_rows %x, %m`: row r of x times m[r], same type. (C1) %x is f32[R, N]. (C2) %m is f32[R].
  case scaleRows
  /// `mean_rows_penalty %m, %segments {scale c}`: a loss: c times the mean of each sample's m, f32[B, 1].
  /// (C1) %m is f32[T]. (C2) %segments is i32[B + 1] and counts T. (C3) c is finite.
  case meanRowsPenalty(scale: Float)
  /// `cross_entropy %logits, %targets {scale c}`: a loss: -c sum_k target_k log softmax(logits)_k of each row, f32[R, 1].
  /// Targets may be any distribution; nothing flows back to them.
  /// (C1) both are f32[R, C]. (C2) c is finite.
  case crossEntropy(scale: Float)

  // Backward.

  /// `linear_input_gradient %dy, #w`: dy W, f32[R, K]. (C1) %dy is f32[R, N]. (C2) #w is f32[N, K].
  case linearInputGradient
  /// `linear_weight_gradient %x, %dy, #w, #b`: adds dy^T x to the gradient of #w and the column sums of dy to that of #b.
  /// No result. (C1) %x is f32[R, K], %dy f32[R, N] over the same rows. (C2) #w is f32[N, K]. (C3) #b is f32[N].
  case linearWeightGradient
  /// `activation_gradient %x, %dy {activation A}`: dy * A'(x), same type; x is what A was applied to.
  /// (C1) both are f32 of one type.
  case activationGradient(Activation)
  /// `layer_norm_gradient %x, %dy, #gamma[, #beta] {epsilon E}`: the gradient by x, same type. With #beta it also adds
  /// to the gradients of both weights; without, gamma is only read.
  /// (C1) both are f32[R, N]. (C2) #gamma and #beta are f32[N]. (C3) epsilon is positive.
  case layerNormGradient(epsilon: Float)
  /// `attention_gradient %q, %k, %v, %segments, %dy[, %dreceived] {heads N, rate P, stream S}`: gradients by q, k and v
  /// of the dropout_attention of the same heads, rate and stream, or of an attention where the rate is 0; the
  /// probabilities are computed again. `dreceived` is the gradient by what it emitted. Three f32[T, H].
  /// (C1) %q, %k, %v and %dy are f32[T, H]. (C2) %segments is i32[B + 1] and counts T. (C3) heads divides H.
  /// (C4) %dreceived is f32[T]. (C5) rate and stream as dropout.
  case attentionGradient(heads: Int, rate: Float, stream: Int)
  /// `embed_gradient %indices..., %dy, #tables...`: adds row t of dy to row indices[t] of each table's gradient. No
  /// result. (C1) one to three index operands, i32[T], and as many tables. (C2) %dy is f32[T, E], tables are f32[_, E].
  case embedGradient
  /// `first_rows_gradient %dy, %segments, %rows`: dy[b] in the row of sample b's first token, 0 in others, f32[T, N].
  /// (C1) %dy is f32[B, N]. (C2) %segments is i32[B + 1] and counts T. (C3) %rows has T rows.
  case firstRowsGradient
  /// `segment_mean_gradient %dy, %segments, %rows`: dy[b] / n in each of the n rows of sample b, f32[T, N].
  /// (C1), (C2) and (C3) as first_rows_gradient.
  case segmentMeanGradient
  /// `compact_gradient %dy, %index, %rows`: row r of dy as row index[r], 0 in rows that no index names.
  /// (C1) %dy is f32 over the rows of %index. (C2) %index is i32 of one dim and selects from the rows of %rows.
  case compactGradient
  /// `cross_entropy_gradient %logits, %targets {scale c}`: c (softmax(logits) sum(targets) - targets) of each row.
  /// (C1) and (C2) as cross_entropy.
  case crossEntropyGradient(scale: Float)
  /// `row_dot %x, %dy`: the product of two rows, f32[R]: the gradient of scale_rows by m. (C1) both are f32[R, N].
  case rowDot
  /// `soft_keep_gradient %m, %dm, %segments[, #thresholds] {layer L, temperature t}`: dm m (1 - m) / t, 0 for each
  /// sample's first token, f32[T]. With #thresholds its sum is taken away from the gradient of thresholds[L].
  /// (C1) %m and %dm are f32[T]. (C2), (C3) and (C4) as soft_keep.
  case softKeepGradient(layer: Int, temperature: Float)
  /// `mean_rows_penalty_gradient %segments, %rows {scale c}`: c / n in each of the n rows of a sample, f32[T].
  /// (C1) %segments is i32[B + 1] and counts T. (C2) %rows has T rows. (C3) c is finite.
  case meanRowsPenaltyGradient(scale: Float)
}

/// The word that names an operation of training graphs in text.
public enum GradientMnemonic: String, CaseIterable, Sendable {
  case targets, features, columns, dropout
  case dropoutAttention = "dropout_attention"
  case softKeep = "soft_keep"
  case scaleRows = "scale_rows"
  case meanRowsPenalty = "mean_rows_penalty"
  case crossEntropy = "cross_entropy"
  case linearInputGradient = "linear_input_gradient"
  case linearWeightGradient = "linear_weight_gradient"
  case activationGradient = "activation_gradient"
  case layerNormGradient = "layer_norm_gradient"
  case attentionGradient = "attention_gradient"
  case embedGradient = "embed_gradient"
  case firstRowsGradient = "first_rows_gradient"
  case segmentMeanGradient = "segment_mean_gradient"
  case compactGradient = "compact_gradient"
  case crossEntropyGradient = "cross_entropy_gradient"
  case rowDot = "row_dot"
  case softKeepGradient = "soft_keep_gradient"
  case meanRowsPenaltyGradient = "mean_rows_penalty_gradient"
}
