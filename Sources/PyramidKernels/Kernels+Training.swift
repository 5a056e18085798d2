// The kernels of training as Swift calls them. Separate from the others because inference calls none of these. What is
// called the gradient of a weight is added to; where it is nil the weight is frozen.

import CPyramidKernels
import PyramidIR

/// Which elements are dropped: at what rate, and by the key of a run and a stream.
public struct Dropout: Sendable {
  fileprivate let value: mp_dropout

  /// Nothing is dropped.
  public static let none = Dropout(value: mp_dropout(rate: 0, key: 0))

  /// Dropout number `stream` in a run.
  public init(rate: Float, stream: Int, _ random: RandomState) {
    self.init(value: mp_dropout(rate: rate, key: random.key(stream: stream)))
  }

  private init(value: mp_dropout) { self.value = value }
}

extension Kernels {
  /// Floats of scratch for the products of a layer with a weight [columns][depth] and at most `rows` rows.
  public static func trainingLinearScratchCount(
    _ kernel: Kernel, threads: Int, rows: Int, depth: Int, columns: Int
  ) -> Int {
    var layer = Kernels(kernel, threads: threads).layer(rows, depth, columns, scratch: nil)
    return mp_training_linear_scratch_count(&layer)
  }

  /// y [rows][columns] = x W^T + bias; `weight` [columns][depth] row by row.
  public func trainingLinear(
    rows: Int, depth: Int, columns: Int, x: UnsafePointer<Float>, weight: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, y: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    var layer = layer(rows, depth, columns, scratch: scratch)
    mp_training_linear(&layer, x, weight, bias, y)
  }

  /// dx [rows][depth] = dy W; `weight` [columns][depth] row by row.
  public func linearInputGradient(
    rows: Int, depth: Int, columns: Int, dy: UnsafePointer<Float>, weight: UnsafePointer<Float>,
    dx: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    var layer = layer(rows, depth, columns, scratch: scratch)
    mp_linear_input_gradient(&layer, dy, weight, dx)
  }

  /// dWeight [columns][depth] += dy^T x, dBias [columns] += the sums of dy's columns.
  public func linearWeightGradient(
    rows: Int, depth: Int, columns: Int, x: UnsafePointer<Float>, dy: UnsafePointer<Float>,
    dWeight: UnsafeMutablePointer<Float>?, dBias: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
  ) {
    var layer = layer(rows, depth, columns, scratch: scratch)
    mp_linear_weight_gradient(&layer, x, dy, dWeight, dBias)
  }

  private func layer(
    _ rows: Int, _ depth: Int, _ columns: Int, scratch: UnsafeMutablePointer<Float>?
  ) -> mp_training_layer {
    mp_training_layer(
      isa: isa, threads: threads, precision: precision, rows: Int32(rows), depth: Int32(depth),
      columns: Int32(columns), scratch: scratch)
  }

  /// y = x dropped out, [rows][columns]; y may be x.
  public func dropout(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, _ dropout: Dropout, into y: UnsafeMutablePointer<Float>
  ) { mp_apply_dropout(isa, threads, x, Int32(rows), Int32(columns), dropout.value, y) }

  /// dx = dy times the slope of the activation at x, [rows][columns]; dx may be x or dy.
  public func activationGradient(
    _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, rows: Int, columns: Int, _ activation: Activation,
    into dx: UnsafeMutablePointer<Float>
  ) { mp_activation_gradient(isa, threads, x, dy, Int32(rows), Int32(columns), activation.number, dx) }

  /// Floats of scratch for `layerNormGradient`.
  public static func layerNormGradientScratchCount(rows: Int, columns: Int) -> Int {
    mp_layer_norm_gradient_scratch_count(Int32(rows), Int32(columns))
  }

  /// The gradient of `layerNorm` by x, [rows][columns], by gamma and by beta, [columns].
  public func layerNormGradient(
    _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, rows: Int, columns: Int, gamma: UnsafePointer<Float>,
    epsilon: Float, into dx: UnsafeMutablePointer<Float>, dGamma: UnsafeMutablePointer<Float>?,
    dBeta: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
  ) {
    mp_layer_norm_gradient(
      isa, threads, x, dy, Int32(rows), Int32(columns), gamma, epsilon, dx, dGamma, dBeta, scratch)
  }

