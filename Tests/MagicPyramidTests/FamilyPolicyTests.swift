// Exits and pruning in the families whose attention depends on positions: the compiled engine, every pass in it, against the
// oracle over the plain graph with the same policies. Distances stay those of the text when tokens between are gone.

import Foundation
import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@Suite struct `Policies in families with positions` {
  static let folder = Repository.root + "/Tests/Golden/families"
  static let names = [
    "mpnet", "mpnet-odd", "deberta-v3", "deberta-v3-far", "deberta-v2-own", "deberta-v2-p2c", "modernbert",
    "modernbert-mean",
  ]
  static let prunes: [String?] = [
    "received-attention(thresholds=0.9)", "top-k(fraction=0.6)", "cls-attention(fraction=0.7)", "merge",
    "first-k(tokens=5)", nil,
  ]
  static let exits: [String?] = ["entropy(threshold=0.9)", nil]

  private func samples(_ name: String) throws -> (ids: [[Int32]], types: [[Int32]]) {
    let data = try Data(contentsOf: URL(filePath: "\(Self.folder)/\(name)/golden.json"))
    let golden = try JSONDecoder().decode(`Goldens of families`.Golden.self, from: data)
    return (golden.ids, golden.types)
  }

  @Test(arguments: names, InstructionSet.supported)
  func `engine and oracle agree, and a sample is the same in a batch and alone`(
    name: String, set: InstructionSet
  ) throws {
    let (ids, types) = try samples(name)
    for (exit, prune) in Self.exits.flatMap({ exit in Self.prunes.map { (exit, $0) } }) {
      // Where nothing but distances tells equal words apart, their keys are equal, and which pair is merged hangs on rounding.
      if prune == "merge" && !["mpnet", "mpnet-odd", "deberta-v2-own"].contains(name) { continue }
      let compiled = try CompiledCheckpoint("\(Self.folder)/\(name)", for: set, exit: exit, prune: prune)
      let executor = try compiled.executor()
      let answers = try executor.run(PackedBatch(ids, typeIDs: types))
      let expected = try compiled.oracle().run(ReferenceBatch(tokenIDs: ids, typeIDs: types))
      var pruned = false
      for (sample, (answer, expected)) in zip(answers, expected).enumerated() {
        let place: Comment = "\(name), exit \(exit ?? "-"), prune \(prune ?? "-"), sample \(sample)"
        #expect(answer.exitLayer == expected.exitLayer, place)
        #expect(answer.alivePositions == expected.alivePositions, place)
        #expect(answer.logits.largestDifference(to: expected.logits) <= GoldenCheck.tolerance, place)
        pruned = pruned || Set(answer.tokensAlive).count > 1
        guard set != .portable else { continue }
        let alone = try executor.run(PackedBatch([ids[sample]], typeIDs: [types[sample]]))
        #expect(alone[0].logits == answer.logits, place)
      }
      #expect(exit != nil || pruned == (prune != nil), "\(name), \(prune ?? "-")")
    }
  }

  @Test(arguments: names) func `int8 and bf16 are near f32`(name: String) throws {
    let (ids, types) = try samples(name)
    let set = try InstructionSet.native()
    let exact = try CompiledCheckpoint("\(Self.folder)/\(name)", for: set).executor().run(
      PackedBatch(ids, typeIDs: types))
    for precision in [Precision.bf16, .int8] {
      let compiled = try CompiledCheckpoint("\(Self.folder)/\(name)", for: set, precision: precision)
      for (sample, answer) in try compiled.executor().run(PackedBatch(ids, typeIDs: types)).enumerated() {
        let difference = answer.logits.largestDifference(to: exact[sample].logits)
        #expect(difference > 0 && difference < 0.5, "\(name), \(precision.rawValue), sample \(sample): \(difference)")
      }
    }
  }

  @Test(arguments: names) func `explanations say why peek leaves a layer whole`(name: String) throws {
    func explained(_ exit: String?) throws -> String {
      try CompiledCheckpoint("\(Self.folder)/\(name)", for: .portable, exit: exit).model.graph.explanation(tokens: 8)
    }
    #expect(try explained("entropy(threshold=0.9)").contains("so `peek` leaves the layer whole"))
    #expect(try !explained(nil).contains("peek"))
  }

  @Test func `what does not fit is refused with what to do`() throws {
    let error = #expect(throws: (any Error).self) {
      _ = try CompiledCheckpoint("\(Self.folder)/modernbert", for: .portable, prune: "cls-fused")
    }
    #expect("\(error.map { "\($0)" } ?? "")".contains("has no position in the text"))
  }
}
