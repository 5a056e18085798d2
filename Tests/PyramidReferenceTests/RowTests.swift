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

  @Test func `what is fused becomes one row without a place`() throws {
    var scene = try Scene(lengths: [2, 3, 1], layers: 2)
    let x = try scene.rows("x", (0..<6).map { [Float($0), 10 * Float($0)] })
    let made = try scene.builder.addAll(
      .decidePrune(policy: FuseAll.name, at: .after(0), reads: [.tokenID], afterExit: false, rest: .fused),
      [scene.segments, scene.ids], names: ["keep", "into", "share"])
    let rows = try scene.add(.pool, [x, made[1], made[2], made[0]], name: "rows")
    _ = try scene.add(.compact, [scene.positions, made[0]], name: "places")
    let offsets = try scene.add(.compactSegments, [scene.segments, made[0]], name: "offsets")
    let logits = try scene.add(.firstRows, [rows, offsets], name: "logits")
    try scene.builder.addEffect(.classify, [scene.samples, logits])
    var values: [String: ReferenceTensor] = [:]
    let policy = try make(FuseAll.self, ModelFacts(layers: 2, classes: 2))
    _ = try scene.interpreter(prune: policy).run(scene.batch) { values[$1] = $2 }
    #expect(try values["keep"]?.integers == [0, -1, 2, -1, 5])
    #expect(try values["into"]?.integers == [0, 1, 2, 3, 3, 4])
    #expect(try values["places"]?.integers == [0, -1, 0, -1, 0])
    #expect(try values["offsets"]?.integers == [0, 2, 4, 5])
    // Tokens 3 and 4 weigh as much as their ids.
    let mean = Float(25) / 7
    #expect(try isClose(values["rows"]!.floats, [0, 0, 1, 10, 2, 20, mean, 10 * mean, 5, 50], tolerance: 1e-6))
  }

  @Test func `what merges adds its size to another row, and attention counts it as often`() throws {
    var scene = try Scene(lengths: [4], layers: 2)
    let x = try scene.rows("x", [[0, 1], [0, 2], [0, 5], [0, 3]])
    let zero = try scene.rows("zero", [[0, 0], [0, 0], [0, 0], [0, 0]])
    let made = try scene.builder.addAll(
      .decidePrune(policy: MergeIntoSecond.name, at: .after(0), reads: [.tokenID], afterExit: false, rest: .merged),
      [scene.segments, scene.ids], names: ["keep", "into", "share", "sizes"])
    let moved = try [x, zero].map { try scene.add(.pool, [$0, made[1], made[2], made[0]], name: "moved") }
    let offsets = try scene.add(.compactSegments, [scene.segments, made[0]], name: "offsets")
    let mixed = try scene.add(
      .attention(heads: 1, emits: []), [moved[1], moved[1], moved[0], offsets, made[3]], name: "mixed")
    let logits = try scene.add(.firstRows, [mixed, offsets], name: "logits")
    try scene.builder.addEffect(.classify, [scene.samples, logits])
    var values: [String: ReferenceTensor] = [:]
    let policy = try make(MergeIntoSecond.self, ModelFacts(layers: 2, classes: 2))
    let answers = try scene.interpreter(prune: policy).run(scene.batch) { values[$1] = $2 }
    #expect(try values["keep"]?.integers == [0, 1, 3] && values["sizes"]?.floats == [1, 2, 1])
    #expect(try isClose(values["moved"]!.floats, [0, 1, 0, 3.5, 0, 3]))
    // Scores are all 0, so the mean is that of the four tokens.
    #expect(isClose(answers[0].logits, [0, 2.75], tolerance: 1e-6))
  }
}
