// Small checkpoints of every family against `transformers`: logits of the last head and of an exit head after each layer, by
// the reference interpreter and by the compiled engine. Scripts/make-family-golden makes them and says what each number is;
// a folder that it adds is tested without a line here.

import Foundation
import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@Suite struct `Goldens of families` {
  struct Golden: Decodable, Sendable {
    let ids, types: [[Int32]]
    let logits: [[Float]]
    /// By layer, from 0.
    let exits: [String: [[Float]]]

    /// Logits that answer at a layer counted from 1.
    func logits(at layer: Int) -> [[Float]] { exits["\(layer - 1)"] ?? logits }
  }

  static let folder = Repository.root + "/Tests/Golden/families"
  static let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()

  private func golden(_ name: String) throws -> Golden {
    try JSONDecoder().decode(Golden.self, from: Data(contentsOf: URL(filePath: "\(Self.folder)/\(name)/golden.json")))
  }

  @Test func `are there, with heads`() throws {
    #expect(Set(Self.names).isSuperset(of: ["roberta", "camembert", "xlm-roberta", "albert", "albert-groups"]))
    for name in Self.names {
      let golden = try golden(name)
      let configuration = try Checkpoint(path: "\(Self.folder)/\(name)").configuration
      #expect(golden.ids.count >= 8 && golden.exits.count == configuration.layers - 1, "\(name)")
    }
  }

  @Test(arguments: names)
  func `The reference interpreter's logits are those of transformers, at every head`(name: String) throws {
    let golden = try golden(name)
    let compiled = try CompiledCheckpoint("\(Self.folder)/\(name)", for: .portable, exit: "never-exit")
    let answers = try compiled.oracle().run(ReferenceBatch(tokenIDs: golden.ids, typeIDs: golden.types))
    for (sample, answer) in answers.enumerated() {
      for layer in 1...compiled.model.graph.shape.layers {
        let difference = (answer.headLogits[layer] ?? []).largestDifference(to: golden.logits(at: layer)[sample])
        #expect(difference <= GoldenCheck.tolerance, "\(name), sample \(sample), head \(layer): off by \(difference)")
      }
    }
  }

  @Test(arguments: names, InstructionSet.supported)
  func `The engine's logits are those of transformers, at every head, in a batch and alone`(
    name: String, set: InstructionSet
  ) throws {
    let golden = try golden(name)
    let compiled = try CompiledCheckpoint(
      "\(Self.folder)/\(name)", for: set, exit: "entropy(threshold=0.1)", prune: "keep-all")
    let dense = try CompiledCheckpoint("\(Self.folder)/\(name)", for: set)
    let layers = compiled.model.graph.shape.layers
    for layer in 1...layers {
      let executor = try compiled.executor(exit: layer < layers ? "fixed-layer(layer=\(layer))" : "never-exit")
      let answers = try executor.run(PackedBatch(golden.ids, typeIDs: golden.types))
      for (sample, answer) in answers.enumerated() {
        let difference = answer.logits.largestDifference(to: golden.logits(at: layer)[sample])
        #expect(difference <= GoldenCheck.tolerance, "\(name), sample \(sample), head \(layer): off by \(difference)")
        #expect(answer.exitLayer == layer)
        let alone = try executor.run(PackedBatch([golden.ids[sample]], typeIDs: [golden.types[sample]]))
        #expect(set == .portable || alone[0].logits == answer.logits, "\(name), sample \(sample), head \(layer)")
      }
    }
    let answers = try dense.executor().run(PackedBatch(golden.ids, typeIDs: golden.types))
    for (sample, answer) in answers.enumerated() {
      #expect(answer.logits.largestDifference(to: golden.logits[sample]) <= GoldenCheck.tolerance, "\(name), \(sample)")
    }
  }
}
