// Elementwise and row kernels against the Double reference, at every size class.
import CPyramidKernels
import Testing

import Glibc

extension Kernels {
  @Suite struct Rows {
    init() { mp_set_team(3) }

    @Test(arguments: Path.all) func `activations keep their stated errors over the whole range`(_ path: Path) {
      let limits: [(mp_activation, Double)] = [
        (MP_ACTIVATION_NONE, 0), (MP_ACTIVATION_GELU, 1e-6), (MP_ACTIVATION_GELU_TANH, 1e-6),
        (MP_ACTIVATION_RELU, 0), (MP_ACTIVATION_TANH, 3e-7),
      ]
      let edges: [Float] = [1e-30, -1e-8, 1e-4, 5.2, -5.2, 0.625, 100, -100, 3e38, -3e38]
      let points = (-6000...6000).map { Float($0) / 500 } + edges
      for (activation, limit) in limits {
        let y = Buffer(points, shift: 3)
        mp_activate(path.isa, 1, y.start, 1, Int32(points.count), activation, y.start)
        y.expectMarginsIntact("activate")
        expectClose(
          y.values, points.map { Reference.activate(Double($0), activation) }, within: limit, "\(activation)")
      }
    }

    @Test(arguments: Setting.all) func `sums equal the reference, shared or not`(_ setting: Setting) {
      for (rows, columns) in Kernels.sizes.map({ (3, $0) }) + [(65, 511)] {
        var numbers = Numbers(columns)
        let a = Buffer(numbers.next(rows * columns), shift: 1), b = Buffer(numbers.next(rows * columns), shift: 2)
        let y = Buffer(count: rows * columns, shift: 3)
        mp_add(setting.isa, setting.threads, a.start, b.start, Int32(rows), Int32(columns), y.start)
        y.expectMarginsIntact("add")
        #expect(y.values == zip(a.values, b.values).map { $0 + $1 })
      }
    }

    @Test(arguments: Setting.all) func `layer norm equals the reference, also in place`(_ setting: Setting) {
      for (rows, columns) in Kernels.sizes.map({ (5, $0) }) + [(129, 129)] {
        var numbers = Numbers(columns)
        let x = numbers.next(rows * columns, scale: 3).map { $0 + 2 }
        let gamma = numbers.next(columns), beta = numbers.next(columns)
        let expected = Reference.layerNorm(
          x.map(Double.init), columns: columns, gamma: gamma, beta: beta, epsilon: 1e-3)
        for inPlace in [false, true] {
          let input = Buffer(x, shift: 1), y = inPlace ? input : Buffer(count: rows * columns, shift: 2)
          mp_layer_norm(
            setting.isa, setting.threads, input.start, Int32(rows), Int32(columns), gamma, beta, 1e-3, y.start)
          y.expectMarginsIntact("layer_norm")
          expectClose(y.values, expected, within: 1e-5, "\(columns) columns")
        }
      }
    }

    @Test(arguments: Path.all) func `layer norm keeps its digits around a large mean`(_ path: Path) {
      var numbers = Numbers(4)
      let x = numbers.next(384).map { $0 + 1000 }
      let ones = [Float](repeating: 1, count: 384), zeros = [Float](repeating: 0, count: 384), y = Buffer(count: 384)
      mp_layer_norm(path.isa, 1, x, 1, 384, ones, zeros, 1e-12, y.start)
      let expected = Reference.layerNorm(
        x.map(Double.init), columns: 384, gamma: ones, beta: zeros, epsilon: 1e-12)
      expectClose(y.values, expected, within: 5e-4, "mean 1000")
    }

    @Test(arguments: Setting.all) func `embeddings are summed row by row`(_ setting: Setting) {
      for columns in Kernels.sizes {
        var numbers = Numbers(columns)
        let rows = columns == 511 ? 129 : 9
        let words = numbers.next(20 * columns), positions = numbers.next(10 * columns)
        let types = numbers.next(2 * columns)
        let ids = numbers.indices(rows, below: 20), places = numbers.indices(rows, below: 10)
        let kinds = numbers.indices(rows, below: 2)
        for typed in [false, true] {
          let y = Buffer(count: rows * columns, shift: 1)
          mp_embed(
            setting.isa, setting.threads, ids, places, kinds, Int32(rows), Int32(columns), words, positions,
            typed ? types : nil, y.start)
          y.expectMarginsIntact("embed")
          let expected = (0..<rows).flatMap { r in
            (0..<columns).map { c in
              let sum = words[Int(ids[r]) * columns + c] + positions[Int(places[r]) * columns + c]
              return Double(typed ? sum + types[Int(kinds[r]) * columns + c] : sum)
            }
          }
          expectClose(y.values, expected, within: 1e-7, "\(columns) columns")
        }
      }
    }

