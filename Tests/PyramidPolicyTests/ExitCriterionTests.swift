// The exit criteria of the literature on heads written by hand, and the numbers that they start from. That whole models
// leave where an independent computation says is in ExitGoldenTests.

import PyramidPolicy
import Testing

@Suite struct ExitCriterionTests {
  /// The heads, counted from `first`, at which a policy answers "exit"; all signals are shown.
  private func exits(
    _ text: String, _ heads: [[Float]], first: Int = 1, hidden: [[Float]]? = nil, tokens: [Int32]? = nil,
    learned: [String: LearnedTensor] = [:], layers: Int = 6
  ) throws -> [Int] {
    let spec = try PolicySpec(text)
    let type = try #require(BuiltInTypes.all.first { $0.name == spec.name })
    let facts = ModelFacts(layers: layers, classes: heads[0].count, hidden: hidden?[0].count)
    let instance = try type.make(spec, model: facts, learned: learned)
    return instance.withMemory { memory in
      heads.indices.filter { index in
        let view = ExitView(
          layer: first + index, layers: layers, logits: heads[index].map { Float(naturalLogarithm(Double($0))) },
          probabilities: heads[index], hidden: hidden?[index + 1], earlierHidden: hidden?[index], tokenIDs: tokens,
          earlierProbabilities: Array(heads[..<index]))
        return instance.isActive(afterLayer: first + index) && instance.shouldExit(view, memory: memory)
      }.map { first + $0 }
    }
  }

  private let unsure: [Float] = [0.4, 0.35, 0.25]
  private let half: [Float] = [0.7, 0.2, 0.1]
  private let sure: [Float] = [0.98, 0.01, 0.01]
  private let other: [Float] = [0.01, 0.98, 0.01]

  @Test func `raw-entropy is in nats`() throws {
    // H = 0.8018 nats for half, 0.1119 for sure.
    #expect(try exits("raw-entropy(threshold=0.802)", [unsure, half, sure]) == [2, 3])
    #expect(try exits("raw-entropy(threshold=0.8018)", [unsure, half, sure]) == [3])
    #expect(try exits("raw-entropy(threshold=100)", [[.nan, 0.5, 0.5]]) == [])
  }

  @Test func `max-probability includes its threshold, and each head has its temperature`() throws {
    #expect(try exits("max-probability(threshold=0.69)", [unsure, half, sure]) == [2, 3])
    // 0.7^2 / (0.49 + 0.04 + 0.01) = 0.907.
    #expect(try exits("max-probability(threshold=0.9, temperature=[1, 0.5, 1, 1, 1])", [half, half, half]) == [2])
    let learned: [String: LearnedTensor] = [
      "exits.temperatures": [1, 1, 0.5, 1, 1], "exits.entry.temperature": [0.5],
    ]
    #expect(try exits("max-probability", [half, half, half, half], first: 0, learned: learned) == [0, 3])
    // A list that is given says nothing of the entry, which keeps what the checkpoint has.
    #expect(try exits("max-probability(temperature=1)", [half, half], first: 0, learned: learned) == [0])
    #expect(try exits("max-probability(temperature=0.5)", [half, half], first: 0) == [0, 1])
    #expect(throws: PolicyError.self) { try exits("max-probability(temperature=0)", [half]) }
    #expect(throws: PolicyError.self) { try exits("max-probability(temperature=[1, 2])", [half]) }
  }

  @Test func `margin is the lead over the second, exclusive`() throws {
    #expect(try exits("margin(threshold=0.49)", [unsure, half, sure]) == [2, 3])
    #expect(try exits("margin(threshold=0)", [[0.5, 0.5], [0.6, 0.4], [.nan, 1]]) == [2])
  }

  @Test func `patience-confidence wants confident heads in a row`() throws {
    let heads = [sure, unsure, sure, sure, sure]
    #expect(try exits("patience-confidence(threshold=0.2, patience=2)", heads) == [4, 5])
    #expect(try exits("patience-confidence(threshold=0.2, patience=3)", heads) == [5])
    #expect(try exits("patience-confidence(threshold=0.2, patience=1)", heads) == [1, 3, 4, 5])
    #expect(try exits("patience-confidence(threshold=1, patience=6)", heads) == [])
  }

