// print -> parse -> print is a fixed point, and nothing that the text carries is lost on the way.

import PyramidIR
import PyramidPolicy
import Testing

@Suite struct RoundTripTests {
  @Test(arguments: [SampleModel.plain, SampleModel.pyramid])
  func aBuiltGraphSurvivesTheRoundTrip(build: @Sendable () throws -> Graph) throws {
    let graph = try build()
    try graph.verify()
    let text = graph.description
    let again = try Graph.parse(text)
    try again.verify()
    #expect(again.description == text)
    #expect(again.nodes.map(\.op) == graph.nodes.map(\.op))
    #expect(again.nodes.map(\.section) == graph.nodes.map(\.section))
    #expect(again.weights == graph.weights)
    #expect(again.policies == graph.policies)
    #expect(again.dims.map(\.dim) == graph.dims.map(\.dim))
    #expect(again.dims.map(\.bound) == graph.dims.map(\.bound))
    #expect(again.shape == graph.shape)
  }

  @Test func whatTheLastPassesAddSurvivesTheRoundTrip() throws {
    var graph = try SampleModel.plain()
    graph.checkpoint = "sha256:\"0\\1\n\t\u{1}é"
    graph.target = .avx512
    graph.weights[3].layout = .panels(64)
    graph.slots = [Slot(family: .tokens, bytesPerRow: 64), Slot(family: .samples, bytesPerRow: 12)]
    graph.costs = graph.countOperations()
    let node = try #require(graph.nodes.firstIndex { $0.op == .embed })
    graph[graph.nodes[node].results[0]].slot = 0
    graph.nodes[node].kernel = Kernel(.avx512)
    let linear = try #require(graph.nodes.firstIndex { $0.op == .linear(.none) })
    graph.nodes[linear].kernel = Kernel(.avx512, .int8)
    let again = try Graph.parse(graph.description)
    #expect(again.description == graph.description)
    #expect(again.checkpoint == graph.checkpoint)
    #expect(again.target == graph.target)
    #expect(again.weights == graph.weights)
    #expect(again.slots == graph.slots)
    #expect(again.costs == graph.costs)
    #expect(again.values.map(\.slot) == graph.values.map(\.slot))
    #expect(again.nodes.map(\.kernel) == graph.nodes.map(\.kernel))
  }

  @Test func severalResultsKeepTheirSlots() throws {
    var graph = try SampleModel.pyramid()
    graph.slots = [Slot(family: .tokens, bytesPerRow: 64)]
    let results = try #require(graph.nodes.first { $0.results.count == 2 }).results
    graph[results[1]].slot = 0
    let again = try Graph.parse(graph.description)
    #expect(graph.description.contains(" in -, 0\n"))
    #expect(again.description == graph.description)
  }

  static let operations: [Op] =
    [
      .linear(.gelu), .linear(.none), .linearAddNorm(epsilon: 1e-5), .activate(.geluTanh), .add,
      .layerNorm(epsilon: 0.25),
      .attention(heads: 3, emits: []), .attention(heads: 3, emits: [.received, .fromFirst]),
      .attention(heads: 3, emits: [.fromFirst, .fromOthers]),
      .attentionQKV(heads: 12, emits: [.fromFirst]), .firstAttention(heads: 2),
      .firstAttention(heads: 1, emits: [.fromFirst]), .firstRows, .segmentMean, .concat, .softmax,
      .rowNorm(first: 2, count: 7), .embed,
      .decideExit(policy: "a-b", at: .after(0), reads: []), .keepSamples, .compact, .compactSegments,
      .decideExit(policy: "e", at: .entry, reads: ExitSignal.allCases),
      .decidePrune(policy: "p", at: .entry, reads: [.tokenID], afterExit: false),
      .bagLogits(skip: [0, 101, .max], separator: 101), .bagLogits(skip: [], separator: 0),
      .decidePrune(policy: "p", at: .after(0), reads: [.position, .hidden], afterExit: true), .input(.typeIDs),
      .decidePrune(policy: "p", at: .after(1), reads: [.keys], afterExit: false, rest: .merged), .pool,
      .headMean(first: 4, count: 6, heads: 3), .gate(.gelu), .rotate(Rotation(size: 2, columns: 8, base: 1e4)),
      .relativeAttention(RelativeAttention(heads: 2, form: .joined, window: 64), emits: [.received]),
      .relativeAttention(
        RelativeAttention(heads: 2, terms: [.bias], buckets: DistanceBuckets(.halves, count: 32, reach: 128)), emits: []
      ),
      .relativeAttention(
        RelativeAttention(
          heads: 3, form: .first, terms: [.queryProduct, .keyProduct],
          buckets: DistanceBuckets(.centred, count: 256, reach: 512)), emits: [.fromFirst]),
      .classify,
    ] + gradientOperations.map { .gradient($0) }

