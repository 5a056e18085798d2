// The kernels of training against the Double reference, at every size class, and their bits at any thread count.
import CPyramidKernels
import Testing

import Glibc

extension Kernels {
  @Suite struct Training {
    init() { mp_set_team(3) }

    /// y, dx, dW and db of a layer; the last two begin as ones.
    private func products(
      _ isa: mp_isa, _ threads: Int32, _ layer: LayerCase, in precision: mp_precision
    ) -> [Buffer] {
      let y = Buffer(count: layer.rows * layer.columns, shift: 1),
        dx = Buffer(count: layer.rows * layer.depth, shift: 2)
      let dw = Buffer([Float](repeating: 1, count: layer.columns * layer.depth), shift: 3)
      let db = Buffer([Float](repeating: 1, count: layer.columns), shift: 1)
      var call = mp_training_layer(
        isa: isa, threads: threads, precision: precision, rows: Int32(layer.rows), depth: Int32(layer.depth),
        columns: Int32(layer.columns), scratch: nil)
      let scratch = Buffer(count: mp_training_linear_scratch_count(&call), shift: 5)
      call.scratch = scratch.start
      mp_training_linear(&call, layer.x, layer.weight, layer.bias, y.start)
      mp_linear_input_gradient(&call, layer.dy, layer.weight, dx.start)
      mp_linear_weight_gradient(&call, layer.x, layer.dy, dw.start, db.start)
      for buffer in [y, dx, dw, db, scratch] { buffer.expectMarginsIntact("a product of a layer") }
      return [y, dx, dw, db]
    }

    @Test(arguments: Setting.all, [MP_PRECISION_F32, MP_PRECISION_BF16])
    func `the products of a layer and its gradients equal the reference`(_ setting: Setting, _ precision: mp_precision)
    {
      for size in LayerCase.sizes {
        let layer = LayerCase(size), read = precision == MP_PRECISION_F32 ? layer : layer.rounded
        let results = products(setting.isa, setting.threads, layer, in: precision)
        let y = Reference.linear(
          read.x, read.weight, read.bias, rows: layer.rows, depth: layer.depth, columns: layer.columns)
        expectClose(results[0].values, y, within: 2e-5, "y of \(size)")
        expectClose(results[1].values, read.inputGradient, within: 2e-5, "dx of \(size)")
        expectClose(results[2].values, read.weightGradient.map { $0 + 1 }, within: 2e-5, "dW of \(size)")
        expectClose(results[3].values, layer.biasGradient.map { $0 + 1 }, within: 2e-5, "db of \(size)")
      }
    }

