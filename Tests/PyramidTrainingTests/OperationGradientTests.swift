// Each operation's gradient against central differences of the loss in double precision, over seeded shapes and ragged
// batches.

import PyramidIR
import PyramidPolicy
import PyramidReference
import PyramidTestSupport
import PyramidTraining
import Testing

@Suite struct OperationGradientTests {
  /// A graph with one operation under test, and its loss.
  struct Subject: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let build: @Sendable (inout GradientScene) throws -> TrainingCase

    init(_ name: String, _ build: @escaping @Sendable (inout GradientScene) throws -> TrainingCase) {
      (testDescription, self.build) = (name, build)
    }

    /// One that makes rows on which the scene puts its loss.
    init(rows name: String, _ build: @escaping @Sendable (inout GradientScene) throws -> ValueID) {
      self.init(name) { scene in try scene.lossCase(on: build(&scene)) }
    }
  }

  static let subjects: [Subject] =
    Activation.allCases.flatMap { activation in
      [
        Subject(rows: "linear with \(activation)") { try $0.linear($0.rows("x", 3), 5, activation, name: "y") },
        Subject(rows: "activate \(activation)") { try $0.add(.activate(activation), [$0.rows("x", 4)]) },
      ]
    } + attentions + rowwise + pruning + losses

  static let attentions: [Subject] =
    [1, 2].flatMap { heads in
      [
        Subject(rows: "attention of \(heads) heads") {
          try $0.attention(.attention(heads: heads, emits: []), $0.projections(4))[0]
        },
        Subject(rows: "attention of one value by itself, \(heads) heads") {
          let x = try $0.rows("x", 6)
          return try $0.attention(.attention(heads: heads, emits: []), [x, x, x])[0]
        },
        Subject(rows: "attention of \(heads) heads and what is received") {
          let made = try $0.attention(.attention(heads: heads, emits: [.received]), $0.projections(4))
          return try $0.add(.gradient(.scaleRows), [made[0], made[1]])
        },
        Subject(rows: "dropout_attention of \(heads) heads and what is received") {
          let op = Op.gradient(.dropoutAttention(heads: heads, rate: 0.3, stream: 1, emits: [.received]))
          let made = try $0.attention(op, $0.projections(4))
          return try $0.add(.gradient(.scaleRows), [made[0], made[1]])
        },
      ]
    }

  static let rowwise: [Subject] = [
    Subject(rows: "embed with types") { scene in
      let types = try scene.builder.add(.input(.typeIDs), [], name: "types")
      let tables = ["a", "b", "c"].map { scene.weight($0, [6, 3]) }
      return try scene.add(.embed, [scene.ids, scene.positions, types], tables)
    },
    Subject(rows: "add") { try $0.add(.add, [$0.rows("a", 3), $0.rows("b", 3)]) },
    Subject(rows: "add of a value to itself, which is read again") {
      let x = try $0.rows("x", 3)
      let doubled = try $0.add(.add, [x, x], name: "doubled")
      return try $0.add(.add, [doubled, x])
    },
    Subject(rows: "layer_norm") {
      let x = try $0.rows("x", 5)
      return try $0.add(.layerNorm(epsilon: 0.01), [x], [$0.weight("g", [5], around: 1), $0.weight("c", [5])])
    },
    Subject(rows: "dropout") { try $0.add(.gradient(.dropout(rate: 0.4, stream: 2)), [$0.rows("x", 4)]) },
    Subject(rows: "segment_mean") { try $0.add(.segmentMean, [$0.rows("x", 4), $0.segments]) },
    Subject(rows: "concat") { try $0.add(.concat, [$0.rows("a", 2), $0.rows("b", 3)]) },
    Subject(rows: "concat of a value with itself") {
      let x = try $0.rows("x", 2)
      return try $0.add(.concat, [x, x])
    },
    Subject(rows: "first_rows") { try $0.add(.firstRows, [$0.rows("x", 4), $0.segments]) },
  ]

  static let pruning: [Subject] = [
    Subject(rows: "scale_rows") { try $0.add(.gradient(.scaleRows), [$0.rows("x", 4), $0.vector("m")]) },
    Subject(rows: "soft_keep") {
      let thresholds = $0.weight("thresholds", [2], around: 1)
      let op = Op.gradient(.softKeep(layer: 1, temperature: 0.5))
      let mask = try $0.add(op, [$0.vector("score"), $0.segments], [thresholds], name: "mask")
      _ = try $0.add(.gradient(.meanRowsPenalty(scale: 0.3)), [mask, $0.segments], name: "penalty")
      return try $0.add(.gradient(.scaleRows), [$0.rows("x", 4), mask])
    },
    Subject("compact") { scene in
      let graph = scene.builder.graph
      scene.builder.graph.policies.prune = try PolicySpec(KeepEven.name)
      let op = Op.decidePrune(policy: KeepEven.name, at: .after(0), reads: [.position], afterExit: false)
      let keep = try scene.add(op, [scene.segments, scene.positions], name: "keep")
      let x = try scene.rows("x", 4)
      let kept = try scene.add(.compact, [x, keep], name: "kept")
      let segments = try scene.add(.compactSegments, [scene.segments, keep], name: "segments")
      let y = try scene.builder.addAll(
        .attention(heads: 2, emits: []), [kept, kept, kept, segments], names: ["attended"])[0]
      let first = try scene.add(.firstRows, [y, segments], name: "first")
      return try scene.lossCase(on: first, prune: KeepEven.instance(graph))
    },
  ]

  static let losses: [Subject] = [
    Subject("cross_entropy of samples, twice on the same logits") { scene in
      let first = try scene.add(.firstRows, [scene.rows("x", 4), scene.segments], name: "first")
      let logits = try scene.linear(first, GradientScene.classes, name: "logits")
      let targets = try scene.add(.gradient(.targets(width: GradientScene.classes)), [], name: "targets")
      _ = try scene.add(.gradient(.crossEntropy(scale: 2)), [logits, targets], name: "loss")
      return try scene.lossCase(logits, targets, scale: -0.25)
    },
    Subject("mean_rows_penalty alone") { scene in
      let m = try scene.vector("m")
      _ = try scene.add(.gradient(.meanRowsPenalty(scale: 1.5)), [m, scene.segments], name: "penalty")
      return try scene.lossCase(on: scene.rows("x", 2))
    },
  ]

  @Test(arguments: subjects, ["a", "b", "c"])
  func `An operation's gradient is the slope of the loss`(subject: Subject, seed: String) throws {
    var scene = try GradientScene(subject.testDescription + seed)
    let training = try subject.build(&scene)
    let result = try training.differentiated().reference()
    let teachers = training.weights.keys.filter { $0.hasPrefix("teacher") }
    #expect(Set(result.weights.keys) == Set(training.weights.keys).subtracting(teachers))
    #expect(result.weights.values.contains { $0.contains { abs($0) > 1e-4 } })
    #expect(try training.differenceError(of: result.weights, elements: 24) < 1e-6)
  }

  @Test func `The comparison with differences sees a wrong gradient`() throws {
    var scene = try GradientScene("wrong")
    let training = try scene.lossCase(on: scene.linear(scene.rows("x", 3), 4, .tanh, name: "y"))
    var gradients = try training.differentiated().reference().weights
    gradients["y.w"]![5] *= 1.001
    #expect(try training.differenceError(of: gradients) > 1e-5)
    #expect(gradientError(gradients, expected: try training.differentiated().reference().weights) > 1e-5)
    gradients["y.w"] = nil
    #expect(gradientError(gradients, expected: try training.differentiated().reference().weights) == .infinity)
  }
}
