// Row moving by hand: which rows stay, their offsets, and the checks that only a run can make.

import PyramidIR
import PyramidPolicy
import PyramidReference
import Testing

struct RowTests {
  /// Three samples of 2, 3 and 1 tokens; those longer than two tokens leave at the only boundary.
  private func scene() throws -> (scene: Scene, stay: ValueID, x: ValueID) {
    var scene = try Scene(lengths: [2, 3, 1], layers: 2)
    let x = try scene.rows("x", (0..<6).map { [Float($0), 10 * Float($0)] })
    let logits = try scene.add(.firstRows, [x, scene.segments], name: "head")
    let stay = try scene.add(
      .decideExit(policy: LeaveAtLayer.name, at: .after(0), reads: [.tokensAlive]),
      [scene.samples, logits, scene.segments],
      name: "stay")
    return (scene, stay, x)
  }

  private func policy() throws -> PolicyInstance {
    try make(LeaveAtLayer.self, ModelFacts(layers: 2, classes: 2), ["longer-than": 2])
  }

  @Test func `keep_samples, compact and compact_segments follow the samples that stay`() throws {
    var (scene, stay, x) = try scene()
    let keep = try scene.add(.keepSamples, [scene.segments, stay], name: "keep")
    let left = try scene.add(.compact, [x, keep], name: "left")
    let ids = try scene.add(.compact, [scene.ids, keep], name: "left.ids")
    let offsets = try scene.add(.compactSegments, [scene.segments, keep, stay], name: "offsets")
    let samples = try scene.add(.compact, [scene.samples, stay], name: "left.samples")
    let logits = try scene.add(.firstRows, [left, offsets], name: "logits")
    try scene.builder.addEffect(.classify, [samples, logits])
    _ = ids
    var values: [String: ReferenceTensor] = [:]
    let answers = try scene.interpreter(exit: policy()).run(scene.batch) { values[$1] = $2 }
    #expect(try values["stay"]?.integers == [0, 2])
    #expect(try values["keep"]?.integers == [0, 1, 5])
    #expect(try values["left"]?.floats == [0, 0, 1, 10, 5, 50])
    #expect(try values["left.ids"]?.integers == [0, 1, 5])
    #expect(try values["offsets"]?.integers == [0, 2, 3])
    #expect(try values["left.samples"]?.integers == [0, 2])
    #expect(answers.map(\.exitLayer) == [2, 1, 2])
    #expect(answers.map(\.logits) == [[0, 0], [2, 20], [5, 50]])
  }

  @Test func `a graph that forgets a sample is an error`() throws {
    let (scene, _, _) = try scene()
    #expect(throws: ReferenceError("the graph ends before sample 0 is answered")) {
      try scene.interpreter(exit: policy()).run(scene.batch)
    }
  }

  @Test func `a sample answered twice is an error`() throws {
    var (scene, _, x) = try scene()
    let logits = try scene.add(.firstRows, [x, scene.segments], name: "logits")
    try scene.builder.addEffect(.classify, [scene.samples, logits])
    #expect(throws: ReferenceError("sample 1 is answered twice", at: "classify")) {
      try scene.interpreter(exit: policy()).run(scene.batch)
    }
  }

  @Test func `offsets that do not fit their rows are an error`() throws {
    var (scene, stay, x) = try scene()
    let keep = try scene.add(.keepSamples, [scene.segments, stay], name: "keep")
    let left = try scene.add(.compact, [x, keep], name: "left")
    _ = try scene.add(.firstRows, [left, scene.segments], name: "wrong")
    #expect(throws: ReferenceError("segments [0, 2, 5, 6] do not end at the 3 rows", at: "first_rows %wrong")) {
      try scene.interpreter(exit: policy()).run(scene.batch)
    }
  }

  @Test func `compact_segments refuses tokens of samples that left`() throws {
    var (scene, stay, x) = try scene()
    let all = try scene.add(
      .decidePrune(policy: ScoreNaN.name, at: .after(0), reads: [], afterExit: false), [scene.segments], name: "all")
    _ = try scene.add(.compactSegments, [scene.segments, all, stay], name: "wrong")
    _ = x
    let prune = try make(ScoreNaN.self, ModelFacts(layers: 2, classes: 2))
    #expect(
      throws: ReferenceError(
        "%keep has 6 tokens, but the samples that stay have 3", at: "compact_segments %wrong")
    ) {
      try scene.interpreter(exit: policy(), prune: prune).run(scene.batch)
    }
  }

  @Test func `an index outside its rows is an error`() throws {
    var (scene, stay, x) = try scene()
    let samples = try scene.add(.compact, [scene.samples, stay], name: "left.samples")
    _ = try scene.add(.compact, [samples, stay], name: "wrong")
    _ = x
    #expect(throws: ReferenceError("indices [0, 2] do not lie in 2 rows", at: "compact %wrong")) {
      try scene.interpreter(exit: policy()).run(scene.batch)
    }
  }
}