    @Test(arguments: Path.invariant, [MP_PRECISION_F32, MP_PRECISION_BF16])
    func `products have the same bits at any thread count`(_ path: Path, _ precision: mp_precision) {
      for size in LayerCase.sizes + [(900, 96, 80)] {
        let layer = LayerCase(size), alone = products(path.isa, 1, layer, in: precision)
        for threads in [2, 3] as [Int32] {
          let shared = products(path.isa, threads, layer, in: precision)
          for (a, b) in zip(alone, shared) { #expect(a.bits == b.bits, "\(size), \(threads) threads") }
        }
      }
    }

    @Test(arguments: Path.all) func `what is no number stays none in products of bf16`(_ path: Path) {
      for factor in 0..<3 {
        var layer = LayerCase((33, 31, 8))
        switch factor {
        case 0: layer.x[40] = .nan
        case 1: layer.weight[40] = Float(bitPattern: 0x7fff_ffff)
        default: layer.dy[40] = -Float.nan
        }
        let results = products(path.isa, 2, layer, in: MP_PRECISION_BF16)
        let reached = [[true, false, true], [true, true, false], [false, true, true]][factor]
        #expect(results.dropLast().map { $0.values.contains { $0.isNaN } } == reached)
      }
    }

    @Test(arguments: Path.invariant) func `sums over rows have the same bits at any thread count`(_ path: Path) {
      var numbers = Numbers(5)
      let (rows, columns) = (200, 130), x = numbers.next(200 * 130), dy = numbers.next(200 * 130)
      func norm(_ threads: Int32) -> [[UInt32]] {
        normGradient(Setting(path: path, threads: threads), rows, columns, x, dy, x).map(\.bits)
      }
      #expect(norm(1) == norm(2))
      #expect(norm(1) == norm(3))
    }

    /// dx, dgamma and dbeta.
    private func normGradient(
      _ setting: Setting, _ rows: Int, _ columns: Int, _ x: [Float], _ dy: [Float], _ gamma: [Float]
    ) -> [Buffer] {
      let results = [rows * columns, columns, columns].map { Buffer([Float](repeating: 0, count: $0), shift: 1) }
      let scratch = Buffer(count: mp_layer_norm_gradient_scratch_count(Int32(rows), Int32(columns)))
      mp_layer_norm_gradient(
        setting.isa, setting.threads, x, dy, Int32(rows), Int32(columns), gamma, 1e-3, results[0].start,
        results[1].start, results[2].start, scratch.start)
      for buffer in results + [scratch] { buffer.expectMarginsIntact("layer_norm_gradient") }
      return results
    }

    @Test(arguments: Setting.all) func `the gradient of layer norm equals the reference`(_ setting: Setting) {
      for (rows, columns) in Kernels.sizes.map({ (5, $0) }) + [(129, 129)] {
        var numbers = Numbers(columns)
        let x = numbers.next(rows * columns, scale: 2), dy = numbers.next(rows * columns)
        let gamma = numbers.next(columns)
        let results = normGradient(setting, rows, columns, x, dy, gamma)
        let expected = Reference.layerNormGradient(x, dy, columns: columns, gamma: gamma, epsilon: 1e-3)
        expectClose(results[0].values, expected.dx, within: 1e-4, "dx of \(columns)")
        expectClose(results[1].values, expected.dgamma, within: 1e-5, "dgamma of \(columns)")
        expectClose(results[2].values, expected.dbeta, within: 1e-5, "dbeta of \(columns)")
      }
    }

    @Test(arguments: Path.all) func `slopes of activations equal differences of the activations`(_ path: Path) {
      let activations = [
        MP_ACTIVATION_NONE, MP_ACTIVATION_GELU, MP_ACTIVATION_GELU_TANH, MP_ACTIVATION_RELU, MP_ACTIVATION_TANH,
      ]
      let points = (-3000...3000).map { Float($0) / 250 + 0.001 } + [5.2, -5.2, 100, -100]
      let dy = points.indices.map { Float($0 % 7) - 3 }
      for activation in activations {
        let dx = Buffer(points, shift: 3)
        mp_activation_gradient(path.isa, 1, dx.start, dy, 1, Int32(points.count), activation, dx.start)
        dx.expectMarginsIntact("activation_gradient")
        let expected = zip(points, dy).map { Double($1) * Reference.slope(Double($0), activation) }
        expectClose(dx.values, expected, within: 3e-6, "\(activation)")
      }
    }

    @Test(arguments: Setting.all) func `dropout drops what its definition says, at its rate`(_ setting: Setting) {
      let dropout = mp_dropout(rate: 0.1, key: 0x0123_4567_89ab_cdef)
      for count in Kernels.sizes + [40_000] {
        var numbers = Numbers(count)
        let x = numbers.next(count), y = Buffer(count: count, shift: 1)
        mp_apply_dropout(setting.isa, setting.threads, x, 1, Int32(count), dropout, y.start)
        y.expectMarginsIntact("dropout")
        let scale = 1 / (1 - dropout.rate)
        #expect(y.values == x.enumerated().map { Reference.isKept(dropout, UInt32($0)) ? $1 * scale : 0 })
        if count == 40_000 { #expect(abs(Double(y.values.count { $0 == 0 }) / 40_000 - 0.1) < 0.006) }
      }
    }

    @Test(arguments: [1, 2, 3]) func `rows of embeddings get the sums of what flows to them`(_ threads: Int32) {
      for (rows, columns) in [(9, 5), (129, 511)] {
        var numbers = Numbers(columns)
        let dy = numbers.next(rows * columns), ids = numbers.indices(rows, below: 7)
        let places = numbers.indices(rows, below: 5), kinds = numbers.indices(rows, below: 2)
        let tables = [7, 5, 2].map { Buffer([Float](repeating: 1, count: $0 * columns)) }
        mp_embed_gradient(
          threads, ids, places, kinds, dy, Int32(rows), Int32(columns), tables[0].start, tables[1].start,
          tables[2].start)
        for (table, indices) in zip(tables, [ids, places, kinds]) {
          table.expectMarginsIntact("embed_gradient")
          var expected = [Double](repeating: 1, count: table.count)
          for r in 0..<rows {
            for c in 0..<columns { expected[Int(indices[r]) * columns + c] += Double(dy[r * columns + c]) }
          }
          expectClose(table.values, expected, within: 1e-5, "\(columns) columns")
        }
      }
    }

    @Test(arguments: [1, 3]) func `row operations move, scale and multiply rows`(_ threads: Int32) {
      for (rows, columns) in [(3, 1), (6, 17), (120, 300)] {
        var numbers = Numbers(columns)
        let a = numbers.next(rows * columns), b = numbers.next(rows * columns), factor = numbers.next(rows)
        func run(_ count: Int, _ work: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
          let y = Buffer(count: count, shift: 1)
          work(y.start)
          y.expectMarginsIntact("a row operation")
          return y.values
        }
        let (r, c) = (Int32(rows), Int32(columns))
        let scaled = run(rows * columns) { mp_scale_rows(threads, a, factor, r, c, $0) }
        #expect(scaled == a.indices.map { a[$0] * factor[$0 / columns] })
        var dots = [Double](repeating: 0, count: rows)
        for index in a.indices { dots[index / columns] += Double(a[index]) * Double(b[index]) }
        expectClose(run(rows) { mp_row_dot(threads, a, b, r, c, $0) }, dots, within: 1e-5, "row_dot")
        let first = columns / 3, count = columns - first
        let copied = run(rows * count) { mp_copy_columns(threads, a, r, c, Int32(first), Int32(count), $0) }
        let right: [Float] = (0..<rows).flatMap { Array(a[$0 * columns + first..<($0 + 1) * columns]) }
        #expect(copied == right)
        let index: [Int32] = (0..<r).map { 2 * (r - 1 - $0) }
        let scattered = run(2 * rows * columns) { mp_scatter_rows(threads, a, index, r, 2 * r, c, $0) }
        for row in 0..<2 * rows {
          let source = (rows - 1 - row / 2) * columns
          let moved = row % 2 == 0 ? Array(a[source..<source + columns]) : [Float](repeating: 0, count: columns)
          #expect(Array(scattered[row * columns..<(row + 1) * columns]) == moved)
        }
        let segments: [Int32] = [0, 2, r], means = Array(a.prefix(2 * columns))
        let spread = run(rows * columns) { mp_segment_mean_gradient(threads, means, segments, 2, c, $0) }
        for row in 0..<rows {
          let sample = row < 2 ? 0 : 1, length = Float(sample == 0 ? 2 : rows - 2)
          let expected = means[sample * columns..<(sample + 1) * columns].map { Double($0 / length) }
          expectClose(Array(spread[row * columns..<(row + 1) * columns]), expected, within: 1e-6, "row \(row)")
        }
      }
    }

    @Test func `losses and soft masks have the slopes that differences show`() {
      var numbers = Numbers(3)
      let logits = numbers.next(12, scale: 30), target = numbers.next(12).map { abs($0) }
      let loss = Buffer(count: 3), slope = Buffer(count: 12)
      mp_cross_entropy(logits, target, 3, 4, 0.7, loss.start)
      mp_cross_entropy_gradient(logits, target, 3, 4, 0.7, slope.start)
      func reference(_ row: Int, _ logits: [Double]) -> Double {
        let p = Reference.softmax(Array(logits[row * 4..<row * 4 + 4]))
        return -0.7 * (0..<4).reduce(0.0) { $0 + Double(target[row * 4 + $1]) * log(p[$1]) }
      }
      let exact = logits.map(Double.init)
      expectClose(loss.values, (0..<3).map { reference($0, exact) }, within: 1e-6, "cross_entropy")
      let slopes = (0..<12).map { index -> Double in
        var (up, down) = (exact, exact)
        up[index] += 1e-5
        down[index] -= 1e-5
        return (reference(index / 4, up) - reference(index / 4, down)) / 2e-5
      }
      expectClose(slope.values, slopes, within: 1e-5, "cross_entropy_gradient")

      let score = numbers.next(6), segments: [Int32] = [0, 2, 6], dmask = numbers.next(6)
      let mask = Buffer(count: 6), dscore = Buffer(count: 6), dthreshold = Buffer([1])
      mp_soft_keep(score, segments, 2, 0.2, 0.5, mask.start)
      mp_soft_keep_gradient(mask.start, dmask, segments, 2, 0.5, dscore.start, dthreshold.start)
      let kept = score.indices.map { $0 == 0 || $0 == 2 ? 1 : 1 / (1 + exp((0.2 - Double(score[$0])) / 0.5)) }
      expectClose(mask.values, kept, within: 1e-6, "soft_keep")
      let flows = kept.indices.map { Double(dmask[$0]) * kept[$0] * (1 - kept[$0]) / 0.5 }
      expectClose(dscore.values, flows, within: 1e-6, "soft_keep_gradient")
      expectClose(dthreshold.values, [1 - flows.reduce(0, +)], within: 1e-6, "thresholds")

      let penalty = Buffer(count: 2), dpenalty = Buffer(count: 6)
      mp_mean_rows_penalty(score, segments, 2, 3, penalty.start)
      mp_mean_rows_penalty_gradient(segments, 2, 3, dpenalty.start)
      let means = [score[0] + score[1], score[2...].reduce(0, +) / 2].map { Double($0) * 1.5 }
      expectClose(penalty.values, means, within: 1e-6, "mean_rows_penalty")
      #expect(dpenalty.values == [1.5, 1.5, 0.75, 0.75, 0.75, 0.75])
      for buffer in [loss, slope, mask, dscore, dthreshold, penalty, dpenalty] { buffer.expectMarginsIntact("a loss") }
    }
  }
}
