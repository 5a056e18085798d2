// Teams of other sizes than this machine has processors: more threads than that wait for each other and share what there
// is, which must change nothing but the time.
import CPyramidKernels
import Testing

extension Kernels {
  @Suite struct Teams {
    /// Sizes of teams, in a session of a request and each kernel in a region of its own.
    static let sizes: [Int32] = [2, 3, 4, 5, 7, 8, 13, 16, 31, 32, 48, 63, 64]

    @Test(arguments: Path.invariant) func `of 1 to 64 threads give the same bits`(_ path: Path) {
      let expected = results(path, threads: 1)
      for size in Self.sizes {
        mp_set_team(size)
        #expect(results(path, threads: size) == expected, "\(size) threads")
        let inSession = performed(threads: size) { results(path, threads: size) }
        #expect(inSession == expected, "\(size) threads in a session")
      }
      mp_set_team(3)
    }

    /// What `work` gives, done while a team stands by.
    private func performed(threads: Int32, _ work: @escaping () -> [[UInt32]]) -> [[UInt32]] {
      let errand = Errand(work)
      mp_with_team(
        threads,
        { argument in
          let errand = Unmanaged<Errand>.fromOpaque(argument!).takeUnretainedValue()
          errand.result = errand.work()
        }, Unmanaged.passUnretained(errand).toOpaque())
      return errand.result
    }

    /// Work that C calls, and what it gave.
    private final class Errand {
      var result: [[UInt32]] = []
      let work: () -> [[UInt32]]
      init(_ work: @escaping () -> [[UInt32]]) { self.work = work }
    }

    /// Bits of layers in every precision, with barriers in them, and of attention: of all tokens, of first tokens, and where
    /// positions count.
    private func results(_ path: Path, threads: Int32) -> [[UInt32]] {
      let (rows, depth, columns) = (37, 128, 192)
      var numbers = Numbers(7), bits: [[UInt32]] = []
      let x = numbers.next(rows * depth), weight = numbers.next(columns * depth), bias = numbers.next(columns)
      let residual = numbers.next(rows * columns)
      for precision in [MP_PRECISION_F32, MP_PRECISION_BF16, MP_PRECISION_INT8] {
        let weights = packed(weight, columns: columns, depth: depth, for: path.isa, precision)
        let y = Buffer(count: rows * columns)
        let scratch = Buffer(count: mp_linear_scratch_bytes(threads, Int32(rows), Int32(depth)) / 4)
        linear(
          path.isa, threads, in: precision, x, rows: rows, depth: depth, weight: weights, bias: bias, columns: columns,
          residual: residual, gamma: bias, beta: bias, epsilon: 1e-5, y: y, scratch: scratch)
        scratch.expectMarginsIntact("linear")
        bits.append(y.bits)
      }
      for precision in [MP_PRECISION_F32, MP_PRECISION_BF16] {
        let batch = AttentionCase(lengths: [40, 1, 17, 9], heads: 3, dim: 16, seed: 3)
        let run = batch.run(path.isa, threads: threads, precision)
        bits += [run.out.bits, run.received.bits, run.fromFirst.bits, run.fromOthers.bits]
      }
      let lengths = [40, 1, 17, 9]
      let first = FirstCase(lengths: lengths, heads: 3, dim: 16, depth: 48, seed: 4)
      for precision in [MP_PRECISION_F32, MP_PRECISION_BF16, MP_PRECISION_INT8] {
        let run = first.run(path.isa, threads: threads, precision)
        bits += [run.out.bits, run.fromFirst.bits]
      }
      for isOfFirst in [false, true] {
        let relative = RelativeCase(
          lengths: lengths, heads: 3, dim: 16, seed: 5, window: 12, hasBias: true, isOfFirst: isOfFirst)
        let run = relative.run(path.isa, threads: threads)
        bits += [run.out.bits, run.received.bits, run.fromFirst.bits]
      }
      return bits
    }
  }
}