  /// Attention as the call without dropout, with probabilities that multiply v dropped out; `received` is of all.
  public func dropoutAttention(
    q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, stride: Int,
    segments: UnsafePointer<Int32>, samples: Int, heads: Int, headSize: Int, dropout: Dropout,
    out: UnsafeMutablePointer<Float>, received: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
  ) {
    var c = mp_attention_call()
    (c.isa, c.threads, c.precision) = (isa, threads, MP_PRECISION_F32)
    (c.q, c.k, c.v, c.stride, c.segments, c.samples) = (q, k, v, Int32(stride), segments, Int32(samples))
    (c.heads, c.head_dim, c.out) = (Int32(heads), Int32(headSize), out)
    (c.received, c.scratch, c.dropout) = (received, scratch, dropout.value)
    mp_attention(&c)
  }

  /// Floats of scratch for `attentionGradient` of samples of at most `tokens` tokens.
  public static func attentionGradientScratchCount(
    _ set: InstructionSet, threads: Int, tokens: Int, headSize: Int
  ) -> Int {
    mp_attention_gradient_scratch_count(set.runningSet, Int32(threads), Int32(tokens), Int32(headSize))
  }

  /// Gradients of `dropoutAttention` by q, k and v, [tokens][heads * headSize] each, from those by its result, dy, and by
  /// what tokens received, [tokens]. q, k and v have as many columns.
  public func attentionGradient(
    q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, segments: UnsafePointer<Int32>,
    samples: Int, heads: Int, headSize: Int, dropout: Dropout, dy: UnsafePointer<Float>,
    dReceived: UnsafePointer<Float>?, dq: UnsafeMutablePointer<Float>, dk: UnsafeMutablePointer<Float>,
    dv: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    var c = mp_attention_gradient_call()
    (c.isa, c.threads, c.q, c.k, c.v, c.stride) = (isa, threads, q, k, v, Int32(heads * headSize))
    (c.segments, c.samples, c.heads, c.head_dim) = (segments, Int32(samples), Int32(heads), Int32(headSize))
    (c.dropout, c.dout, c.dreceived, c.dq, c.dk, c.dv) = (dropout.value, dy, dReceived, dq, dk, dv)
    c.scratch = scratch
    mp_attention_gradient(&c)
  }

  /// dTable[indices[r]] += dy[r]; dy [rows][columns].
  public func embedGradient(
    indices: UnsafePointer<Int32>, dy: UnsafePointer<Float>, rows: Int, columns: Int,
    dTable: UnsafeMutablePointer<Float>
  ) { mp_embed_gradient(threads, indices, nil, nil, dy, Int32(rows), Int32(columns), dTable, nil, nil) }

  /// y[r] = x[r] * factor[r]; x and y [rows][columns], y may be x.
  public func scaleRows(
    _ x: UnsafePointer<Float>, by factor: UnsafePointer<Float>, rows: Int, columns: Int,
    into y: UnsafeMutablePointer<Float>
  ) { mp_scale_rows(threads, x, factor, Int32(rows), Int32(columns), y) }

  /// y [rows] = the products of the rows of a and b, [rows][columns].
  public func rowDot(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Float>
  ) { mp_row_dot(threads, a, b, Int32(rows), Int32(columns), y) }

  /// y [rows][range.count] = the columns `range` of x [rows][stride].
  public func copyColumns(
    _ x: UnsafePointer<Float>, rows: Int, stride: Int, columns range: Range<Int>, into y: UnsafeMutablePointer<Float>
  ) { mp_copy_columns(threads, x, Int32(rows), Int32(stride), Int32(range.lowerBound), Int32(range.count), y) }

  /// y [rows][columns] = zeros, but y[index[r]] = x[r] for the `count` rows of x; indices differ.
  public func scatter(
    _ x: UnsafePointer<Float>, index: UnsafePointer<Int32>, count: Int, rows: Int, columns: Int,
    into y: UnsafeMutablePointer<Float>
  ) { mp_scatter_rows(threads, x, index, Int32(count), Int32(rows), Int32(columns), y) }

  /// dx [tokens][columns]: each row gets its sample's row of dy divided by the sample's length.
  public func segmentMeanGradient(
    dy: UnsafePointer<Float>, segments: UnsafePointer<Int32>, samples: Int, columns: Int,
    into dx: UnsafeMutablePointer<Float>
  ) { mp_segment_mean_gradient(threads, dy, segments, Int32(samples), Int32(columns), dx) }