    @Test(arguments: Path.all) func `softmax equals the reference, also when scores differ by hundreds`(_ path: Path) {
      for (columns, scale) in Kernels.sizes.flatMap({ [($0, Float(1)), ($0, Float(300))] }) {
        var numbers = Numbers(columns)
        let x = Buffer(numbers.next(3 * columns, scale: scale), shift: 1), y = Buffer(count: 3 * columns, shift: 2)
        mp_softmax_rows(path.isa, x.start, 3, Int32(columns), y.start)
        y.expectMarginsIntact("softmax")
        let scores = x.values.map(Double.init)
        let expected = (0..<3).flatMap { row -> [Double] in
          Reference.softmax(Array(scores[row * columns..<(row + 1) * columns]))
        }
        expectClose(y.values, expected, within: 1e-6, "\(columns) columns times \(scale)")
        for (actual, truth) in zip(y.values, expected) where truth > 1e-36 {
          #expect(abs(Double(actual) / truth - 1) < 2e-6)
        }
        mp_softmax_rows(path.isa, x.start, 3, Int32(columns), x.start)
        #expect(x.bits == y.bits, "in place")
      }
    }

    @Test(arguments: Path.all) func `softmax gives infinitely small scores nothing`(_ path: Path) {
      let x: [Float] = [0, -.infinity, -1e30, 0, -200], y = Buffer(count: 5)
      mp_softmax_rows(path.isa, x, 1, 5, y.start)
      #expect(y.values == [0.5, 0, 0, 0.5, 0])
    }

    @Test(arguments: Path.all) func `row lengths look at their columns only`(_ path: Path) {
      for count in Kernels.sizes {
        var numbers = Numbers(count)
        let stride = count + 9, x = Buffer(numbers.next(4 * stride)), y = Buffer(count: 4)
        mp_row_norm(path.isa, x.start, 4, Int32(stride), 4, Int32(count), y.start)
        y.expectMarginsIntact("row_norm")
        let squares = x.values.map { Double($0) * Double($0) }
        let expected = (0..<4).map { row -> Double in
          squares[(row * stride + 4)..<(row * stride + 4 + count)].reduce(0, +).squareRoot()
        }
        expectClose(y.values, expected, within: 1e-6, "\(count) columns")
      }
    }

    @Test(arguments: [1, 2, 3]) func `gather copies whole rows in the order of the index`(_ threads: Int32) {
      for words in Kernels.sizes {
        var numbers = Numbers(words)
        let rows = words == 511 ? 200 : 6
        let x = numbers.next(17 * words), index = numbers.indices(rows, below: 17)
        let y = Buffer(count: rows * words, shift: 1)
        mp_gather_rows(threads, x, Int32(words), index, Int32(rows), y.start)
        y.expectMarginsIntact("gather")
        #expect(y.values == index.flatMap { x[Int($0) * words..<(Int($0) + 1) * words] })
      }
    }

    @Test func `gather fills rows without an index with -1`() {
      let y = Buffer(count: 6)
      mp_gather_rows(1, [1, 2, 3, 4] as [Float], 2, [1, -1, 0], 3, y.start)
      #expect(y.bits == [3, 4].map { Float($0).bitPattern } + [.max, .max] + [1, 2].map { Float($0).bitPattern })
    }

