// The kernels as Swift calls them: what a node's kernel field names, and one function for each operation. Sizes are
// trusted, as in C: the program was checked when it was opened. Nothing here allocates.
//
// A matrix is row-major f32, written [rows][columns]. Outputs must not overlap inputs but where C's header says so.

import CPyramidKernels
import PyramidIR

/// What happens to x W^T + bias in a linear layer.
public enum LinearFinish {
  /// An elementwise function.
  case activation(Activation)
  /// layer_norm(... + residual) * gamma + beta; residual [rows][columns], which y may be; gamma, beta [columns].
  case norm(residual: UnsafePointer<Float>, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>, epsilon: Float)
}

/// The kernels of one instruction set and precision, run by a team of `threads`.
public struct Kernels: Sendable {
  let isa: mp_isa
  let precision: mp_precision
  let threads: Int32

  /// The kernels that `kernel` names. This machine must support its set.
  public init(_ kernel: Kernel, threads: Int) {
    isa = kernel.set.runningSet
    precision = kernel.precision.number
    self.threads = Int32(threads)
  }

  /// y [rows][columns] = x W^T + bias of x [rows][depth], finished as `finish` says. `weight` [columns][depth] as
  /// `Weight.packed` made it for the kernel's set and precision; `scratch` holds `linearScratchBytes`.
  public func linear(
    rows: Int, depth: Int, columns: Int, x: UnsafePointer<Float>, weight: UnsafeRawPointer,
    bias: UnsafePointer<Float>?, finish: LinearFinish, y: UnsafeMutablePointer<Float>, scratch: UnsafeMutableRawPointer
  ) {
    var c = mp_linear_call()
    (c.isa, c.threads, c.precision) = (isa, threads, precision)
    (c.rows, c.depth, c.columns) = (Int32(rows), Int32(depth), Int32(columns))
    (c.x, c.weight, c.bias, c.y, c.scratch) = (x, weight, bias, y, scratch)
    switch finish {
    case .activation(let activation): c.activation = activation.number
    case .norm(let residual, let gamma, let beta, let epsilon):
      (c.residual, c.gamma, c.beta, c.epsilon) = (residual, gamma, beta, epsilon)
    }
    mp_linear(&c)
  }

  /// Bytes of scratch that layers of reduced precision need for at most `rows` rows of at most `depth` columns.
  public static func linearScratchBytes(threads: Int, rows: Int, depth: Int) -> Int {
    mp_linear_scratch_bytes(Int32(threads), Int32(rows), Int32(depth))
  }

  /// Attention of each sample's tokens to each other, in `heads` heads of `headSize` columns. q, k and v
  /// [tokens][stride]; `segments` [samples + 1] the first token of each sample, then the number of tokens; out
  /// [tokens][heads * headSize]. received [tokens], if wanted: mean over heads of the attention that a token receives,
  /// summed over its sample's queries; fromFirst [tokens]: mean over heads of the attention of the sample's first token
  /// to each, times the sample's length; fromOthers [tokens]: as received, without a token's own. `sizes` [tokens], if
  /// given: a key counts as often. `scratch` holds
  /// `attentionScratchCount` floats.
  public func attention(
    q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, stride: Int,
    segments: UnsafePointer<Int32>, samples: Int, sizes: UnsafePointer<Float>? = nil, heads: Int, headSize: Int,
    out: UnsafeMutablePointer<Float>, received: UnsafeMutablePointer<Float>?, fromFirst: UnsafeMutablePointer<Float>?,
    fromOthers: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
  ) {
    var c = mp_attention_call()
    (c.isa, c.threads, c.precision) = (isa, threads, precision)
    (c.q, c.k, c.v, c.stride, c.segments, c.samples) = (q, k, v, Int32(stride), segments, Int32(samples))
    (c.heads, c.head_dim, c.out) = (Int32(heads), Int32(headSize), out)
    (c.received, c.from_first, c.from_others, c.scratch) = (received, fromFirst, fromOthers, scratch)
    c.sizes = sizes
    mp_attention(&c)
  }

  /// Floats of scratch for at most `tokens` tokens, in samples that may be as long.
  public static func attentionScratchCount(
    _ kernel: Kernel, threads: Int, tokens: Int, heads: Int, headSize: Int
  ) -> Int {
    mp_attention_scratch_count(
      kernel.set.runningSet, Int32(threads), kernel.precision.number, Int32(tokens), Int32(tokens), Int32(heads),
      Int32(headSize))
  }

  /// Attention of each sample's first token alone, without keys and values. q and out [samples][heads * headSize]; x
  /// [tokens][depth]; wk and wv [heads * headSize][depth] as `Weight.packed` made them; segments, sizes and fromFirst as in
  /// `attention`; `scratch` holds `firstAttentionScratchCount` floats.
  public func firstAttention(
    q: UnsafePointer<Float>, x: UnsafePointer<Float>, depth: Int, wk: UnsafeRawPointer, wv: UnsafeRawPointer,
    bv: UnsafePointer<Float>, segments: UnsafePointer<Int32>, samples: Int, sizes: UnsafePointer<Float>? = nil,
    heads: Int, headSize: Int, out: UnsafeMutablePointer<Float>, fromFirst: UnsafeMutablePointer<Float>?,
    scratch: UnsafeMutablePointer<Float>
  ) {
    var c = mp_first_attention_call()
    (c.isa, c.threads, c.precision) = (isa, threads, precision)
    (c.q, c.x, c.depth, c.wk, c.wv, c.bv) = (q, x, Int32(depth), wk, wv, bv)
    (c.segments, c.samples, c.heads, c.head_dim) = (segments, Int32(samples), Int32(heads), Int32(headSize))
    (c.out, c.from_first, c.scratch, c.sizes) = (out, fromFirst, scratch, sizes)
    mp_first_attention(&c)
  }

