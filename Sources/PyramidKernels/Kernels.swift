// The kernels as Swift calls them: what a node's kernel field names, and one function for each operation. Sizes are
// trusted, as in C: the program was checked when it was opened. Nothing here allocates.
//
// A matrix is row-major f32, written [rows][columns]. Outputs must not overlap inputs but where C's header says so.

import CPyramidKernels
import PyramidIR

/// The kernels of one instruction set and precision, run by a team of `threads`.
public struct Kernels: Sendable {
  private let isa: mp_isa
  private let precision: mp_precision
  private let threads: Int32

  /// The kernels that `kernel` names. This machine must support its set.
  public init(_ kernel: Kernel, threads: Int) {
    isa = kernel.set.runningSet
    precision = kernel.precision.number
    self.threads = Int32(threads)
  }

  /// Runs a linear layer.
  public func linear(_ call: LinearCall) {
    var c = call.c
    (c.isa, c.threads, c.precision) = (isa, threads, precision)
    mp_linear(&c)
  }

  /// Runs an attention.
  public func attention(_ call: AttentionCall) {
    var c = call.c
    (c.isa, c.threads, c.precision) = (isa, threads, precision)
    mp_attention(&c)
  }

  /// Runs attention of each sample's first token.
  public func firstAttention(_ call: FirstAttentionCall) {
    var c = call.c
    (c.isa, c.threads, c.precision) = (isa, threads, precision)
    mp_first_attention(&c)
  }

  /// y = activation(x), [rows][columns]; y may be x.
  public func activate(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, _ activation: Activation, into y: UnsafeMutablePointer<Float>
  ) {
    mp_activate(isa, threads, x, Int32(rows), Int32(columns), activation.number, y)
  }

  /// y = a + b, [rows][columns]; y may be a or b.
  public func add(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Float>
  ) {
    mp_add(isa, threads, a, b, Int32(rows), Int32(columns), y)
  }

  /// y = the layer norm of each row of x, [rows][columns]; y may be x.
  public func layerNorm(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
    epsilon: Float, into y: UnsafeMutablePointer<Float>
  ) {
    mp_layer_norm(isa, threads, x, Int32(rows), Int32(columns), gamma, beta, epsilon, y)
  }

  /// y [rows][columns] = the sum of one row of each table; every index is a row of its table. Types may be left out.
  public func embed(
    ids: UnsafePointer<Int32>, positions: UnsafePointer<Int32>, types: UnsafePointer<Int32>?, rows: Int, columns: Int,
    wordTable: UnsafePointer<Float>, positionTable: UnsafePointer<Float>, typeTable: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>
  ) {
    mp_embed(
      isa, threads, ids, positions, types, Int32(rows), Int32(columns), wordTable, positionTable, typeTable, y)
  }

  /// y = the softmax of each row of x, [rows][columns]; y may be x.
  public func softmax(_ x: UnsafePointer<Float>, rows: Int, columns: Int, into y: UnsafeMutablePointer<Float>) {
    mp_softmax_rows(isa, x, Int32(rows), Int32(columns), y)
  }

  /// y [rows] = the Euclidean norm of the columns `range` of each row of x [rows][stride].
  public func rowNorm(
    _ x: UnsafePointer<Float>, rows: Int, stride: Int, columns range: Range<Int>, into y: UnsafeMutablePointer<Float>
  ) {
    mp_row_norm(isa, x, Int32(rows), Int32(stride), Int32(range.lowerBound), Int32(range.count), y)
  }

  /// y[r] = x[index[r]], for `rows` rows of `columns` elements of 4 bytes.
  public func gather(
    _ x: UnsafeRawPointer, columns: Int, index: UnsafePointer<Int32>, rows: Int, into y: UnsafeMutableRawPointer
  ) {
    mp_gather_rows(threads, x, Int32(columns), index, Int32(rows), y)
  }
}