    @Test(arguments: [1, 2, 3]) func `pooled rows are sums of shares in the order of the rows`(_ threads: Int32) {
      for columns in Kernels.sizes {
        var numbers = Numbers(columns)
        let rows = columns == 511 ? 200 : 6, pooled = rows / 2
        let x = numbers.next(rows * columns), shares = numbers.next(rows)
        let into = numbers.indices(rows, below: pooled)
        let y = Buffer(count: pooled * columns, shift: 1)
        mp_pool_rows(threads, x, Int32(columns), into, shares, Int32(rows), Int32(pooled), y.start)
        y.expectMarginsIntact("pool")
        var expected = [Double](repeating: 0, count: pooled * columns)
        for row in 0..<rows {
          for column in 0..<columns {
            expected[Int(into[row]) * columns + column] += Double(shares[row]) * Double(x[row * columns + column])
          }
        }
        expectClose(y.values, expected, within: 2e-5, "\(columns) columns")
        let alone = Buffer(count: pooled * columns)
        mp_pool_rows(1, x, Int32(columns), into, shares, Int32(rows), Int32(pooled), alone.start)
        #expect(y.bits == alone.bits, "on any threads")
      }
    }

    @Test(arguments: [1, 2, 3]) func `means over heads look at their columns only`(_ threads: Int32) {
      for (heads, dim) in [(1, 1), (2, 3), (12, 32), (5, 17)] {
        var numbers = Numbers(heads)
        let (rows, stride) = (heads == 12 ? 90 : 4, heads * dim + 7)
        let x = numbers.next(rows * stride), y = Buffer(count: rows * dim, shift: 1)
        mp_head_mean(threads, x, Int32(rows), Int32(stride), 4, Int32(heads), Int32(dim), y.start)
        y.expectMarginsIntact("head_mean")
        let expected = (0..<rows * dim).map { place -> Double in
          let first = place / dim * stride + 4 + place % dim
          return (0..<heads).reduce(0.0) { $0 + Double(x[first + $1 * dim]) } / Double(heads)
        }
        expectClose(y.values, expected, within: 1e-6, "\(heads) heads of \(dim)")
      }
    }

    @Test(arguments: Setting.all) func `means are those of each sample's rows, to the bit on every path`(
      _ setting: Setting
    ) {
      for columns in Kernels.sizes {
        var numbers = Numbers(columns)
        let lengths = columns == 511 ? [1, 130, 2, 77, 33] : [3, 1, 17]
        let segments = lengths.reduce(into: [Int32(0)]) { $0.append($0.last! + Int32($1)) }
        let x = numbers.next(Int(segments.last!) * columns)
        let y = Buffer(count: lengths.count * columns, shift: 1)
        mp_segment_mean(
          setting.isa, setting.threads, x, Int32(columns), segments, Int32(lengths.count), y.start)
        y.expectMarginsIntact("segment_mean")
        var expected: [Float] = []
        for (first, last) in zip(segments, segments.dropFirst()) {
          for column in 0..<columns {
            var sum = x[Int(first) * columns + column]
            for row in Int(first) + 1..<Int(last) { sum += x[row * columns + column] }
            expected.append(sum / Float(last - first))
          }
        }
        #expect(y.values == expected)
      }
    }

    @Test(arguments: [1, 2, 3]) func `concat copies the columns of both matrices row by row`(_ threads: Int32) {
      for words in Kernels.sizes {
        var numbers = Numbers(words)
        let (rows, other) = (words == 511 ? 70 : 6, words / 2 + 1)
        let a = numbers.next(rows * words), b = numbers.next(rows * other)
        let y = Buffer(count: rows * (words + other), shift: 1)
        mp_concat_rows(threads, a, Int32(words), b, Int32(other), Int32(rows), y.start)
        y.expectMarginsIntact("concat")
        var expected: [Float] = []
        for row in 0..<rows {
          expected += a[row * words..<(row + 1) * words]
          expected += b[row * other..<(row + 1) * other]
        }
        #expect(y.values == expected)
      }
    }

    @Test func `the team is as wide as it was set`() {
      mp_set_team(2)
      #expect(mp_team_size() == 2)
      mp_set_team(0)
      #expect(mp_team_size() == 1)
    }

    @Test func `the best path is supported and the portable one always is`() {
      #expect(mp_isa_supported(mp_isa_best()) == 1)
      #expect(mp_isa_supported(MP_ISA_PORTABLE) == 1)
      #expect(mp_isa_supported(mp_isa(7)) == 0)
      let absent = MP_FEATURES.rawValue & ~mp_features_present().rawValue
      #expect(absent == 0 || mp_isa_supported(mp_isa(absent)) == 0)
      #expect(mp_features_chosen().rawValue & ~mp_features_present().rawValue == 0)
      #expect(mp_openblas_core().map { String(cString: $0).isEmpty } == false)
    }
  }
}