  static let gradientOperations: [GradientOp] = [
    .targets(width: 3), .features(width: 8), .columns(first: 1, count: 2), .dropout(rate: 0.1, stream: 4),
    .dropoutAttention(heads: 2, rate: 0, stream: 0, emits: []),
    .dropoutAttention(heads: 2, rate: 0.25, stream: 1, emits: [.received]), .softKeep(layer: 1, temperature: 1e-3),
    .scaleRows, .meanRowsPenalty(scale: 0.1), .crossEntropy(scale: 0.5), .linearInputGradient, .linearWeightGradient,
    .activationGradient(.geluTanh), .layerNormGradient(epsilon: 1e-12),
    .attentionGradient(heads: 2, rate: 0.1, stream: 3), .embedGradient, .firstRowsGradient, .segmentMeanGradient,
    .compactGradient, .crossEntropyGradient(scale: -1), .rowDot, .softKeepGradient(layer: 0, temperature: 1),
    .meanRowsPenaltyGradient(scale: 2),
  ]

  @Test func theListOfOperationsIsComplete() {
    let words = Mnemonic.allCases.map(\.rawValue) + GradientMnemonic.allCases.map(\.rawValue)
    #expect(Set(words).count == words.count)
    #expect(Set(Self.operations.map(\.mnemonic)) == Set(words))
  }

  @Test(arguments: operations)
  func everyOperationIsReadAsItIsWritten(op: Op) throws {
    var graph = try SampleModel.plain()
    graph.nodes[3].op = op
    let again = try Graph.parse(graph.description)
    #expect(again.nodes[3].op == op)
    #expect(again.description == graph.description)
  }

  @Test(arguments: [0, -0.0, 1, -1, 0.1, 1e300, 5e-324, -2.5e-7, 1.0 / 3, 9_007_199_254_740_993, 1e16, 123456.789])
  func numbersKeepEveryBit(number: Double) throws {
    var graph = try SampleModel.pyramid()
    let arguments = [PolicySpec.Argument(name: "threshold", value: .number(number))]
    graph.policies.exit = PolicySpec(
      name: "entropy", arguments: arguments + [.init(name: "l", value: .numbers([number]))])
    let again = try Graph.parse(graph.description)
    #expect(again.policies == graph.policies)
    guard case .number(let read) = again.policies.exit?.arguments[0].value else {
      Issue.record("not a number")
      return
    }
    #expect(read.bitPattern == number.bitPattern)
  }

  @Test(arguments: [Float(1e-12), 1e-5, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0.1, 16_777_216])
  func epsilonsKeepEveryBit(epsilon: Float) throws {
    var graph = try SampleModel.plain()
    graph.nodes[0].op = .layerNorm(epsilon: epsilon)
    #expect(try Graph.parse(graph.description).nodes[0].op == .layerNorm(epsilon: epsilon))
  }

  @Test func theTextOfAGraphIsWhatTheDesignShows() throws {
    let text = try SampleModel.pyramid().description
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.contains("    exit @entropy(threshold = 0.1)"))
    #expect(lines.contains("    prune @received-attention(thresholds = #prune.thresholds, scale = 1)"))
    #expect(lines.contains("  dim T1 <= T0 by %keep0"))
    #expect(lines.contains("    classify %samples1, %logits"))
    let decision = try #require(lines.first { $0.contains("decide_prune") })
    #expect(
      decision.split(separator: " ").joined(separator: " ")
        == "%keep0 = decide_prune @received-attention %segments, %stay0, %recv0 "
        + "{layer 0, reads received-attention, after exit} : i32[T1]")
  }
}