  @Test func `patience-divergence compares with the head before, and starts again when that differs`() throws {
    let heads = [sure, sure, sure, other, other, other]
    #expect(try exits("patience-divergence(threshold=0.1, patience=1)", heads, first: 0) == [1, 2, 4, 5])
    #expect(try exits("patience-divergence(threshold=0.1, patience=2)", heads, first: 0) == [2, 5])
    #expect(try exits("patience-divergence(threshold=0, patience=1)", heads) == [])
    // JSD([1, 0], [0, 1]) = ln 2, and the threshold is exclusive.
    #expect(try exits("patience-divergence(threshold=0.6931, patience=1)", [[1, 0], [0, 1]]) == [])
  }

  @Test func `vote counts heads that name a class, in a row or not`() throws {
    #expect(try exits("vote(votes=2)", [sure, other, half, other]) == [3, 4])
    #expect(try exits("vote(votes=1)", [sure, other], first: 0) == [0, 1])
    #expect(try exits("vote(votes=7)", Array(repeating: sure, count: 5)) == [])
    // A tie goes to the earlier class.
    #expect(try exits("vote(votes=2)", [[0.5, 0.5], [0.6, 0.4]]) == [2])
  }

  @Test func `expert-vote weighs heads and wants two of them`() throws {
    #expect(try exits("expert-vote(threshold=0.6, weights=1)", [sure, sure, other]) == [2, 3])
    #expect(try exits("expert-vote(threshold=0.7, weights=[1, 1, 0.5, 1, 1])", [sure, sure, other]) == [2, 3])
    #expect(try exits("expert-vote(threshold=0.7, weights=[0.5, 1, 1, 1, 1])", [sure, other, other]) == [3])
    // The entry has the weight of the first layer.
    #expect(try exits("expert-vote(threshold=0.5, weights=[0.5, 1, 1, 1, 1])", [sure, sure, other], first: 0) == [1])
    let learned: [String: LearnedTensor] = ["policies.expert-vote.weights": [0, 0, 1, 1, 1]]
    #expect(try exits("expert-vote", [sure, sure, sure], learned: learned) == [3])
    let error = #expect(throws: PolicyError.self) { try exits("expert-vote", [sure]) }
    #expect(error?.description.contains("--fit-policy expert-vote`, or give weights=[...]") == true)
  }

  @Test func `window-trend takes a confidence, or one that rose over its window for one class`() throws {
    #expect(try exits("window-trend(threshold=0.85)", [unsure, half, sure]) == [3])
    // Confidences 0.016, 0.27, 0.59, 0.90: above half of 0.95 first at the third, which ends a window of three.
    let rising: [[Float]] = [unsure, half, [0.88, 0.06, 0.06], sure]
    #expect(try exits("window-trend(threshold=0.95, window=3)", rising) == [3, 4])
    #expect(try exits("window-trend(threshold=0.95, window=5)", rising) == [])
    #expect(try exits("window-trend(threshold=0.95, window=3, relief=0.65)", rising) == [4])
    #expect(try exits("window-trend(threshold=0.95, window=2)", [half, other, sure, sure]) == [])
  }

  @Test func `saturation is the cosine with the row before, from layer 2`() throws {
    let rows: [[Float]] = [[1, 0], [1, 0], [1, 1], [2, 2.1], [0, 0]]
    #expect(try exits("saturation", [half, half, half, half], hidden: rows) == [3])
    #expect(try exits("saturation(threshold=0.7)", [half, half, half, half], hidden: rows) == [2, 3])
    #expect(try exits("saturation(threshold=-1)", [half, half, half, half], first: 0, hidden: rows) == [2])
  }

