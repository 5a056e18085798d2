// Attention with dropout, its gradient, and the optimiser, against the Double reference.
import CPyramidKernels
import Testing

import Glibc

extension Kernels {
  @Suite struct AttentionGradient {
    init() { mp_set_team(3) }

    static let cases = [([1], 1, 1), ([5, 1, 9], 2, 3), ([16, 33], 3, 8), ([50, 7], 2, 32), ([97, 130], 1, 20)]
    static let dropouts = [mp_dropout(rate: 0, key: 0), mp_dropout(rate: 0.2, key: 0xfeed_beef_1234_5678)]

    @Test(arguments: Setting.all) func `gradients by queries, keys and values equal the reference`(_ setting: Setting) {
      for (lengths, heads, dim) in Self.cases {
        let batch = AttentionCase(lengths: lengths, heads: heads, dim: dim, seed: dim)
        var numbers = Numbers(dim + 7)
        let dout = numbers.next(batch.tokens * batch.width), received = numbers.next(batch.tokens)
        for (dropout, dreceived) in [(Self.dropouts[0], nil), (Self.dropouts[1], received)] {
          let actual = batch.runGradient(
            setting.isa, threads: setting.threads, dropout, dout: dout, dreceived: dreceived)
          let expected = batch.gradient(dropout, dout: dout, dreceived: dreceived)
          for (index, name) in ["dq", "dk", "dv"].enumerated() {
            expectClose(actual[index].values, expected[index], within: 1e-5, "\(name) of \(lengths), \(dropout.rate)")
          }
        }
      }
    }

    @Test(arguments: Setting.all) func `dropout drops probabilities after they are handed out`(_ setting: Setting) {
      for (lengths, heads, dim) in Self.cases {
        let batch = AttentionCase(lengths: lengths, heads: heads, dim: dim, seed: dim)
        let dropped = batch.run(setting.isa, threads: setting.threads, dropout: Self.dropouts[1])
        expectClose(dropped.out.values, batch.context(Self.dropouts[1]), within: 1e-5, "\(lengths)")
        let whole = batch.run(setting.isa, threads: setting.threads)
        #expect(dropped.received.bits == whole.received.bits)
      }
    }

    @Test(arguments: Path.invariant) func `gradients have the same bits at any thread count`(_ path: Path) {
      let batch = AttentionCase(lengths: [40, 3, 100, 17], heads: 3, dim: 16, seed: 1)
      var numbers = Numbers(2)
      let dout = numbers.next(batch.tokens * batch.width), received = numbers.next(batch.tokens)
      func run(_ threads: Int32) -> [[UInt32]] {
        batch.runGradient(path.isa, threads: threads, Self.dropouts[1], dout: dout, dreceived: received).map(\.bits)
      }
      #expect(run(1) == run(2))
      #expect(run(1) == run(3))
    }

    @Test(arguments: [1, 2, 3]) func `AdamW follows its equations and leaves no gradient`(_ threads: Int32) {
      for count in [1, 7, 40_000] {
        var numbers = Numbers(count)
        let start = numbers.next(count)
        let parameters = Buffer(start, shift: 1), first = Buffer([Float](repeating: 0, count: count), shift: 2)
        let second = Buffer([Float](repeating: 0, count: count)), gradients = Buffer(count: count, shift: 3)
        var (p, m, v) = (
          start.map(Double.init), [Double](repeating: 0, count: count), [Double](repeating: 0, count: count)
        )
        for step in 1...3 {
          // A gradient near zero has a direction that rounding decides.
          let g = numbers.next(count).map { $0 < 0 ? $0 - 0.01 : $0 + 0.01 }
          gradients.start.update(from: g, count: count)
          mp_adamw_step(
            threads,
            mp_adamw(
              gradient_scale: 0.5, step_size: Float(0.01 / (1 - pow(0.9, Double(step)))),
              second_scale: Float(1 / (1 - pow(0.999, Double(step)))), keep: 0.999, beta1: 0.9, beta2: 0.999,
              epsilon: 1e-6),
            parameters.start, gradients.start, first.start, second.start, count)
          for i in 0..<count {
            let gradient = Double(g[i]) * 0.5
            m[i] = 0.9 * m[i] + 0.1 * gradient
            v[i] = 0.999 * v[i] + 0.001 * gradient * gradient
            let mean = m[i] / (1 - pow(0.9, Double(step))), square = v[i] / (1 - pow(0.999, Double(step)))
            p[i] = p[i] * (1 - 0.01 * 0.1) - 0.01 * mean / (square.squareRoot() + 1e-6)
          }
          #expect(gradients.values.allSatisfy { $0 == 0 })
        }
        expectClose(parameters.values, p, within: 2e-6, "\(count) parameters")
        for buffer in [parameters, first, second, gradients] { buffer.expectMarginsIntact("AdamW") }
      }
    }

    @Test(arguments: [1, 2, 3]) func `vectors are summed, scaled and zeroed to their last element`(_ threads: Int32) {
      for count in [0, 1, 9, 255, 257, 70_001] {
        var numbers = Numbers(count)
        let x = Buffer(numbers.next(count), shift: 1)
        let expected = x.values.reduce(0.0) { $0 + Double($1) * Double($1) }
        let sum = mp_sum_of_squares(threads, x.start, count)
        #expect(abs(sum - expected) <= 1e-12 * expected)
        #expect(sum == mp_sum_of_squares(1, x.start, count), "one order at any thread count")
        let scaled = x.values.map { $0 * 0.3 }
        mp_scale(threads, x.start, count, 0.3)
        #expect(x.values == scaled)
        mp_zero(threads, x.start, count)
        #expect(x.values.allSatisfy { $0 == 0 })
        x.expectMarginsIntact("a vector operation")
      }
    }
  }
}
