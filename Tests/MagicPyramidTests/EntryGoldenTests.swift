// The entry against PyTorch: a small checkpoint with a head that reads pairs, a temperature and a token table, single
// texts and pairs. Scripts/make-entry-golden made both and says what each number is.

import Foundation
import MagicPyramid
import PyramidTestSupport
import Testing

@Suite struct `Goldens of the entry` {
  private struct Golden: Decodable {
    let text: String
    let pair: String?
    let ids, types: [Int32]
    let entryLogits: [Float]
    let headLogits, prunedLogits: [[Float]]
    let kept: [Int32]
    let exitLayer: Int
  }

  private static let folder = Repository.root + "/Tests/Golden/entry"
  private static let exit = "entropy(threshold=0.55)"
  private static let goldens = Result {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let lines = try Data(contentsOf: URL(filePath: folder + "/golden.jsonl")).split(separator: UInt8(ascii: "\n"))
    return try lines.map { try decoder.decode(Golden.self, from: $0) }
  }

  private func answers(_ compiled: CompiledCheckpoint, exit: String? = nil, prune: String? = nil) throws -> [Answer] {
    let goldens = try Self.goldens.get()
    let batch = PackedBatch(goldens.map(\.ids), typeIDs: goldens.map(\.types))
    return try compiled.executor(exit: exit, prune: prune).run(batch)
  }

  @Test func `leave at every boundary and lose tokens`() throws {
    let goldens = try Self.goldens.get()
    #expect(Set(goldens.map(\.exitLayer)) == [0, 1, 2, 3] && goldens.count { $0.kept.count < $0.ids.count } > 20)
    #expect(goldens.contains { $0.pair != nil } && goldens.contains { $0.ids.count == 2 })
  }

  @Test(arguments: InstructionSet.supported)
  func `ids, logits of all heads, kept tokens and exits are PyTorch's`(set: InstructionSet) throws {
    let goldens = try Self.goldens.get()
    let compiled = try CompiledCheckpoint(Self.folder, for: set, exit: Self.exit, prune: "salience")
    let classifier = try Classifier(model: compiled.model, registry: CompiledCheckpoint.registry.get())
    for golden in goldens {
      let encoding = classifier.encode(golden.text, pair: golden.pair)
      #expect(encoding.ids == golden.ids && encoding.typeIDs == golden.types, "\(golden.text)")
    }
    for layer in 0...3 {
      let exit = layer < 3 ? "fixed-layer(layer=\(layer))" : "never-exit"
      let whole = try answers(compiled, exit: exit, prune: "salience(threshold=-1)")
      let pruned = try answers(compiled, exit: exit)
      for (golden, (whole, pruned)) in zip(goldens, zip(whole, pruned)) {
        #expect(whole.exitLayer == layer && pruned.exitLayer == layer)
        let expected = layer == 0 ? golden.entryLogits : golden.headLogits[layer - 1]
        #expect(whole.logits.largestDifference(to: expected) <= GoldenCheck.tolerance, "\(golden.text) \(layer)")
        guard layer > 0 else { continue }
        #expect(pruned.logits.largestDifference(to: golden.prunedLogits[layer - 1]) <= GoldenCheck.tolerance)
        #expect(pruned.alivePositions == Array(repeating: golden.kept, count: layer))
      }
    }
    for (golden, answer) in zip(goldens, try answers(compiled)) {
      #expect(answer.exitLayer == golden.exitLayer, "\(golden.text)")
      let expected = golden.exitLayer == 0 ? golden.entryLogits : golden.prunedLogits[golden.exitLayer - 1]
      #expect(answer.logits.largestDifference(to: expected) <= GoldenCheck.tolerance, "\(golden.text)")
    }
  }
}
