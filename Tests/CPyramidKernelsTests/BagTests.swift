// The entry's head against a readable version of its definition, and its promise that a sample's bits are its own.
import CPyramidKernels
import Testing

extension Kernels {
  @Suite struct Bag {
    init() { mp_set_team(3) }

    /// Ids 0 to 3 are no words, 2 ends a text.
    private static let skip: [Int32] = [0, 1, 2, 3]
    private static let vocabulary = 50

    private struct Tables {
      let table, bigrams, bias: [Float]
      let classes: Int

      init(classes: Int, pairs: Int) {
        var numbers = Numbers(classes)
        (table, bigrams) = (numbers.next(Bag.vocabulary * classes), numbers.next(pairs * classes))
        (bias, self.classes) = (numbers.next(classes), classes)
      }

      /// First the words of each text, then what stands side by side: as the definition has it, not as the kernel does.
      func logits(_ ids: [Int32]) -> [Double] {
        let texts = ids.split(separator: 2).map { $0.filter { !Bag.skip.contains($0) } }
        var rows = texts.flatMap { $0 }.map { Array(table[Int($0) * classes..<(Int($0) + 1) * classes]) }
        let count = Double(max(rows.count, 1))
        if !bigrams.isEmpty {
          for text in texts {
            for (first, second) in zip(text, text.dropFirst()) {
              let row = Int((UInt64(first) * 1_000_003 + UInt64(second)) % UInt64(bigrams.count / classes))
              rows.append(Array(bigrams[row * classes..<(row + 1) * classes]))
            }
          }
        }
        return (0..<classes).map { c in rows.reduce(0) { $0 + Double($1[c]) } / count + Double(bias[c]) }
      }
    }

    private func run(_ tables: Tables, _ samples: [[Int32]], threads: Int32) -> Buffer {
      let ids = samples.flatMap { $0 }
      let segments = samples.reduce(into: [Int32(0)]) { $0.append($0.last! + Int32($1.count)) }
      let logits = Buffer(count: samples.count * tables.classes, shift: 1)
      func call(_ bigrams: UnsafePointer<Float>?, _ table: UnsafePointer<Float>, _ bias: UnsafePointer<Float>) {
        ids.withUnsafeBufferPointer { ids in
          segments.withUnsafeBufferPointer { segments in
            Self.skip.withUnsafeBufferPointer { skip in
              var call = mp_bag_call()
              (call.threads, call.ids, call.segments) = (threads, ids.baseAddress, segments.baseAddress)
              (call.samples, call.skip, call.skips) = (Int32(samples.count), skip.baseAddress, Int32(skip.count))
              (call.separator, call.table, call.bigrams, call.bias) = (2, table, bigrams, bias)
              (call.pairs, call.classes) = (UInt64(tables.bigrams.count / tables.classes), Int32(tables.classes))
              call.logits = logits.start
              mp_bag_logits(&call)
            }
          }
        }
      }
      if tables.bigrams.isEmpty {
        call(nil, tables.table, tables.bias)
      } else {
        call(tables.bigrams, tables.table, tables.bias)
      }
      logits.expectMarginsIntact("bag_logits")
      return logits
    }

    private func samples(_ lengths: [Int]) -> [[Int32]] {
      var numbers = Numbers(lengths.count)
      return lengths.map { numbers.indices($0, below: Self.vocabulary) }
    }

    @Test(arguments: Kernels.sizes, [0, 1, 16, 1024])
    func `logits equal the definition, with pairs and without`(classes: Int, pairs: Int) {
      let tables = Tables(classes: classes, pairs: pairs)
      // A sample without a token, one without a word, a pair whose border joins nothing, and some at random.
      let samples = [[], [1, 2], [1, 7, 9, 2, 9, 7, 2], [0, 5, 3, 6, 2]] + samples([1, 2, 17, 64, 129])
      for threads: Int32 in [1, 3] {
        let logits = run(tables, samples, threads: threads)
        let expected = samples.flatMap(tables.logits)
        expectClose(logits.values, expected, within: 1e-6, "\(classes) classes, \(pairs) pairs")
      }
    }

    @Test func `a sample has the same bits alone and in any batch`() {
      let tables = Tables(classes: 14, pairs: 256)
      let samples = samples((0..<64).map { $0 * 7 % 41 })
      let alone = samples.flatMap { run(tables, [$0], threads: 1).bits }
      for threads: Int32 in [1, 2, 3] { #expect(run(tables, samples, threads: threads).bits == alone) }
      #expect(run(tables, samples.reversed(), threads: 3).bits.count == alone.count)
    }
  }
}
