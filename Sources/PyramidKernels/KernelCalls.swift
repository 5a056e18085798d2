// One call of each large operation: its operands by name, and the scratch that it needs. Separate from Kernels.swift
// because a caller fills these in from its own tables.

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

  let rows: Int, depth: Int, columns: Int
  let x: UnsafePointer<Float>
  let weight: UnsafeRawPointer
  let bias: UnsafePointer<Float>?
  let finish: Finish
  let y: UnsafeMutablePointer<Float>
  let scratch: UnsafeMutableRawPointer

  /// `weight` [columns][depth] as `Weight.packed` made it for the kernel's set and precision; `scratch` holds
  /// `scratchBytes`.
  public init(
    rows: Int, depth: Int, columns: Int, x: UnsafePointer<Float>, weight: UnsafeRawPointer,
    bias: UnsafePointer<Float>?, finish: Finish, y: UnsafeMutablePointer<Float>, scratch: UnsafeMutableRawPointer
  ) {
    (self.rows, self.depth, self.columns) = (rows, depth, columns)
    (self.x, self.weight, self.bias, self.finish) = (x, weight, bias, finish)
    (self.y, self.scratch) = (y, scratch)
  }

  /// Bytes of scratch that layers of reduced precision need for at most `rows` rows of at most `depth` columns.
  public static func scratchBytes(threads: Int, rows: Int, depth: Int) -> Int {
    mp_linear_scratch_bytes(Int32(threads), Int32(rows), Int32(depth))
  }
}

/// Attention of each sample's tokens to each other, in `heads` heads of `headSize` columns.
public struct AttentionCall {
  let q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>
  let stride: Int
  let segments: UnsafePointer<Int32>
  let samples: Int, heads: Int, headSize: Int
  let out: UnsafeMutablePointer<Float>
  let scratch: UnsafeMutablePointer<Float>
  /// [tokens]: mean over heads of the attention that a token receives, summed over its sample's queries; or nil.
  public var received: UnsafeMutablePointer<Float>?
  /// [tokens]: mean over heads of the attention of the sample's first token to each, times its length; or nil.
  public var fromFirst: UnsafeMutablePointer<Float>?

  /// q, k and v [tokens][stride]; `segments` [samples + 1] the first token of each sample, then the number of tokens; out
  /// [tokens][heads * headSize]; `scratch` holds `scratchCount` floats.
  public init(
    q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, stride: Int,
    segments: UnsafePointer<Int32>, samples: Int, heads: Int, headSize: Int, out: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    (self.q, self.k, self.v, self.stride, self.segments, self.samples) = (q, k, v, stride, segments, samples)
    (self.heads, self.headSize, self.out, self.scratch) = (heads, headSize, out, scratch)
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
  let q: UnsafePointer<Float>, x: UnsafePointer<Float>
  let depth: Int
  let wk: UnsafeRawPointer, wv: UnsafeRawPointer
  let bv: UnsafePointer<Float>
  let segments: UnsafePointer<Int32>
  let samples: Int, heads: Int, headSize: Int
  let out: UnsafeMutablePointer<Float>
  let fromFirst: UnsafeMutablePointer<Float>?
  let scratch: UnsafeMutablePointer<Float>

  /// q and out [samples][heads * headSize]; x [tokens][depth]; wk and wv [heads * headSize][depth] as `Weight.packed` made
  /// them; `fromFirst` as in `AttentionCall`; `scratch` holds `scratchCount` floats.
  public init(
    q: UnsafePointer<Float>, x: UnsafePointer<Float>, depth: Int, wk: UnsafeRawPointer, wv: UnsafeRawPointer,
    bv: UnsafePointer<Float>, segments: UnsafePointer<Int32>, samples: Int, heads: Int, headSize: Int,
    out: UnsafeMutablePointer<Float>, fromFirst: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
  ) {
    (self.q, self.x, self.depth, self.wk, self.wv, self.bv) = (q, x, depth, wk, wv, bv)
    (self.segments, self.samples, self.heads, self.headSize) = (segments, samples, heads, headSize)
    (self.out, self.fromFirst, self.scratch) = (out, fromFirst, scratch)
  }

  /// Floats of scratch for at most `tokens` tokens of `depth` columns, in samples that may be as long.
  public static func scratchCount(threads: Int, tokens: Int, heads: Int, depth: Int) -> Int {
    mp_first_attention_scratch_count(Int32(threads), Int32(tokens), Int32(tokens), Int32(heads), Int32(depth))
  }
}
