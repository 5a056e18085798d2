// Where dropout goes in each family, and what the generator keeps.

import PyramidCompiler
import PyramidIR
import PyramidModels
import PyramidTestSupport
import PyramidTraining
import Testing

@Suite struct DropoutTests {
  /// Rates that tell the places apart.
  private static let rates = DropoutRates(
    embeddings: 0.01, attention: 0.02, attentionOutput: 0.03, feedForward: 0.04, headInput: 0.05, classifier: 0.06)

  private func places(_ family: CheckpointRecipe.Family, _ rates: DropoutRates) throws -> [Float: [String]] {
    let folder = try TemporaryFolder()
    let plain = try ModelCompiler(checkpoint: CheckpointRecipe(family).write(in: folder)).lowered.graph
    let (graph, heads) = try plain.addingExitHeads(after: [1])
    let training = try graph.trainingGraph(
      losses: [HeadLoss(plain.answeredLogits!)] + heads.logits.map { HeadLoss($0) })
    var places: [Float: [String]] = [:]
    var streams: [Int] = []
    let dropped = try training.insertingDropout(rates)
    try dropped.verify()
    for node in dropped.nodes {
      switch node.op {
      case .gradient(.dropout(let rate, let stream)), .gradient(.dropoutAttention(_, let rate, let stream, _)):
        streams.append(stream)
        places[rate, default: []].append("\(dropped[node.inputs[0]].name)")
      default: continue
      }
    }
    #expect(Set(streams) == Set(0..<streams.count))
    return places
  }

  @Test(arguments: CheckpointRecipe.Family.allCases)
  func `Dropout stands where transformers has it`(family: CheckpointRecipe.Family) throws {
    let places = try places(family, Self.rates)
    #expect(places[0.01] == ["normed"])
    #expect(places[0.02] == ["q0", "q1", "q2"])
    #expect(places[0.03] == ["attended0", "attended1", "attended2"])
    #expect(places[0.04] == ["narrow0", "narrow1", "narrow2"])
    #expect(places[0.05] == ["cls"])
    #expect(places[0.06] == ["pooled1", "pooled.active"])
  }

  @Test func `A rate of 0 inserts nothing`() throws {
    #expect(try places(.bert, DropoutRates()).isEmpty)
    #expect(try Array(places(.bert, DropoutRates(classifier: 0.5)).keys) == [0.5])
  }

  @Test(arguments: [Float(0), 0.1, 0.25, 0.5, 0.9])
  func `As much is dropped as the rate says, and other streams, steps and seeds drop others`(rate: Float) {
    let threshold = RandomState.threshold(rate: rate)
    let states: [(UInt64, UInt64, Int)] = [(1, 1, 0), (1, 1, 1), (1, 2, 0), (2, 1, 0)]
    let masks = states.map { seed, step, stream in
      let key = RandomState(seed: seed, step: step).key(stream: stream)
      return (0..<20_000).map { RandomState.keeps(UInt64($0), key: key, threshold: threshold) }
    }
    for mask in masks {
      let dropped = Double(mask.count { !$0 }) / 20_000
      // Five standard deviations.
      #expect(abs(dropped - Double(rate)) <= 5 * (Double(rate) * Double(1 - rate) / 20_000).squareRoot())
    }
    #expect(rate == 0 || Set(masks).count == masks.count)
  }

  @Test func `The generator's numbers stay what they are`() {
    let key = RandomState(seed: 42, step: 7).key(stream: 3)
    let kept = (0..<16).map { RandomState.keeps($0, key: key, threshold: 1 << 23) }
    #expect(key == 0x7017_364A_7F5E_7A5E)
    #expect(kept.map { $0 ? "1" : "0" }.joined() == "0110101010101001")
  }
}
