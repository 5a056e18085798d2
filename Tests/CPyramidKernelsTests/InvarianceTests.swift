// The promise of the packed paths: a row's and a sample's bits do not depend on company, place or threads. And what
// must happen to a NaN: it stays with the rows that it belongs to.
import CPyramidKernels
import Testing

extension Kernels {
  @Suite struct Invariance {
    init() { mp_set_team(3) }

    static let threads: [Int32] = [1, 2, 3]

    @Test(arguments: Path.invariant, [1, 14, 64, 100, 384])
    func `a row alone and in any batch has the same bits`(_ path: Path, _ columns: Int) {
      let depth = 129, rows = 23
      var numbers = Numbers(columns)
      let x = numbers.next(rows * depth), bias = numbers.next(columns)
      let gamma = numbers.next(columns), beta = numbers.next(columns), residual = numbers.next(rows * columns)
      let weights = packed(numbers.next(columns * depth), columns: columns, depth: depth, for: path.isa)

      func layer(_ range: Range<Int>, threads: Int32, norm: Bool) -> [UInt32] {
        let y = Buffer(count: range.count * columns, shift: range.lowerBound % 4)
        let input = Buffer(Array(x[range.lowerBound * depth..<range.upperBound * depth]), shift: range.count % 4)
        let skip = Buffer(Array(residual[range.lowerBound * columns..<range.upperBound * columns]))
        if norm {
          linear(
            path.isa, threads, input.start, rows: range.count, depth: depth, weight: weights, bias: bias,
            columns: columns,
            residual: skip.start, gamma: gamma, beta: beta, epsilon: 1e-12, y: y)
        } else {
          linear(
            path.isa, threads, input.start, rows: range.count, depth: depth, weight: weights, bias: bias,
            columns: columns,
            MP_ACTIVATION_GELU, y: y)
        }
        return y.bits
      }

      for norm in [false, true] {
        let whole = layer(0..<rows, threads: 1, norm: norm)
        for threads in Self.threads { #expect(layer(0..<rows, threads: threads, norm: norm) == whole) }
        for start in 0..<rows {
          for count in [1, 2, 3, 4, 5, 6, 7, 13] where start + count <= rows {
            let part = layer(start..<start + count, threads: 1, norm: norm)
            #expect(part == Array(whole[start * columns..<(start + count) * columns]), "rows \(start) + \(count)")
          }
        }
      }
    }

    @Test(arguments: Path.invariant) func `threads leave no trace in a layer worth sharing`(_ path: Path) {
      for (rows, columns) in [(1, 1536), (4, 384), (7, 400), (400, 64), (511, 33)] {
        var numbers = Numbers(rows)
        let depth = 384, x = numbers.next(rows * depth)
        let weights = packed(numbers.next(columns * depth), columns: columns, depth: depth, for: path.isa)
        let results = [Int32]([1, 2, 3, 4, 7]).map { threads in
          let y = Buffer(count: rows * columns)
          linear(
            path.isa, threads, x, rows: rows, depth: depth, weight: weights, bias: nil, columns: columns,
            MP_ACTIVATION_TANH, y: y)
          return y.bits
        }
        #expect(results.allSatisfy { $0 == results[0] }, "\(rows) rows, \(columns) columns")
      }
    }

    @Test(arguments: Path.invariant) func `a value's activation does not depend on its lane`(_ path: Path) {
      for raw in 1...4 {
        let all = Buffer((0..<67).map { Float($0 - 33) / 4 })
        let values = all.values
        mp_activate(path.isa, 1, all.start, 1, 67, mp_activation(UInt32(raw)), all.start)
        for (value, expected) in zip(values, all.bits) {
          let alone = Buffer([value])
          mp_activate(path.isa, 1, alone.start, 1, 1, mp_activation(UInt32(raw)), alone.start)
          #expect(alone.bits == [expected])
        }
      }
    }

    @Test(arguments: Path.invariant, [(32, MP_PRECISION_F32), (64, MP_PRECISION_F32), (21, MP_PRECISION_BF16)])
    func `a sample's attention is the same alone and among others`(_ path: Path, _ kind: (Int, mp_precision)) {
      let (dim, precision) = kind
      let batch = AttentionCase(lengths: [7, 64, 1, 33, 150, 2, 18], heads: 3, dim: dim, seed: dim, scale: 2)
      let whole = batch.run(path.isa, threads: 1, precision)
      for threads in Self.threads {
        let again = batch.run(path.isa, threads: threads, precision, shift: Int(threads))
        #expect(again.out.bits == whole.out.bits)
        #expect(again.received.bits == whole.received.bits)
        #expect(again.fromFirst.bits == whole.fromFirst.bits)
        #expect(again.fromOthers.bits == whole.fromOthers.bits)
      }
      var first = 0
      for length in batch.lengths {
        let range = first..<first + length
        let single = AttentionCase(lengths: [length], heads: 3, dim: dim, qkv: batch.rows(range))
        let alone = single.run(path.isa, threads: 3, precision)
        let among = whole.out.bits[(range.lowerBound * batch.width)..<(range.upperBound * batch.width)]
        #expect(alone.out.bits == Array(among))
        #expect(alone.received.bits == Array(whole.received.bits[range]))
        #expect(alone.fromFirst.bits == Array(whole.fromFirst.bits[range]))
        #expect(alone.fromOthers.bits == Array(whole.fromOthers.bits[range]))
        first += length
      }
    }

    @Test(arguments: Path.invariant) func `long samples have the same ranges at any thread count`(_ path: Path) {
      let batch = AttentionCase(lengths: [1100, 129], heads: 2, dim: 8, seed: 1)
      let results = Self.threads.map { batch.run(path.isa, threads: $0) }
      #expect(results.allSatisfy { $0.out.bits == results[0].out.bits })
      #expect(results.allSatisfy { $0.received.bits == results[0].received.bits })
    }

    @Test(arguments: Setting.all) func `a NaN stays in its row of a layer`(_ setting: Setting) {
      let (rows, depth, columns) = (9, 20, 70)
      var numbers = Numbers(2)
      var x = numbers.next(rows * depth)
      x[4 * depth + 11] = .nan
      let weights = packed(numbers.next(columns * depth), columns: columns, depth: depth, for: setting.isa)
      let ones = [Float](repeating: 1, count: columns), y = Buffer(count: rows * columns)
      for raw in 0...4 {
        linear(
          setting.isa, setting.threads, x, rows: rows, depth: depth, weight: weights, bias: nil, columns: columns,
          mp_activation(UInt32(raw)), y: y)
        #expect(y.values.enumerated().allSatisfy { $1.isNaN == ($0 / columns == 4) }, "activation \(raw)")
      }
      let residual = [Float](repeating: 0, count: rows * columns)
      linear(
        setting.isa, setting.threads, x, rows: rows, depth: depth, weight: weights, bias: nil, columns: columns,
        residual: residual, gamma: ones, beta: ones, epsilon: 1e-12, y: y)
      #expect(y.values.enumerated().allSatisfy { $1.isNaN == ($0 / columns == 4) })
    }

    @Test(arguments: Setting.all) func `a NaN stays in its sample of an attention`(_ setting: Setting) {
      let plain = AttentionCase(lengths: [5, 30, 40], heads: 1, dim: 32, seed: 1)
      var qkv = plain.qkv
      qkv[(5 + 17) * plain.stride + plain.width + 3] = .nan  // a key of sample 1
      let actual = AttentionCase(lengths: plain.lengths, heads: 1, dim: 32, qkv: qkv).run(
        setting.isa, threads: setting.threads)
      #expect(actual.out.values.enumerated().allSatisfy { $1.isNaN == (5..<35).contains($0 / plain.width) })
      #expect(actual.received.values.enumerated().allSatisfy { $1.isNaN == (5..<35).contains($0) })
    }

    @Test(arguments: Path.all) func `a NaN or infinite score makes its softmax row NaN`(_ path: Path) {
      for columns in [1, 7, 16, 33] {
        for place in [0, columns / 2, columns - 1] {
          for poison in [Float.nan, .infinity] {
            var x = [Float](repeating: 0.5, count: 2 * columns)
            x[place] = poison
            let y = Buffer(count: 2 * columns)
            mp_softmax_rows(path.isa, x, 2, Int32(columns), y.start)
            #expect(y.values[place].isNaN)
            if poison.isNaN { #expect(y.values[..<columns].allSatisfy { $0.isNaN }) }
            #expect(y.values[columns...].allSatisfy { !$0.isNaN })
          }
        }
      }
    }

    @Test(arguments: Path.all) func `activations have their limits at infinity`(_ path: Path) {
      let limits: [(mp_activation, Float, Float)] = [
        (MP_ACTIVATION_GELU, 0, .infinity), (MP_ACTIVATION_GELU_TANH, 0, .infinity),
        (MP_ACTIVATION_RELU, 0, .infinity), (MP_ACTIVATION_TANH, -1, 1),
      ]
      for (activation, low, high) in limits {
        let y = Buffer([-.infinity, .infinity, .nan])
        mp_activate(path.isa, 1, y.start, 1, 3, activation, y.start)
        #expect(y.values[0] == low && y.values[1] == high && y.values[2].isNaN, "\(activation): \(y.values)")
      }
    }
  }
}
