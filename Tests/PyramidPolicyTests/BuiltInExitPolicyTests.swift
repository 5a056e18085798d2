// The built-in exit policies on heads written by hand.

import PyramidPolicy
import Testing

@Suite struct BuiltInExitPolicyTests {
  @Test("entropy exits below its threshold and at every head that is as certain")
  func entropy() throws {
    let heads: [[Float]] = [[1 / 3, 1 / 3, 1 / 3], [0.9, 0.05, 0.05], [0.99, 0.005, 0.005], [1, 0, 0], [1, 0, 0]]
    #expect(try policy("entropy").exits(probabilities: heads) == [3, 4, 5])  // 0.359 after layer 2, 0.057 after 3
    #expect(try policy("entropy(threshold=0.36)").exits(probabilities: heads) == [2, 3, 4, 5])
    #expect(try policy("entropy(threshold=0.35)").exits(probabilities: heads) == [3, 4, 5])
    #expect(try policy("entropy(threshold=0)").exits(probabilities: heads) == [])
  }

  @Test("entropy of a broken head never exits", arguments: [Float.nan, .infinity, -0.1])
  func entropyOfBrokenHead(value: Float) throws {
    #expect(try policy("entropy(threshold=1)").exits(probabilities: [[value, 0, 0], [0, 0, value]]) == [])
  }

  @Test("patience counts repetitions, from 0 after the first head, and starts again on a change")
  func patience() throws {
    func heads(_ classes: [Int]) -> [[Float]] { classes.map { best in (0..<3).map { $0 == best ? 2 : 1 } } }
    #expect(try policy("patience").exits(logits: heads([1, 1, 1, 1, 1])) == [3])
    #expect(try policy("patience").exits(logits: heads([1, 1, 2, 2, 2])) == [5])
    #expect(try policy("patience(patience=1)").exits(logits: heads([0, 1, 1, 0, 0])) == [3, 5])
    #expect(try policy("patience(patience=5)").exits(logits: heads([1, 1, 1, 1, 1])) == [])
  }

  @Test("patience takes the earlier class on a tie, and a head with NaN starts the count again")
  func patienceOnTiesAndNaN() throws {
    #expect(try policy("patience(patience=1)").exits(logits: [[5, 5, 1], [5, 1, 1]]) == [2])
    #expect(try policy("patience(patience=1)").exits(logits: [[5, 1], [5, .nan], [5, 1], [5, 1]]) == [4])
  }

  @Test("two samples of one patience policy do not share memory")
  func patienceMemoryIsPerSample() throws {
    let instance = try policy("patience(patience=1)")
    #expect(instance.exits(logits: [[1, 0]]) == [])
    #expect(instance.exits(logits: [[1, 0]]) == [])
  }

  @Test("fixed-layer is active at its layer only and exits there")
  func fixedLayer() throws {
    let instance = try policy("fixed-layer(layer=2)")
    #expect((0...7).filter { instance.isActive(afterLayer: $0) } == [2])
    #expect(instance.exits(probabilities: Array(repeating: [1, 0], count: 6)) == [2])
    #expect(instance.exitSignals.isEmpty)
  }

  @Test("a fixed layer that is not before the last layer is refused", arguments: [6, 7])
  func fixedLayerBeyondModel(layer: Int) {
    #expect(
      throws: PolicyError.rejected(
        "policy 'fixed-layer': layer=\(layer): the model has 6 layers, so give a layer before the last")
    ) {
      try policy("fixed-layer(layer=\(layer))")
    }
  }

  @Test("never-exit evaluates every head and never exits")
  func neverExit() throws {
    let instance = try policy("never-exit")
    #expect(instance.exits(probabilities: Array(repeating: [1, 0], count: 6)) == [])
    #expect((0...7).filter { instance.isActive(afterLayer: $0) } == [0, 1, 2, 3, 4, 5])
    #expect(instance.exitSignals == [.probabilities])
  }

  @Test("normalised entropy agrees with known values, and one class is certain")
  func entropyValues() throws {
    let quarter: [Float] = [0.25, 0.25, 0.25, 0.25]
    #expect(try policy("entropy(threshold=1)").exits(probabilities: [quarter]) == [])
    // H(0.5, 0.25, 0.25) / ln 3 = 1.5 ln 2 / ln 3 = 0.946394630
    #expect(try policy("entropy(threshold=0.94639)").exits(probabilities: [[0.5, 0.25, 0.25]]) == [])
    #expect(try policy("entropy(threshold=0.9464)").exits(probabilities: [[0.5, 0.25, 0.25]]) == [1])
    #expect(try policy("entropy", classes: 1).exits(probabilities: [[1]]) == [1])
  }
}
