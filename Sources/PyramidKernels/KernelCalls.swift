// One call of each large operation: C's struct, filled in by name and without the numbers that the kernel decides.
// Separate from Kernels.swift because a caller makes these from its own tables.

import CPyramidKernels
import PyramidIR

/// A linear layer over `rows` rows: y [rows][columns] from x [rows][depth].
public struct LinearCall {
  /// What happens to x W^T + bias.
  public enum Finish {
    /// An elementwise function.
    case activation(Activation)
    /// layer_norm(... + residual) * gamma + beta; residual [rows][columns], which y may be; gamma, beta [columns].
    case norm(
      residual: UnsafePointer<Float>, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>, epsilon: Float)
  }

  var c = mp_linear_call()

  /// `weight` [columns][depth] as `Weight.packed` made it for the kernel's set and precision; `scratch` holds
  /// `scratchBytes`.
  public init(
    rows: Int, depth: Int, columns: Int, x: UnsafePointer<Float>, weight: UnsafeRawPointer,
    bias: UnsafePointer<Float>?, finish: Finish, y: UnsafeMutablePointer<Float>, scratch: UnsafeMutableRawPointer
  ) {
    (c.rows, c.depth, c.columns) = (Int32(rows), Int32(depth), Int32(columns))
    (c.x, c.weight, c.bias, c.y, c.scratch) = (x, weight, bias, y, scratch)
    switch finish {
    case .activation(let activation): c.activation = activation.number
    case .norm(let residual, let gamma, let beta, let epsilon):
      (c.residual, c.gamma, c.beta, c.epsilon) = (residual, gamma, beta, epsilon)
    }
  }

  /// Bytes of scratch that layers of reduced precision need for at most `rows` rows of at most `depth` columns.
  public static func scratchBytes(threads: Int, rows: Int, depth: Int) -> Int {
    mp_linear_scratch_bytes(Int32(threads), Int32(rows), Int32(depth))
  }
}

/// Attention of each sample's tokens to each other, in `heads` heads of `headSize` columns.
public struct AttentionCall {
  var c = mp_attention_call()

  /// q, k and v [tokens][stride]; `segments` [samples + 1] the first token of each sample, then the number of tokens; out
  /// [tokens][heads * headSize]. received [tokens], if wanted: mean over heads of the attention that a token receives,
  /// summed over its sample's queries; fromFirst [tokens]: mean over heads of the attention of the sample's first token to
  /// each, times the sample's length. `scratch` holds `scratchCount` floats.
  public init(
    q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, stride: Int,
    segments: UnsafePointer<Int32>, samples: Int, heads: Int, headSize: Int, out: UnsafeMutablePointer<Float>,
    received: UnsafeMutablePointer<Float>?, fromFirst: UnsafeMutablePointer<Float>?,
    scratch: UnsafeMutablePointer<Float>
  ) {
    (c.q, c.k, c.v, c.stride, c.segments, c.samples) = (q, k, v, Int32(stride), segments, Int32(samples))
    (c.heads, c.head_dim, c.out) = (Int32(heads), Int32(headSize), out)
    (c.received, c.from_first, c.scratch) = (received, fromFirst, scratch)
  }

  /// Floats of scratch for at most `tokens` tokens, in samples that may be as long.
  public static func scratchCount(_ kernel: Kernel, threads: Int, tokens: Int, heads: Int, headSize: Int) -> Int {
    mp_attention_scratch_count(
      kernel.set.runningSet, Int32(threads), kernel.precision.number, Int32(tokens), Int32(tokens), Int32(heads),
      Int32(headSize))
  }
}

/// Attention of each sample's first token alone, without keys and values.
public struct FirstAttentionCall {
  var c = mp_first_attention_call()

  /// q and out [samples][heads * headSize]; x [tokens][depth]; wk and wv [heads * headSize][depth] as `Weight.packed` made
  /// them; segments and fromFirst as in `AttentionCall`; `scratch` holds `scratchCount` floats.
  public init(
    q: UnsafePointer<Float>, x: UnsafePointer<Float>, depth: Int, wk: UnsafeRawPointer, wv: UnsafeRawPointer,
    bv: UnsafePointer<Float>, segments: UnsafePointer<Int32>, samples: Int, heads: Int, headSize: Int,
    out: UnsafeMutablePointer<Float>, fromFirst: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
  ) {
    (c.q, c.x, c.depth, c.wk, c.wv, c.bv) = (q, x, Int32(depth), wk, wv, bv)
    (c.segments, c.samples, c.heads, c.head_dim) = (segments, Int32(samples), Int32(heads), Int32(headSize))
    (c.out, c.from_first, c.scratch) = (out, fromFirst, scratch)
  }

  /// Floats of scratch for at most `tokens` tokens of `depth` columns, in samples that may be as long.
  public static func scratchCount(threads: Int, tokens: Int, heads: Int, depth: Int) -> Int {
    mp_first_attention_scratch_count(Int32(threads), Int32(tokens), Int32(tokens), Int32(heads), Int32(depth))
  }
}