  /// Floats of scratch for at most `tokens` tokens of `depth` columns, in samples that may be as long.
  public static func firstAttentionScratchCount(threads: Int, tokens: Int, heads: Int, depth: Int) -> Int {
    mp_first_attention_scratch_count(Int32(threads), Int32(tokens), Int32(tokens), Int32(heads), Int32(depth))
  }

  /// y = activation(x), [rows][columns]; y may be x.
  public func activate(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, _ activation: Activation, into y: UnsafeMutablePointer<Float>
  ) { mp_activate(isa, threads, x, Int32(rows), Int32(columns), activation.number, y) }

  /// y = a + b, [rows][columns]; y may be a or b.
  public func add(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Float>
  ) { mp_add(isa, threads, a, b, Int32(rows), Int32(columns), y) }

  /// y = the layer norm of each row of x, [rows][columns]; y may be x.
  public func layerNorm(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
    epsilon: Float, into y: UnsafeMutablePointer<Float>
  ) { mp_layer_norm(isa, threads, x, Int32(rows), Int32(columns), gamma, beta, epsilon, y) }

  /// y [rows][columns] = the sum of one row of each table; every index is a row of its table. Positions and types may be left out.
  public func embed(
    ids: UnsafePointer<Int32>, positions: UnsafePointer<Int32>?, types: UnsafePointer<Int32>?, rows: Int, columns: Int,
    wordTable: UnsafePointer<Float>, positionTable: UnsafePointer<Float>?, typeTable: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>
  ) {
    mp_embed(isa, threads, ids, positions, types, Int32(rows), Int32(columns), wordTable, positionTable, typeTable, y)
  }

  /// y [samples][columns] = the mean of each sample's rows of x [tokens][columns]; `segments` as in `attention`, no
  /// sample empty.
  public func segmentMean(
    _ x: UnsafePointer<Float>, columns: Int, segments: UnsafePointer<Int32>, samples: Int,
    into y: UnsafeMutablePointer<Float>
  ) { mp_segment_mean(isa, threads, x, Int32(columns), segments, Int32(samples), y) }

  /// y [rows][columns of a, then of b] = a and b side by side.
  public func concat(
    _ a: UnsafePointer<Float>, columns left: Int, _ b: UnsafePointer<Float>, columns right: Int, rows: Int,
    into y: UnsafeMutablePointer<Float>
  ) { mp_concat_rows(threads, a, Int32(left), b, Int32(right), Int32(rows), y) }

  /// The entry's head: logits [samples][classes] of the bag of each sample's tokens, see `Op.bagLogits`. ids [tokens];
  /// segments as in `attention`; table [..][classes], bigrams [pairs][classes], bias [classes].
  public func bagLogits(
    ids: UnsafePointer<Int32>, segments: UnsafePointer<Int32>, samples: Int, skip: [Int32], separator: Int32,
    table: UnsafePointer<Float>, bigrams: UnsafePointer<Float>?, pairs: Int, bias: UnsafePointer<Float>, classes: Int,
    into logits: UnsafeMutablePointer<Float>
  ) {
    skip.withUnsafeBufferPointer { skip in
      var c = mp_bag_call()
      (c.threads, c.ids, c.segments, c.samples) = (threads, ids, segments, Int32(samples))
      (c.skip, c.skips, c.separator) = (skip.baseAddress, Int32(skip.count), separator)
      (c.table, c.bigrams, c.pairs, c.bias) = (table, bigrams, UInt64(pairs), bias)
      (c.classes, c.logits) = (Int32(classes), logits)
      mp_bag_logits(&c)
    }
  }

  /// y = the softmax of each row of x, [rows][columns]; y may be x.
  public func softmax(_ x: UnsafePointer<Float>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Float>) {
    mp_softmax_rows(isa, x, Int32(rows), Int32(columns), y)
  }

  /// y [rows] = the Euclidean norm of the columns `range` of each row of x [rows][stride].
  public func rowNorm(
    _ x: UnsafePointer<Float>, rows: Int, stride: Int, columns range: Range<Int>, into y: UnsafeMutablePointer<Float>
  ) { mp_row_norm(isa, x, Int32(rows), Int32(stride), Int32(range.lowerBound), Int32(range.count), y) }

  /// y [rows][headSize] = the mean over heads of the columns from `first` on of each row of x [rows][stride].
  public func headMean(
    _ x: UnsafePointer<Float>, rows: Int, stride: Int, first: Int, heads: Int, headSize: Int,
    into y: UnsafeMutablePointer<Float>
  ) { mp_head_mean(threads, x, Int32(rows), Int32(stride), Int32(first), Int32(heads), Int32(headSize), y) }

  /// y [pooled][columns]: each row is the sum of the rows of x [rows][columns] that go into it, in their order, each
  /// times its share; `into` and `shares` [rows].
  public func pool(
    _ x: UnsafePointer<Float>, columns: Int, into: UnsafePointer<Int32>, shares: UnsafePointer<Float>, rows: Int,
    pooled: Int, y: UnsafeMutablePointer<Float>
  ) { mp_pool_rows(threads, x, Int32(columns), into, shares, Int32(rows), Int32(pooled), y) }

  /// y[r] = x[index[r]], or -1 where the index is -1, for `rows` rows of `columns` elements of 4 bytes.
  public func gather(
    _ x: UnsafeRawPointer, columns: Int, index: UnsafePointer<Int32>, rows: Int, into y: UnsafeMutableRawPointer
  ) { mp_gather_rows(threads, x, Int32(columns), index, Int32(rows), y) }
}