  /// loss [rows] = -scale * sum over classes of target * log softmax(logits).
  public func crossEntropy(
    logits: UnsafePointer<Float>, targets: UnsafePointer<Float>, rows: Int, classes: Int, scale: Float,
    into loss: UnsafeMutablePointer<Float>
  ) { mp_cross_entropy(logits, targets, Int32(rows), Int32(classes), scale, loss) }

  /// Its gradient by the logits, [rows][classes], which may be the logits' place.
  public func crossEntropyGradient(
    logits: UnsafePointer<Float>, targets: UnsafePointer<Float>, rows: Int, classes: Int, scale: Float,
    into dLogits: UnsafeMutablePointer<Float>
  ) { mp_cross_entropy_gradient(logits, targets, Int32(rows), Int32(classes), scale, dLogits) }

  /// mask [tokens] = sigmoid((score - threshold) / temperature), 1 for first tokens; mask may be score.
  public func softKeep(
    score: UnsafePointer<Float>, segments: UnsafePointer<Int32>, samples: Int, threshold: Float, temperature: Float,
    into mask: UnsafeMutablePointer<Float>
  ) { mp_soft_keep(score, segments, Int32(samples), threshold, temperature, mask) }

  /// Gradients of `softKeep` from its result: by the scores, [tokens], and by the threshold.
  public func softKeepGradient(
    mask: UnsafePointer<Float>, dMask: UnsafePointer<Float>, segments: UnsafePointer<Int32>, samples: Int,
    temperature: Float, into dScore: UnsafeMutablePointer<Float>, dThreshold: UnsafeMutablePointer<Float>?
  ) { mp_soft_keep_gradient(mask, dMask, segments, Int32(samples), temperature, dScore, dThreshold) }

  /// y [samples] = scale times the mean of each sample's mask, [tokens].
  public func meanRowsPenalty(
    mask: UnsafePointer<Float>, segments: UnsafePointer<Int32>, samples: Int, scale: Float,
    into y: UnsafeMutablePointer<Float>
  ) { mp_mean_rows_penalty(mask, segments, Int32(samples), scale, y) }

  /// Its gradient by the mask, [tokens].
  public func meanRowsPenaltyGradient(
    segments: UnsafePointer<Int32>, samples: Int, scale: Float, into dMask: UnsafeMutablePointer<Float>
  ) { mp_mean_rows_penalty_gradient(segments, Int32(samples), scale, dMask) }
}

/// What an optimiser does with whole vectors, by a team of `threads`. Results do not depend on their number.
public struct VectorKernels: Sendable {
  private let threads: Int32

  /// For a team of `threads`.
  public init(threads: Int) { self.threads = Int32(threads) }

  /// The sum of the squares, in double precision.
  public func sumOfSquares(_ x: UnsafeMutableBufferPointer<Float>) -> Double {
    x.baseAddress.map { mp_sum_of_squares(threads, $0, x.count) } ?? 0
  }

  /// x *= factor.
  public func scale(_ x: UnsafeMutableBufferPointer<Float>, by factor: Float) {
    if let base = x.baseAddress { mp_scale(threads, base, x.count, factor) }
  }

  /// x = 0.
  public func zero(_ x: UnsafeMutableBufferPointer<Float>) {
    if let base = x.baseAddress { mp_zero(threads, base, x.count) }
  }

  /// One update of AdamW (Loshchilov and Hutter 2019) of vectors of one length. With g the gradient times
  /// `gradientScale`: first and second decay towards g and g^2, value = value * keep - stepSize * first /
  /// (sqrt(second * secondScale) + epsilon), gradient = 0.
  public func adamW(
    _ values: UnsafeMutableBufferPointer<Float>, gradient: UnsafeMutableBufferPointer<Float>,
    first: UnsafeMutableBufferPointer<Float>, second: UnsafeMutableBufferPointer<Float>, gradientScale: Float,
    stepSize: Float, secondScale: Float, keep: Float, beta1: Float, beta2: Float, epsilon: Float
  ) {
    precondition(
      [gradient.count, first.count, second.count].allSatisfy { $0 == values.count }, "vectors of one length")
    guard let base = values.baseAddress else { return }
    let settings = mp_adamw(
      gradient_scale: gradientScale, step_size: stepSize, second_scale: secondScale, keep: keep, beta1: beta1,
      beta2: beta2, epsilon: epsilon)
    mp_adamw_step(
      threads, settings, base, gradient.baseAddress, first.baseAddress, second.baseAddress, values.count)
  }
}
