// Attention of first tokens against its definition in Double, and the same bits alone and in company.
import CPyramidKernels
import Glibc
import Testing

/// Inputs of `mp_first_attention`.
struct FirstCase {
  let lengths: [Int]
  let heads, dim, depth: Int
  let q, x, wk, wv, bv: [Float]

  var width: Int { heads * dim }
  var segments: [Int32] { lengths.reduce(into: [0]) { $0.append($0.last! + Int32($1)) } }

  init(lengths: [Int], heads: Int, dim: Int, depth: Int, seed: Int) {
    var numbers = Numbers(seed)
    (self.lengths, self.heads, self.dim, self.depth) = (lengths, heads, dim, depth)
    let width = heads * dim
    q = numbers.next(lengths.count * width)
    x = numbers.next(lengths.reduce(0, +) * depth)
    wk = numbers.next(width * depth)
    wv = numbers.next(width * depth)
    bv = numbers.next(width)
  }

  /// A sample's part of the same case.
  func alone(_ sample: Int) -> FirstCase {
    let rows = Int(segments[sample])..<Int(segments[sample + 1])
    return FirstCase(
      lengths: [lengths[sample]], heads: heads, dim: dim, depth: depth,
      q: Array(q[sample * width..<(sample + 1) * width]),
      x: Array(x[rows.lowerBound * depth..<rows.upperBound * depth]), wk: wk, wv: wv, bv: bv)
  }

  private init(
    lengths: [Int], heads: Int, dim: Int, depth: Int, q: [Float], x: [Float], wk: [Float], wv: [Float], bv: [Float]
  ) {
    (self.lengths, self.heads, self.dim, self.depth) = (lengths, heads, dim, depth)
    (self.q, self.x, self.wk, self.wv, self.bv) = (q, x, wk, wv, bv)
  }

  /// How often each token counts as a key; nil for once.
  var sizes: [Float]?

  /// Keys and values formed, as attention is usually written, and the attention of the first token to each.
  var reference: (out: [Double], fromFirst: [Double]) {
    var result: [Double] = []
    var weights = [Double](repeating: 0, count: lengths.reduce(0, +))
    for sample in lengths.indices {
      let rows = Int(segments[sample])..<Int(segments[sample + 1])
      for head in 0..<heads {
        func project(_ weight: [Float], _ row: Int, _ column: Int) -> Double {
          (0..<depth).reduce(0.0) { $0 + Double(weight[column * depth + $1]) * Double(x[row * depth + $1]) }
        }
        let columns = head * dim..<(head + 1) * dim
        let scores = rows.map { row in
          columns.reduce(0.0) { $0 + Double(q[sample * width + $1]) * project(wk, row, $1) } / Double(dim).squareRoot()
            + log(Double(sizes?[row] ?? 1))
        }
        let largest = scores.max() ?? 0
        let shares = scores.map { exp($0 - largest) }
        let sum = shares.reduce(0, +)
        for (row, share) in zip(rows, shares) { weights[row] += share / sum * Double(rows.count) / Double(heads) }
        for column in columns {
          result.append(
            zip(rows, shares).reduce(Double(bv[column])) { $0 + $1.1 / sum * project(wv, $1.0, column) })
        }
      }
    }
    return (result, weights)
  }

  /// The same with weights as they are after being stored in a precision.
  func rounded(_ precision: mp_precision) -> FirstCase {
    func round(_ weight: [Float]) -> [Float] {
      switch precision {
      case MP_PRECISION_BF16: return weight.map(Rounded.bf16)
      case MP_PRECISION_INT8:
        let (numbers, scales) = Rounded.int8(weight, columns: depth, isInput: false)
        return numbers.enumerated().map { $1 * scales[$0 / depth] }
      default: return weight
      }
    }
    return FirstCase(
      lengths: lengths, heads: heads, dim: dim, depth: depth, q: q, x: x, wk: round(wk), wv: round(wv), bv: bv)
  }

  private func stored(_ weight: [Float], _ precision: mp_precision, shift: Int) -> Buffer {
    let buffer = Buffer(count: mp_rows_packed_bytes(precision, Int32(width), Int32(depth)) / 4, shift: shift)
    mp_rows_pack(precision, weight, Int32(width), Int32(depth), buffer.start)
    buffer.expectMarginsIntact("packing rows")
    return buffer
  }

