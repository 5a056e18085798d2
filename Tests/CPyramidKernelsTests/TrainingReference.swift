// What the kernels of training compute, in Double and in the most obvious way.
import CPyramidKernels
import Testing

import Glibc

/// A linear layer with what flows back into it.
struct LayerCase {
  let rows, depth, columns: Int
  var x, dy, weight, bias: [Float]

  static let sizes = [
    (1, 1, 1), (3, 5, 7), (9, 16, 17), (33, 31, 8), (65, 64, 129), (330, 40, 33), (700, 24, 20), (7, 130, 64),
  ]

  init(_ size: (Int, Int, Int)) {
    (rows, depth, columns) = size
    var numbers = Numbers(rows + depth * 1000 + columns)
    x = numbers.next(rows * depth)
    dy = numbers.next(rows * columns)
    weight = numbers.next(columns * depth)
    bias = numbers.next(columns)
  }

  /// With the factors of products in bf16.
  var rounded: LayerCase {
    var layer = self
    layer.x = x.map(Rounded.bf16)
    layer.dy = dy.map(Rounded.bf16)
    layer.weight = weight.map(Rounded.bf16)
    return layer
  }

  var inputGradient: [Double] {
    Reference.linear(dy, Self.turned(weight, columns), nil, rows: rows, depth: columns, columns: depth)
  }
  var weightGradient: [Double] {
    Reference.linear(
      Self.turned(dy, rows), Self.turned(x, rows), nil, rows: columns, depth: rows, columns: depth)
  }
  var biasGradient: [Double] {
    let ones = [Float](repeating: 1, count: rows)
    return Reference.linear(ones, Self.turned(dy, rows), nil, rows: 1, depth: rows, columns: columns)
  }

  /// A matrix of so many rows with rows and columns exchanged.
  private static func turned(_ matrix: [Float], _ rows: Int) -> [Float] {
    let columns = matrix.count / rows
    var turned = matrix
    matrix.withUnsafeBufferPointer { matrix in
      for r in 0..<rows {
        for c in 0..<columns { turned[c * rows + r] = matrix[r * columns + c] }
      }
    }
    return turned
  }
}

extension Reference {
  /// The definition of dropout in pyramid_kernels.h.
  static func isKept(_ dropout: mp_dropout, _ counter: UInt32) -> Bool {
    var h = counter ^ UInt32(truncatingIfNeeded: dropout.key)
    h = (h ^ (h >> 16)) &* 0x85eb_ca6b
    h ^= UInt32(truncatingIfNeeded: dropout.key >> 32)
    h = (h ^ (h >> 13)) &* 0xc2b2_ae35
    return Float((h ^ (h >> 16)) >> 8) >= (dropout.rate * 0x1p24).rounded()
  }

  /// The derivative of an activation by central differences.
  static func slope(_ x: Double, _ activation: mp_activation) -> Double {
    let step = 1e-5
    return (activate(x + step, activation) - activate(x - step, activation)) / (2 * step)
  }

  static func layerNormGradient(
    _ x: [Float], _ dy: [Float], columns: Int, gamma: [Float], epsilon: Double
  ) -> (dx: [Double], dgamma: [Double], dbeta: [Double]) {
    var dx = [Double](repeating: 0, count: x.count)
    var dgamma = [Double](repeating: 0, count: columns), dbeta = dgamma
    for row in stride(from: 0, to: x.count, by: columns) {
      let values = x[row..<row + columns].map(Double.init)
      let mean = values.reduce(0, +) / Double(columns)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      let scale = 1 / (variance + epsilon).squareRoot()
      let normal = values.map { ($0 - mean) * scale }
      let g = (0..<columns).map { Double(dy[row + $0]) * Double(gamma[$0]) }
      let sum = g.reduce(0, +) / Double(columns)
      let product = zip(g, normal).reduce(0) { $0 + $1.0 * $1.1 } / Double(columns)
      for c in 0..<columns {
        dx[row + c] = scale * (g[c] - sum - normal[c] * product)
        dgamma[c] += Double(dy[row + c]) * normal[c]
        dbeta[c] += Double(dy[row + c])
      }
    }
    return (dx, dgamma, dbeta)
  }
}

