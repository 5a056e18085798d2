// What the kernels compute, in Double and in the most obvious way: the oracle of these tests.
import CPyramidKernels
import Testing

import Glibc

enum Reference {
  /// x [rows][depth] times weight [columns][depth] transposed, plus bias.
  static func linear(
    _ x: [Float], _ weight: [Float], _ bias: [Float]?, rows: Int, depth: Int, columns: Int
  ) -> [Double] {
    var y = [Double](repeating: 0, count: rows * columns)
    let x = x.map(Double.init), weight = weight.map(Double.init)
    x.withUnsafeBufferPointer { x in
      weight.withUnsafeBufferPointer { weight in
        for r in 0..<rows {
          for c in 0..<columns {
            var sum = bias.map { Double($0[c]) } ?? 0
            var k = 0
            while k < depth {
              sum += x[r * depth + k] * weight[c * depth + k]
              k += 1
            }
            y[r * columns + c] = sum
          }
        }
      }
    }
    return y
  }

  static func activate(_ x: Double, _ activation: mp_activation) -> Double {
    switch activation {
    case MP_ACTIVATION_GELU: x * 0.5 * erfc(-x / 2.0.squareRoot())
    case MP_ACTIVATION_GELU_TANH: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case MP_ACTIVATION_RELU: max(x, 0)
    case MP_ACTIVATION_TANH: tanh(x)
    default: x
    }
  }

  static func layerNorm(_ x: [Double], columns: Int, gamma: [Float], beta: [Float], epsilon: Double) -> [Double] {
    var y = x
    for row in stride(from: 0, to: x.count, by: columns) {
      let values = x[row..<row + columns]
      let mean = values.reduce(0, +) / Double(columns)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      for c in 0..<columns {
        y[row + c] = (x[row + c] - mean) / (variance + epsilon).squareRoot() * Double(gamma[c]) + Double(beta[c])
      }
    }
    return y
  }

  static func softmax(_ x: [Double]) -> [Double] {
    let greatest = x.max() ?? 0
    let powers = x.map { exp($0 - greatest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }
}

/// A batch for attention: q, k and v are column ranges of one matrix, as in a fused projection.
struct AttentionCase {
  let lengths: [Int]
  let heads: Int, dim: Int
  let qkv: [Float]
  var stride: Int { 3 * heads * dim + 5 }
  var width: Int { heads * dim }
  var tokens: Int { lengths.reduce(0, +) }
  var segments: [Int32] { lengths.reduce(into: [0]) { $0.append($0.last! + Int32($1)) } }

  init(lengths: [Int], heads: Int, dim: Int, seed: Int, scale: Float = 1) {
    (self.lengths, self.heads, self.dim) = (lengths, heads, dim)
    var numbers = Numbers(seed)
    qkv = numbers.next(lengths.reduce(0, +) * (3 * heads * dim + 5), scale: scale)
  }

  /// A batch with the rows of other batches' samples.
  /// How often each token counts as a key; nil for once.
  var sizes: [Float]?

  init(lengths: [Int], heads: Int, dim: Int, qkv: [Float]) {
    (self.lengths, self.heads, self.dim, self.qkv) = (lengths, heads, dim, qkv)
  }

  func rows(_ range: Range<Int>) -> [Float] { Array(qkv[range.lowerBound * stride..<range.upperBound * stride]) }

  typealias Signals = (out: [Double], received: [Double], fromFirst: [Double], fromOthers: [Double])

  var reference: Signals { reference(inBF16: false) }

  /// `inBF16` rounds the operands of both products as the header tells: scaled queries, keys, probabilities, values.
  func reference(inBF16 rounds: Bool) -> Signals {
    func rounded(_ x: Float) -> Double { Double(rounds ? Rounded.bf16(x) : x) }
    var out = [Double](repeating: 0, count: tokens * width)
    var received = [Double](repeating: 0, count: tokens), fromFirst = received, fromOthers = received
    let data = qkv.map(rounded), scale = 1 / Double(dim).squareRoot()
    let queries = rounds ? qkv.map { rounded($0 * (1 / Float(dim).squareRoot())) } : data.map { $0 * scale }
    var first = 0
    for length in lengths {
      for head in 0..<heads {
        for query in 0..<length {
          let q = (first + query) * stride + head * dim
          let scores = (0..<length).map { key in
            let k = (first + key) * stride + width + head * dim
            var sum = 0.0
            for d in 0..<dim { sum += queries[q + d] * data[k + d] }
            return sum + log(Double(sizes?[first + key] ?? 1))
          }
          for (key, share) in Reference.softmax(scores).enumerated() {
            let v = (first + key) * stride + 2 * width + head * dim, o = (first + query) * width + head * dim
            let weight = rounds ? rounded(Float(share)) : share
            for d in 0..<dim { out[o + d] += weight * data[v + d] }
            received[first + key] += share / Double(heads)
            if query != key { fromOthers[first + key] += share / Double(heads) }
            if query == 0 { fromFirst[first + key] += share * Double(length) / Double(heads) }
          }
        }
      }
      first += length
    }
    return (out, received, fromFirst, fromOthers)
  }

  /// Runs the kernel between guards; `signals` asks for all scores too.
  func run(
    _ isa: mp_isa, threads: Int32, _ precision: mp_precision = MP_PRECISION_F32, signals: Bool = true, shift: Int = 0,
    dropout: mp_dropout = mp_dropout(rate: 0, key: 0)
  ) -> (out: Buffer, received: Buffer, fromFirst: Buffer, fromOthers: Buffer) {
    let input = Buffer(qkv, shift: shift), out = Buffer(count: tokens * width, shift: shift)
    let received = Buffer(count: tokens, shift: shift), fromFirst = Buffer(count: tokens, shift: shift)
    let fromOthers = Buffer(count: tokens, shift: shift)
    let counts = sizes.map { Buffer($0, shift: shift) }
    let longest = lengths.max() ?? 0
    let scratch = Buffer(
      count: mp_attention_scratch_count(
        isa, threads, precision, Int32(tokens), Int32(longest), Int32(heads), Int32(dim)),
      shift: shift)
    segments.withUnsafeBufferPointer { segments in
      var call = mp_attention_call(
        isa: isa, threads: threads, precision: precision, q: input.start, k: input.start + width,
        v: input.start + 2 * width, stride: Int32(stride), segments: segments.baseAddress,
        samples: Int32(lengths.count), heads: Int32(heads), head_dim: Int32(dim), out: out.start,
        received: signals ? received.start : nil, from_first: signals ? fromFirst.start : nil, sizes: counts?.start,
        from_others: signals ? fromOthers.start : nil, scratch: scratch.start, relation: nil, positions: nil,
        is_of_first: 0, q_stride: 0, dropout: dropout)
      mp_attention(&call)
    }
    for buffer in [out, received, fromFirst, fromOthers, scratch] { buffer.expectMarginsIntact("attention") }
    return (out, received, fromFirst, fromOthers)
  }
}
