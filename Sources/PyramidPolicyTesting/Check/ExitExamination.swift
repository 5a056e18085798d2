// What an exit policy is asked: the same sample twice, samples in between, heads that are broken, heads that are sure.

import PyramidPolicy

/// An exit policy and the samples that it is shown.
struct ExitExamination {
  private let policy: PolicyInstance
  private let samples: [ExitSample]
  private let report: (PolicyFinding.Kind, String) -> Void

  init(
    _ policy: PolicyInstance, _ samples: [ExitSample], _ report: @escaping (PolicyFinding.Kind, String) -> Void
  ) {
    (self.policy, self.samples, self.report) = (policy, samples, report)
  }

  func run() {
    checkPurity()
    checkBrokenHeads()
    if samples.allSatisfy({ Self.exit(policy, $0) == nil }) {
      report(.neverExits, "none of \(samples.count) samples leaves, whose heads are from undecided to sure")
    }
  }

  /// The same answers alone, again, and with all samples' heads asked in turn.
  func checkPurity() {
    let alone = samples.map { Self.exit(policy, $0) }
    let again = samples.map { Self.exit(policy, $0) }
    let together = exitsInTurn()
    for index in samples.indices where alone[index] != again[index] || alone[index] != together[index] {
      let words = [alone[index], again[index], together[index]].map { $0.map { "at \($0)" } ?? "never" }
      report(
        .isNotPure,
        "one sample leaves \(words[0]) alone, \(words[1]) when asked again, \(words[2]) among other samples")
      return
    }
  }

  private func checkBrokenHeads() {
    guard !policy.exitSignals.isDisjoint(with: [.logits, .probabilities]) else { return }
    for sample in samples.prefix(8) {
      var sample = sample
      for head in sample.heads.indices {
        sample.heads[head].logits = sample.heads[head].logits.map { _ in .nan }
        sample.heads[head].probabilities = sample.heads[head].probabilities.map { _ in .nan }
      }
      if let layer = Self.exit(policy, sample) {
        report(.leavesAtBrokenHead, "a sample whose logits are not numbers leaves at head \(layer)")
        return
      }
    }
  }

  /// Where each sample leaves when the policy is asked layer by layer about all of them, backwards.
  private func exitsInTurn() -> [Int?] {
    var exits = [Int?](repeating: nil, count: samples.count)
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: policy.memoryStride * samples.count, alignment: policy.memoryAlignment)
    for index in samples.indices { policy.initializeMemory(at: memory + index * policy.memoryStride) }
    for layer in 0..<policy.model.layers where policy.isActive(afterLayer: layer) {
      for index in samples.indices.reversed() where exits[index] == nil {
        if Self.asks(policy, samples[index], layer, memory + index * policy.memoryStride) { exits[index] = layer }
      }
    }
    for index in samples.indices { policy.destroyMemory(at: memory + index * policy.memoryStride) }
    memory.deallocate()
    return exits
  }

  /// The head at which a sample leaves, 0 for the entry; nil for none. `asksOn` asks at the heads after it, too.
  static func exit(_ policy: PolicyInstance, _ sample: ExitSample, asksOn: Bool = false) -> Int? {
    policy.withMemory { memory in
      var exit: Int?
      for layer in sample.heads.indices where policy.isActive(afterLayer: layer) {
        if asks(policy, sample, layer, memory), exit == nil {
          exit = layer
          if !asksOn { return exit }
        }
      }
      return exit
    }
  }

  /// Logits of others in the sample's group, from poor to good.
  private static let group = (0..<20).map { Float($0) - 4 }

  /// One question, with the signals that the policy declares and no others.
  private static func asks(
    _ policy: PolicyInstance, _ sample: ExitSample, _ layer: Int, _ memory: UnsafeMutableRawPointer
  ) -> Bool {
    let head = sample.heads[layer]
    // The heads that were passed are those that the policy is asked at.
    let earlier = (0..<layer).filter(policy.isActive(afterLayer:)).map { sample.heads[$0].probabilities }
    let reads = policy.exitSignals
    return policy.shouldExit(
      ExitView(
        layer: layer, layers: policy.model.layers, answers: policy.model.answers,
        logits: reads.contains(.logits) ? head.logits : nil,
        probabilities: reads.contains(.probabilities) ? head.probabilities : nil,
        hidden: reads.contains(.hidden) ? head.hidden : nil,
        earlierHidden: reads.contains(.earlierHidden) ? (layer > 1 ? sample.heads[layer - 1] : head).hidden : nil,
        tokenIDs: reads.contains(.tokenIDs) ? sample.tokenIDs : nil,
        tokensAlive: reads.contains(.tokensAlive) ? head.tokensAlive : nil,
        earlierProbabilities: reads.contains(.earlierProbabilities) ? earlier : nil,
        groupLogits: reads.contains(.groupLogits) ? [head.logits[0]] + group : nil), memory: memory)
  }
}
