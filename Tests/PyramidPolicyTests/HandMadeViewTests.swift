// What the author of a policy writes in a unit test: arguments from text and a sample from arrays, one expression each.

import BuiltInPolicies
import PyramidPolicy
import Testing

@Suite struct HandMadeViewTests {
  let model = ModelFacts(layers: 6, classes: 3)

  @Test("an exit policy is made from text and asked about a head that is made from arrays")
  func exitPolicy() throws {
    let entropy = try Entropy(PolicyArguments("entropy(threshold=0.3)", for: Entropy.self, model: model))
    #expect(entropy.shouldExit(ExitView(layer: 2, layers: 6, probabilities: [0.98, 0.01, 0.01])) == true)
    #expect(entropy.shouldExit(ExitView(layer: 2, layers: 6, probabilities: [0.4, 0.3, 0.3])) == false)
  }

  @Test("an exit policy with memory is asked head by head")
  func memory() throws {
    let patience = try Patience(PolicyArguments("patience(patience=1)", for: Patience.self, model: model))
    var memory = patience.makeMemory()
    let answers = [[0, 1], [1, 0], [1, 0]].enumerated().map { index, logits in
      patience.shouldExit(ExitView(layer: index + 1, layers: 6, logits: logits), &memory)
    }
    #expect(answers == [false, false, true])
  }

  @Test("a pruning policy scores tokens that are made from arrays, and its defaults need no text")
  func pruningPolicy() throws {
    let topK = try TopK(PolicyArguments(for: TopK.self, model: model))
    #expect(topK.scores(of: TokenView(layer: 1, layers: 6, receivedAttention: [1, 3, 2])) == [1, 3, 2])
    #expect(topK.retention(afterLayer: 1) == .fraction(0.8))
    let keepAll = try KeepAll(PolicyArguments(for: KeepAll.self, model: model))
    #expect(keepAll.scores(of: TokenView(layer: 1, layers: 6, count: 2)) == [0, 0])
  }

  @Test("a view shows what was given: counts follow from the signals")
  func contents() {
    let head = ExitView(
      layer: 3, layers: 6, hidden: [7, 8], tokensAlive: 5, earlierProbabilities: [[0.5, 0.4, 0.1], [0.75, 0.25, 0]])
    #expect(head.layer == 3 && head.layers == 6 && head.classes == 3 && head.tokensAlive == 5)
    #expect(head.earlierHeads == 2 && head.earlierProbabilities(ofHead: 1)[1] == 0.25 && head.hidden[1] == 8)
    let sample = TokenView(
      layer: 2, layers: 6, attentionFromCLS: [1, 2], valueNorm: [3, 4], hiddenNorm: [5, 6], position: [0, 9],
      tokenID: [101, 7], hidden: [[1, 2, 3], [4, 5, 6]])
    #expect(sample.count == 2 && sample.width == 3 && sample.layer == 2 && sample.hidden[4] == 5)
    #expect(sample.attentionFromCLS[1] == 2 && sample.valueNorm[1] == 4 && sample.hiddenNorm[1] == 6)
    #expect(sample.position[1] == 9 && sample.tokenID[0] == 101)
  }

  @Test("arguments are checked as the engine checks them")
  func wrongArguments() throws {
    let expected = "a number in 0...1"
    #expect(throws: PolicyError.badValue(policy: "entropy", parameter: "threshold", value: "2", expected: expected)) {
      try PolicyArguments("entropy(threshold=2)", for: Entropy.self, model: model)
    }
    #expect(throws: PolicyError.unknownPolicy(name: "top-k", kind: .exit, available: ["entropy"])) {
      try PolicyArguments("top-k", for: Entropy.self, model: model)
    }
    let learned: [String: LearnedTensor] = ["prune.thresholds": [1, 2, 3, 4, 5]]
    let arguments = try PolicyArguments(for: ReceivedAttention.self, model: model, learned: learned)
    #expect(arguments.numbers("thresholds") == [1, 2, 3, 4, 5] && arguments.float("scale") == 1)
  }

  @Test("a signal that was not given is not declared")
  func undeclared() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let head = ExitView(layer: 1, layers: 6, logits: [1, 0])
      _ = head.probabilities.count
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a policy read signal 'probabilities', which its 'reads' does not declare"))
  }

  @Test("signals of different counts are refused")
  func differentCounts() async {
    await #expect(processExitsWith: .failure) {
      let sample = TokenView(layer: 1, layers: 6, valueNorm: [1, 2], position: [0])
      _ = sample.count
    }
  }
}
