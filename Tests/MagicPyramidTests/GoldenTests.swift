// A real checkpoint, compiled for every instruction set, against PyTorch: ids, logits of all heads with and without
// pruning, kept tokens, exit layers. How one golden file is checked is in GoldenCheck.swift.

import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@Suite(.serialized) struct `Goldens from PyTorch` {
  static let samples = Result { try GoldenSample.read(Repository.root + "/Tests/Golden/dbpedia14.jsonl") }

  @Test func `cover early and late exits, short and long texts`() throws {
    let samples = try Self.samples.get()
    #expect(Set(samples.map(\.exitLayer)).count > 3)
    #expect(samples.contains { $0.ids.count < 25 } && samples.contains { $0.ids.count > 100 })
  }

  @Test(arguments: InstructionSet.supported)
  func `ids, logits of all heads, kept tokens and exits are PyTorch's`(set: InstructionSet) throws {
    let check = try GoldenCheck(checkpoint: Repository.defaultCheckpoint, samples: Self.samples.get(), set)
    try check.ids()
    try check.everyHead(isPruned: false)
    try check.everyHead(isPruned: true)
    try check.exits()
  }

  @Test(arguments: InstructionSet.supported)
  func `heads over the mean of their layer's input are PyTorch's, temperature or not`(set: InstructionSet) throws {
    let golden = Repository.root + "/Tests/Golden/first-and-mean"
    let samples = try GoldenSample.read(golden + ".jsonl")
    #expect(Set(samples.map(\.exitLayer)).count > 2)
    let check = try GoldenCheck(checkpoint: golden, samples: samples, set)
    try check.ids()
    try check.everyHead(isPruned: false)
    try check.everyHead(isPruned: true)
    try check.exits()
  }

  @Test func `the reference interpreter agrees with PyTorch as well`() throws {
    let compiled = try CompiledCheckpoint(
      Repository.defaultCheckpoint, for: .portable, exit: "never-exit", prune: "received-attention")
    let samples = try Self.samples.get().filter { $0.ids.count < 30 }
    #expect(samples.count >= 3)
    let batch = ReferenceBatch(tokenIDs: samples.map(\.ids))
    let dense = try compiled.oracle(prune: "keep-all").run(batch)
    let pruned = try compiled.oracle().run(batch)
    for (index, sample) in samples.enumerated() {
      for layer in sample.denseLogits.indices {
        let (found, expected) = (dense[index].headLogits[layer + 1] ?? [], sample.denseLogits[layer])
        #expect(found.largestDifference(to: expected) <= GoldenCheck.tolerance)
        #expect(
          (pruned[index].headLogits[layer + 1] ?? []).largestDifference(to: sample.prunedLogits[layer])
            <= GoldenCheck.tolerance)
      }
      #expect(Array(pruned[index].alivePositions.dropFirst()) == Array(sample.keptAfterLayer.dropLast()))
    }
  }

  /// The whole files and another checkpoint: minutes in a debug build.
  @Test(
    .enabled(if: Repository.runsLongTests && Repository.shared != nil, "needs MP_LONG_TESTS=1 and the shared folder"),
    arguments: InstructionSet.supported, [("dbpedia14", "dbpedia14-minilm-l6-v8k"), ("agnews", "agnews-minilm-l6")])
  func `whole golden files are PyTorch's`(set: InstructionSet, files: (golden: String, model: String)) throws {
    let shared = try #require(Repository.shared)
    let samples = try GoldenSample.read("\(shared)/golden/\(files.golden).jsonl")
    let check = try GoldenCheck(checkpoint: "\(shared)/models/\(files.model)", samples: samples, set)
    try check.ids()
    try check.everyHead(isPruned: false)
    try check.everyHead(isPruned: true)
    try check.exits()
  }
}
