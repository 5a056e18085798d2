// A sample's bits depend on the sample alone: not on what is in its batch, in which order, or on how many threads. A
// last-bit difference can flip an exit, so everything is compared bit for bit. OpenBLAS, which the portable path runs
// on, can't promise this.

import MagicPyramid
import PyramidTestSupport
import Testing

@Suite struct `Batch invariance` {
  static let sets = InstructionSet.supported.filter { $0.panelWidth != nil }

  @Test(arguments: sets, Precision.allCases.flatMap { [($0, false), ($0, true)] })
  func `a sample is answered alike alone, in any batch, in any order, by any team`(
    set: InstructionSet, heads: (precision: Precision, readMean: Bool)
  ) throws {
    let compiled = try Sieve.compiled(set, precision: heads.precision, readsMean: heads.readMean)
    let samples = Sieve.samples
    let alone = try samples.map { try #require(try compiled.executor(threads: 1).run(PackedBatch([$0])).first) }
    #expect(Set(alone.map(\.exitLayer)).count > 2, "exits \(alone.map(\.exitLayer))")
    #expect(alone.contains { Set($0.tokensAlive).count > 1 })
    var random = SeededValues("orders")
    for threads in 1...3 {
      let executor = try compiled.executor(threads: threads)
      for _ in 0..<6 {
        let order = samples.indices.shuffled(using: &random).prefix(random.integer(in: 1...samples.count))
        let answers = try executor.run(PackedBatch(order.map { samples[$0] }))
        for (index, answer) in zip(order, answers) {
          #expect(bits(answer) == bits(alone[index]), "sample \(index) in \(order) with \(threads) threads")
        }
      }
    }
  }

  @Test(arguments: sets)
  func `the room that an executor has does not change a bit`(set: InstructionSet) throws {
    let compiled = try Sieve.compiled(set)
    let sample = Sieve.samples[2]
    let wide = try compiled.executor().run(PackedBatch([sample]))
    let narrow = try compiled.executor(samples: 1, tokens: sample.count).run(PackedBatch([sample]))
    #expect(wide.map(bits) == narrow.map(bits))
  }
}

/// Everything of an answer, floats as bits: NaN would equal nothing, -0 would equal 0.
func bits(_ answer: Answer) -> [[Int]] {
  [
    answer.logits.map { Int($0.bitPattern) }, [answer.exitLayer], answer.tokensAlive,
    [answer.operations.executed, answer.operations.paper, answer.operations.dense, answer.operations.densePaper],
  ] + (answer.alivePositions ?? []).map { $0.map { Int($0) } }
}