extension AttentionCase {
  /// The probabilities of one head of a sample, [length][length], and what multiplies each under dropout.
  private func shares(_ first: Int, _ length: Int, _ head: Int, _ dropout: mp_dropout) -> (
    p: [[Double]], kept: [[Double]]
  ) {
    let scale = 1 / Double(dim).squareRoot()
    var p: [[Double]] = [], kept: [[Double]] = []
    for query in first..<first + length {
      let scores = (first..<first + length).map { key in
        (0..<dim).reduce(0.0) { sum, d in
          let q = qkv[query * stride + head * dim + d], k = qkv[key * stride + width + head * dim + d]
          return sum + Double(q) * Double(k)
        } * scale
      }
      p.append(Reference.softmax(scores))
      kept.append(
        (0..<length).map { key in
          if dropout.rate == 0 { return 1 }
          let counter = UInt32((query * heads + head) * 4096 + key)
          return Reference.isKept(dropout, counter) ? 1 / (1 - Double(dropout.rate)) : 0
        })
    }
    return (p, kept)
  }

  private func value(_ token: Int, _ part: Int, _ head: Int, _ d: Int) -> Double {
    Double(qkv[token * stride + part * width + head * dim + d])
  }

  /// The context under dropout.
  func context(_ dropout: mp_dropout) -> [Double] {
    var out = [Double](repeating: 0, count: tokens * width)
    for (sample, length) in lengths.enumerated() {
      let first = Int(segments[sample])
      for head in 0..<heads {
        let (p, kept) = shares(first, length, head, dropout)
        for i in 0..<length {
          for j in 0..<length {
            for d in 0..<dim {
              out[(first + i) * width + head * dim + d] += p[i][j] * kept[i][j] * value(first + j, 2, head, d)
            }
          }
        }
      }
    }
    return out
  }

  /// Gradients by q, k and v.
  func gradient(_ dropout: mp_dropout, dout: [Float], dreceived: [Float]?) -> [[Double]] {
    var result = [[Double]](repeating: [Double](repeating: 0, count: tokens * width), count: 3)
    let scale = 1 / Double(dim).squareRoot()
    for (sample, length) in lengths.enumerated() {
      let first = Int(segments[sample])
      for head in 0..<heads {
        let (p, kept) = shares(first, length, head, dropout)
        func place(_ token: Int, _ d: Int) -> Int { (first + token) * width + head * dim + d }
        for i in 0..<length {
          let dp = (0..<length).map { j in
            let flow = (0..<dim).reduce(0.0) { $0 + Double(dout[place(i, $1)]) * value(first + j, 2, head, $1) }
            return flow * kept[i][j] + (dreceived.map { Double($0[first + j]) / Double(heads) } ?? 0)
          }
          let mean = zip(p[i], dp).reduce(0) { $0 + $1.0 * $1.1 }
          for j in 0..<length {
            let ds = p[i][j] * (dp[j] - mean) * scale
            for d in 0..<dim {
              result[0][place(i, d)] += ds * value(first + j, 1, head, d)
              result[1][place(j, d)] += ds * value(first + i, 0, head, d)
              result[2][place(j, d)] += p[i][j] * kept[i][j] * Double(dout[place(i, d)])
            }
          }
        }
      }
    }
    return result
  }

  /// Runs the kernel of the gradient between guards: dq, dk and dv.
  func runGradient(_ isa: mp_isa, threads: Int32, _ dropout: mp_dropout, dout: [Float], dreceived: [Float]?) -> [Buffer]
  {
    let results = (0..<3).map { Buffer(count: tokens * width, shift: $0) }
    let input = Buffer(qkv, shift: 1), received = Buffer(dreceived ?? [])
    let count = mp_attention_gradient_scratch_count(isa, threads, Int32(lengths.max() ?? 0), Int32(dim))
    let scratch = Buffer(count: count, shift: 3)
    segments.withUnsafeBufferPointer { segments in
      dout.withUnsafeBufferPointer { dout in
        var call = mp_attention_gradient_call(
          isa: isa, threads: threads, q: input.start, k: input.start + width, v: input.start + 2 * width,
          stride: Int32(stride), segments: segments.baseAddress, samples: Int32(lengths.count), heads: Int32(heads),
          head_dim: Int32(dim), dropout: dropout, dout: dout.baseAddress,
          dreceived: dreceived == nil ? nil : UnsafePointer(received.start), dq: results[0].start,
          dk: results[1].start, dv: results[2].start, scratch: scratch.start)
        mp_attention_gradient(&call)
      }
    }
    for buffer in results + [scratch] { buffer.expectMarginsIntact("attention gradient") }
    return results
  }
}