  func run(
    _ isa: mp_isa, threads: Int32, _ precision: mp_precision = MP_PRECISION_F32, shift: Int = 0, signals: Bool = true
  )
    -> (out: Buffer, fromFirst: Buffer)
  {
    let inputs = [q, x, bv].map { Buffer($0, shift: shift) }
    let counts = sizes.map { Buffer($0, shift: shift) }
    let keys = stored(wk, precision, shift: shift), values = stored(wv, precision, shift: shift)
    let out = Buffer(count: lengths.count * width, shift: shift)
    let fromFirst = Buffer(count: lengths.reduce(0, +), shift: shift)
    let scratch = Buffer(
      count: mp_first_attention_scratch_count(
        threads, segments.last!, Int32(lengths.max() ?? 0), Int32(heads), Int32(depth)), shift: shift)
    segments.withUnsafeBufferPointer { segments in
      var call = mp_first_attention_call(
        isa: isa, threads: threads, precision: precision, q: inputs[0].start, x: inputs[1].start, depth: Int32(depth),
        segments: segments.baseAddress, samples: Int32(lengths.count), heads: Int32(heads), head_dim: Int32(dim),
        wk: keys.start, wv: values.start, bv: inputs[2].start, out: out.start,
        from_first: signals ? fromFirst.start : nil, sizes: counts?.start, scratch: scratch.start)
      mp_first_attention(&call)
    }
    for buffer in [out, fromFirst, scratch] { buffer.expectMarginsIntact("first attention") }
    return (out, fromFirst)
  }
}

extension Kernels {
  @Suite struct `First attention` {
    init() { mp_set_team(3) }

    private static let cases = [
      FirstCase(lengths: [1], heads: 1, dim: 1, depth: 1, seed: 1),
      FirstCase(lengths: [1, 2, 3, 5, 17], heads: 4, dim: 32, depth: 128, seed: 2),
      FirstCase(lengths: [33, 64, 7], heads: 12, dim: 32, depth: 384, seed: 3),
      FirstCase(lengths: [129, 4], heads: 5, dim: 7, depth: 35, seed: 4),
      FirstCase(lengths: [15, 16, 31], heads: 3, dim: 5, depth: 65, seed: 5),
      FirstCase(lengths: [511], heads: 6, dim: 3, depth: 17, seed: 6),
    ]

    @Test func `keys that count several times get as much`() {
      for (index, plain) in Self.cases.enumerated() {
        var batch = plain
        batch.sizes = (0..<plain.lengths.reduce(0, +)).map { [1, 4, 2][$0 % 3] }
        let expected = batch.reference
        for setting in Setting.all {
          let actual = batch.run(setting.isa, threads: setting.threads, shift: index % 4)
          expectClose(actual.out.values, expected.out, within: 5e-5, "\(setting.testDescription), \(batch.lengths)")
        }
      }
    }

    @Test func `the output equals attention with keys and values`() {
      for (index, batch) in Self.cases.enumerated() {
        let expected = batch.reference
        for setting in Setting.all {
          let actual = batch.run(setting.isa, threads: setting.threads, shift: index % 4)
          let place = "\(setting.testDescription), lengths \(batch.lengths)"
          expectClose(actual.out.values, expected.out, within: 2e-5, place)
          expectClose(actual.fromFirst.values, expected.fromFirst, within: 2e-5, place)
        }
      }
    }

    @Test(arguments: Reduced.precisions) func `weights may be stored reduced`(_ precision: mp_precision) {
      for (index, batch) in Self.cases.enumerated() {
        let expected = batch.rounded(precision).reference.out
        for setting in Setting.all {
          let actual = batch.run(setting.isa, threads: setting.threads, precision, shift: index % 4)
          expectClose(
            actual.out.values, expected, within: 2e-5, "\(setting.testDescription), lengths \(batch.lengths)")
        }
      }
    }

    @Test(arguments: Path.invariant) func `a sample is the same alone and among others, on any threads`(_ path: Path) {
      for batch in Self.cases {
        let together = batch.run(path.isa, threads: 3)
        #expect(batch.run(path.isa, threads: 2, signals: false).out.bits == together.out.bits)
        for sample in batch.lengths.indices {
          let alone = batch.alone(sample).run(path.isa, threads: 1)
          #expect(alone.out.bits == Array(together.out.bits[sample * batch.width..<(sample + 1) * batch.width]))
          let tokens = Int(batch.segments[sample])..<Int(batch.segments[sample + 1])
          #expect(alone.fromFirst.bits == Array(together.fromFirst.bits[tokens]))
        }
      }
    }
  }
}
