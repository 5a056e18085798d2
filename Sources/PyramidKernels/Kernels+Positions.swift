// The kernels of families whose attention depends on the places of tokens, and the tables that they read: made once for a
// program, since angles and buckets follow from positions and nothing else. Separate from Kernels.swift, whose kernels keep
// nothing.

import CPyramidKernels
import Glibc
import PyramidIR

/// What a step reads besides operands and weights: numbers for each position or distance of two.
public final class PositionTable: @unchecked Sendable {
  fileprivate let words: UnsafeMutableRawBufferPointer

  private init<Element: BitwiseCopyable>(_ values: [Element]) {
    words = .allocate(byteCount: max(values.count, 1) * 4, alignment: 64)
    values.withUnsafeBytes { words.copyMemory(from: $0) }
  }

  /// Cosines and sines of a rotation's angles at positions below `limit`, [limit][size].
  public convenience init(_ rotation: Rotation, positions limit: Int) {
    let half = rotation.size / 2
    var turns = [Float](repeating: 0, count: limit * rotation.size)
    for pair in 0..<half {
      let frequency = rotation.angle(position: 1, pair: pair)
      for position in 0..<limit {
        let angle = Double(Float(position) * frequency)
        turns[position * rotation.size + pair] = Float(cos(angle))
        turns[position * rotation.size + half + pair] = Float(sin(angle))
      }
    }
    self.init(turns)
  }

  /// Rows of buckets for a key's position less the query's, from 1 - limit to limit - 1.
  public convenience init(_ buckets: DistanceBuckets, positions limit: Int) {
    var rows = (0..<2 * limit - 1).map { Int32(buckets.row(of: limit - 1 - $0)) }
    rows += [Int32](repeating: 0, count: MP_ROWS_SLACK)
    self.init(rows)
  }

  deinit { words.deallocate() }
}

/// What a relative attention reads, besides rows and offsets.
public struct AttentionTerms {
  /// Its payload.
  public let relative: RelativeAttention
  /// Its buckets' rows for distances of positions below `limit`; nil without terms.
  public let rows: PositionTable?
  public let limit: Int
  /// Tables, one for each term.
  public let tables: [UnsafePointer<Float>]

  /// The terms of an attention.
  public init(_ relative: RelativeAttention, rows: PositionTable?, limit: Int, tables: [UnsafePointer<Float>]) {
    (self.relative, self.rows, self.limit, self.tables) = (relative, rows, limit, tables)
  }

  fileprivate func relation(headSize: Int) -> mp_relation {
    var c = mp_relation()
    c.window = Int32(relative.window ?? -1)
    c.scale = 1 / Float(relative.squaredScale(headSize: headSize)).squareRoot()
    c.rows = rows.map { UnsafePointer($0.words.baseAddress!.assumingMemoryBound(to: Int32.self)) }
    (c.reach, c.table_rows) = (Int32(limit), Int32(relative.buckets?.rows ?? 0))
    for (term, table) in zip(relative.terms, tables) {
      switch term {
      case .bias: c.bias = table
      case .queryProduct: c.queries = table
      case .keyProduct: c.keys = table
      }
    }
    return c
  }
}

extension Kernels {
  /// Attention as in `attention`, with terms of positions [tokens], which ascend in each sample. q [tokens][stride], or of
  /// first tokens [samples][heads * headSize], as out then is; of first tokens only fromFirst is handed out. `scratch`
  /// holds `relativeAttentionScratchCount` floats.
  public func relativeAttention(
    _ terms: AttentionTerms, q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, stride: Int,
    positions: UnsafePointer<Int32>, segments: UnsafePointer<Int32>, samples: Int, sizes: UnsafePointer<Float>?,
    headSize: Int, out: UnsafeMutablePointer<Float>, received: UnsafeMutablePointer<Float>?,
    fromFirst: UnsafeMutablePointer<Float>?, fromOthers: UnsafeMutablePointer<Float>?,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let heads = terms.relative.heads
    withUnsafePointer(to: terms.relation(headSize: headSize)) { relation in
      var c = mp_attention_call()
      (c.isa, c.threads, c.precision) = (isa, threads, MP_PRECISION_F32)
      (c.q, c.k, c.v, c.stride, c.segments, c.samples) = (q, k, v, Int32(stride), segments, Int32(samples))
      (c.heads, c.head_dim, c.out, c.sizes) = (Int32(heads), Int32(headSize), out, sizes)
      (c.received, c.from_first, c.from_others, c.scratch) = (received, fromFirst, fromOthers, scratch)
      (c.relation, c.positions) = (relation, positions)
      (c.is_of_first, c.q_stride) = (terms.relative.form == .first ? 1 : 0, Int32(heads * headSize))
      mp_attention(&c)
    }
  }

  /// Floats of scratch for at most `tokens` tokens, in samples that may be as long.
  public static func relativeAttentionScratchCount(
    _ relative: RelativeAttention, _ kernel: Kernel, threads: Int, tokens: Int, headSize: Int
  ) -> Int {
    mp_relative_attention_scratch_count(
      kernel.set.runningSet, Int32(threads), Int32(tokens), Int32(tokens), Int32(relative.heads), Int32(headSize),
      Int32(relative.buckets?.rows ?? 0))
  }

  /// y = activation(left half of x) * right half; x [rows][2 * columns], y [rows][columns].
  public func gate(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, _ activation: Activation, into y: UnsafeMutablePointer<Float>
  ) { mp_gate(isa, threads, x, Int32(rows), Int32(columns), activation.number, y) }

  /// y = x [rows][columns] with its first columns turned by the angles of positions [rows], of which `turns` is the table; y
  /// may be x.
  public func rotate(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, _ rotation: Rotation, turns: PositionTable,
    positions: UnsafePointer<Int32>, into y: UnsafeMutablePointer<Float>
  ) {
    mp_rotate(
      isa, threads, x, Int32(rows), Int32(columns), Int32(rotation.columns), Int32(rotation.size), positions,
      turns.words.baseAddress!.assumingMemoryBound(to: Float.self), y)
  }
}