  @Test func `token-hash is the mean of the layers that its tokens are hashed to`() throws {
    // Buckets of 6, by (id * 2654435761 mod 2^32) >> 16: id 1 -> 40503 mod 6 = 3, layer 4; id 2 -> 15470 mod 6 = 2, layer 3.
    let heads = Array(repeating: half, count: 5)
    #expect(try exits("token-hash", heads, tokens: [1]) == [4, 5])
    #expect(try exits("token-hash", heads, tokens: [1, 2]) == [4, 5])
    #expect(try exits("token-hash", heads, tokens: [1, 2, 2, 2]) == [4, 5])
    #expect(try exits("token-hash", heads, tokens: [2]) == [3, 4, 5])
    #expect(try exits("token-hash(buckets=1)", heads, first: 0, tokens: [1, 2]) == [1, 2, 3, 4])
    #expect(try exits("token-hash(buckets=1)", heads, tokens: []) == [])
  }

  @Test func `learned-exit is a linear layer on the row`() throws {
    let learned: [String: LearnedTensor] = [
      "policies.learned-exit.weight": LearnedTensor(shape: [1, 2], values: [-2, 0]), "policies.learned-exit.bias": [0],
    ]
    let rows: [[Float]] = [[0, 0], [1, 9], [2, 9], [.nan, 9]]
    // sigmoid(-2) = 0.119, sigmoid(-4) = 0.018.
    #expect(try exits("learned-exit", [half, half, half], hidden: rows, learned: learned) == [2])
    #expect(try exits("learned-exit(threshold=0.12)", [half, half, half], hidden: rows, learned: learned) == [1, 2])
    #expect(throws: PolicyError.self) { try exits("learned-exit", [half], hidden: [[1], [1]], learned: learned) }
  }

  @Test func `prototype joins the head's entropy with that of the distances, layer by layer`() throws {
    let learned: [String: LearnedTensor] = [
      "policies.prototype.centroids": LearnedTensor(shape: [2, 2, 2], values: [0, 0, 9, 0, 0, 0, 0, 1])
    ]
    let rows: [[Float]] = [[0, 0], [0, 0], [0, 0], [0, 0]]
    let heads: [[Float]] = [[0.99, 0.01], [0.99, 0.01]]
    // Distances 0 and 9 after layer 1, 0 and 1 after layer 2: 0.002 and 0.840 besides the head's 0.081.
    #expect(try exits("prototype(threshold=0.05)", heads, hidden: rows, learned: learned, layers: 3) == [1])
    #expect(try exits("prototype(threshold=0.47)", heads, hidden: rows, learned: learned, layers: 3) == [1, 2])
    #expect(try exits("prototype(threshold=0.46)", heads, hidden: rows, learned: learned, layers: 3) == [1])
  }

  @Test func `exponential and logarithm undo each other, and say so at their ends`() {
    for x in stride(from: -700.0, through: 700, by: 0.37) {
      #expect(abs(naturalLogarithm(exponential(x)) - x) <= 1e-12 * max(1, abs(x)))
    }
    #expect(exponential(0) == 1 && exponential(-1000) == 0 && exponential(1000) == .infinity && exponential(.nan).isNaN)
    #expect(exponential(-.infinity) == 0 && abs(exponential(1) - 2.718281828459045) < 1e-15)
  }

  @Test func `a softmax in passing is the same in any order, whatever its size`() {
    let logits = [3.0, -1, 1000, 2, 999]
    for order in [logits, logits.reversed(), logits.sorted()] {
      var softmax = SoftmaxSummary()
      for logit in order { softmax.add(logit) }
      // Two of them count: 1 / (1 + e^-1) = 0.7310586, H = 0.5822.
      #expect(abs(softmax.largestProbability - 0.7310585786300049) < 1e-12)
      #expect(abs(softmax.entropy - 0.5822031088) < 1e-9)
    }
    var broken = SoftmaxSummary()
    for logit in [1.0, .nan, 2] { broken.add(logit) }
    #expect(broken.entropy.isNaN && broken.largestProbability.isNaN)
  }
}
