// Attention over ragged batches against the Double reference: outputs, both token scores, odd head sizes and long
// samples.
import CPyramidKernels
import Testing

extension Kernels {
  @Suite struct Attention {
    init() { mp_set_team(3) }

    static let cases: [AttentionCase] = [
      AttentionCase(lengths: [1], heads: 1, dim: 1, seed: 1),
      AttentionCase(lengths: [1, 2, 3, 5, 7, 8], heads: 3, dim: 32, seed: 2),
      AttentionCase(lengths: [15, 16, 17, 1, 31, 33], heads: 2, dim: 32, seed: 3, scale: 3),
      AttentionCase(lengths: [64, 127], heads: 1, dim: 64, seed: 4),
      AttentionCase(lengths: [128, 129], heads: 2, dim: 16, seed: 5),
      AttentionCase(lengths: [5, 24, 25], heads: 2, dim: 7, seed: 6),
      AttentionCase(lengths: [9, 40], heads: 1, dim: 20, seed: 7),
      AttentionCase(lengths: [70], heads: 1, dim: 72, seed: 8),
      AttentionCase(lengths: [3, 30], heads: 1, dim: 129, seed: 9),
      AttentionCase(lengths: [300, 2], heads: 1, dim: 8, seed: 10),
      AttentionCase(lengths: [511], heads: 2, dim: 4, seed: 11),
    ]

    @Test func `outputs and token scores equal the reference`() {
      for (index, batch) in Self.cases.enumerated() {
        let expected = batch.reference
        for setting in Setting.all {
          let what = "\(setting.testDescription), lengths \(batch.lengths), dim \(batch.dim)"
          let actual = batch.run(setting.isa, threads: setting.threads, shift: index % 4)
          expectClose(actual.out.values, expected.out, within: 5e-6, "out, \(what)")
          expectClose(actual.received.values, expected.received, within: 1e-5, "received, \(what)")
          expectClose(actual.fromFirst.values, expected.fromFirst, within: 1e-5, "from first, \(what)")
          expectClose(actual.fromOthers.values, expected.fromOthers, within: 1e-5, "from others, \(what)")
        }
      }
    }

    @Test func `with products in bf16 it is the reference with rounded operands, and the rest of the promises hold`() {
      for (index, batch) in Self.cases.enumerated() {
        let exact = batch.reference, rounded = batch.reference(inBF16: true)
        for setting in Setting.all {
          let expected = setting.path.roundsAttention ? rounded : exact
          let what = "\(setting.testDescription), lengths \(batch.lengths), dim \(batch.dim)"
          let actual = batch.run(setting.isa, threads: setting.threads, MP_PRECISION_INT8, shift: index % 4)
          expectClose(actual.out.values, expected.out, within: 1e-3, "out, \(what)")
          expectClose(actual.received.values, expected.received, within: 1e-4, "received, \(what)")
          expectClose(actual.fromFirst.values, expected.fromFirst, within: 1e-4, "from first, \(what)")
          expectClose(actual.fromOthers.values, expected.fromOthers, within: 1e-4, "from others, \(what)")
          let sums = batch.segments.indices.dropLast().map { sample in
            actual.received.values[Int(batch.segments[sample])..<Int(batch.segments[sample + 1])].reduce(0, +)
          }
          expectClose(sums, batch.lengths.map(Double.init), within: 1e-4, "a query's attention is one, \(what)")
        }
      }
    }

    @Test func `keys that count several times get as much, whatever the precision`() {
      for (index, plain) in Self.cases.enumerated() {
        var batch = plain
        batch.sizes = (0..<plain.tokens).map { [1, 3, 1, 2, 17][$0 % 5] }
        let expected = batch.reference, rounded = batch.reference(inBF16: true)
        for setting in Setting.all {
          let what = "\(setting.testDescription), lengths \(batch.lengths), dim \(batch.dim)"
          let actual = batch.run(setting.isa, threads: setting.threads, shift: index % 4)
          expectClose(actual.out.values, expected.out, within: 5e-6, "out, \(what)")
          expectClose(actual.received.values, expected.received, within: 2e-5, "received, \(what)")
          let reduced = batch.run(setting.isa, threads: setting.threads, MP_PRECISION_BF16, shift: index % 4)
          let wanted = setting.path.roundsAttention ? rounded.out : expected.out
          expectClose(reduced.out.values, wanted, within: 1e-3, "out in bf16, \(what)")
        }
      }
    }

    @Test(arguments: Path.all) func `uniform attention gives every token a score of one`(_ path: Path) {
      let batch = AttentionCase(lengths: [1, 6, 200], heads: 3, dim: 8, seed: 1, scale: 0)
      let actual = batch.run(path.isa, threads: 2)
      let ones = [Double](repeating: 1, count: batch.tokens)
      expectClose(actual.received.values, ones, within: 1e-5, "received")
      expectClose(actual.fromFirst.values, ones, within: 1e-5, "from first")
    }

    @Test(arguments: Setting.all) func `the output is the same with and without token scores`(_ setting: Setting) {
      let batch = Self.cases[2]
      let with = batch.run(setting.isa, threads: setting.threads)
      let without = batch.run(setting.isa, threads: setting.threads, signals: false)
      #expect(with.out.bits == without.out.bits)
      #expect(without.received.bits.allSatisfy { $0 == Buffer.mark.bitPattern })
    }

    @Test(arguments: Path.all) func `scores that differ by thousands give one token everything`(_ path: Path) {
      var batch = AttentionCase(lengths: [20], heads: 1, dim: 32, seed: 3, scale: 100)
      batch = AttentionCase(lengths: [20], heads: 1, dim: 32, qkv: batch.qkv.map { $0 * 10 })
      expectClose(batch.run(path.isa, threads: 1).out.values, batch.reference.out, within: 1e-4, "out")
    }

    @Test(arguments: Setting.all) func `no samples and empty samples write nothing`(_ setting: Setting) {
      let empty = AttentionCase(lengths: [0, 4, 0, 1, 0], heads: 2, dim: 8, seed: 5)
      let full = AttentionCase(lengths: [4, 1], heads: 2, dim: 8, qkv: empty.qkv)
      let actual = empty.run(setting.isa, threads: setting.threads)
      expectClose(actual.out.values, full.reference.out, within: 5e-6, "out")
      expectClose(actual.received.values, full.reference.received, within: 1e-5, "received")
      _ = AttentionCase(lengths: [], heads: 2, dim: 8, qkv: []).run(setting.isa, threads: setting.threads)
    }
  }
}
