// What the engine relies on beside the answers: kinds, registries, layers, the life of memory and instances, and the
// end of a run that reads an undeclared signal.

import BuiltInPolicies
import PyramidPolicy
import Testing

/// A reference type as memory, so that a test sees each one made and ended.
private final class Counted: Sendable {
  nonisolated(unsafe) static var alive = 0
  init() { Self.alive += 1 }
  deinit { Self.alive -= 1 }
}

private struct Remembering: ExitPolicy {
  struct Memory: Sendable {
    var token: Counted
    var calls = 0
    var wide: SIMD8<Float> = .zero
  }
  static let name = "remembering"
  let reads: Set<ExitSignal> = [.earlierProbabilities, .tokensAlive, .hidden]
  let layers = LayerSet.from(2)
  let own = Counted()
  init(_ arguments: PolicyArguments) {}
  func makeMemory() -> Memory { Memory(token: Counted()) }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Memory) -> Bool {
    memory.calls += 1
    guard head.earlierHeads == 2, head.tokensAlive == 5, head.hidden[2] == 9 else { return false }
    return memory.calls == 2 && head.earlierProbabilities(ofHead: 1)[0] == 0.75
  }
}

private struct Curious: ExitPolicy, Sendable {
  static let name = "curious"
  let reads: Set<ExitSignal> = [.logits]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { head.normalizedEntropy < 1 }
}

private struct Nosy: PruningPolicy {
  static let name = "nosy"
  let reads: Set<TokenSignal> = [.position]
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .count(1) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) { scores[0] = sample.valueNorm[0] }
}

private struct Impostor: PruningPolicy {
  static let name = "entropy"
  let reads: Set<TokenSignal> = []
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .all }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {}
}

/// Reads the one signal that its argument names.
private struct ReadsToken: PruningPolicy {
  static let name = "reads-token"
  static let parameters: [PolicyParameter] = [
    .word("signal", default: "hidden", oneOf: TokenSignal.allCases.map(\.rawValue), help: "the signal")
  ]
  let reads: Set<TokenSignal>
  init(_ arguments: PolicyArguments) { reads = [TokenSignal(rawValue: arguments.word("signal"))!] }
  func retention(afterLayer layer: Int) -> Retention { .all }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {}
}

/// Reads the one signal that its argument names.
private struct ReadsExit: ExitPolicy {
  static let name = "reads-exit"
  static let parameters: [PolicyParameter] = [
    .word("signal", default: "hidden", oneOf: ExitSignal.allCases.map(\.rawValue), help: "the signal")
  ]
  let reads: Set<ExitSignal>
  init(_ arguments: PolicyArguments) { reads = [ExitSignal(rawValue: arguments.word("signal"))!] }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { false }
}

@Suite(.serialized) struct PolicyInstanceTests {
  let model = ModelFacts(layers: 6, classes: 2)

  @Test("memory is made and ended once per sample, and the instance ends with its last reference")
  func lifetimes() throws {
    do {
      let instance = try PolicyType(Remembering.self).make(PolicySpec("remembering"), model: model)
      #expect(Counted.alive == 1)
      #expect(instance.memoryAlignment == MemoryLayout<Remembering.Memory>.alignment)
      #expect(instance.memoryStride == MemoryLayout<Remembering.Memory>.stride)
      let memory = UnsafeMutableRawPointer.allocate(
        byteCount: 2 * instance.memoryStride, alignment: instance.memoryAlignment)
      defer { memory.deallocate() }
      let samples = [memory, memory + instance.memoryStride]
      for sample in samples { instance.initializeMemory(at: sample) }
      #expect(Counted.alive == 3)
      for sample in samples { instance.destroyMemory(at: sample) }
      #expect(Counted.alive == 1)
    }
    #expect(Counted.alive == 0)
  }

  @Test("a policy sees the earlier heads, the tokens alive and the hidden row that the engine supplies")
  func exitSignals() throws {
    let instance = try PolicyType(Remembering.self).make(PolicySpec("remembering"), model: model)
    instance.withMemory { memory in
      for leaves in [false, true] {
        let head = ExitView(
          layer: 3, layers: 6, hidden: [7, 8, 9], tokensAlive: 5, earlierProbabilities: [[0.5, 0.5], [0.75, 0.25]])
        #expect(instance.shouldExit(head, memory: memory) == leaves)
      }
    }
    #expect(instance.exitSignals == [.earlierProbabilities, .tokensAlive, .hidden])
    #expect((0...7).filter { instance.isActive(afterLayer: $0) } == [2, 3, 4, 5])
  }

  @Test("every signal of both kinds crosses the table")
  func signalBits() throws {
    for signal in TokenSignal.allCases {
      let spec = try PolicySpec("reads-token(signal=\(signal.rawValue))")
      let instance = try PolicyType(ReadsToken.self).make(spec, model: model)
      #expect(instance.tokenSignals == [signal] && instance.exitSignals.isEmpty)
    }
    for signal in ExitSignal.allCases {
      let spec = try PolicySpec("reads-exit(signal=\(signal.rawValue))")
      let instance = try PolicyType(ReadsExit.self).make(spec, model: model)
      #expect(instance.exitSignals == [signal] && instance.tokenSignals.isEmpty)
    }
  }

  @Test("where a policy prunes and whether it remembers cross the table")
  func momentAndMemory() throws {
    #expect(try policy("cls-attention").moment == .beforeLayer)
    #expect(try policy("top-k").moment == .afterAttention)
    #expect(try policy("patience").hasMemory)
    #expect(try ["entropy", "fixed-layer", "never-exit", "top-k"].allSatisfy { try !policy($0).hasMemory })
  }

  @Test("all built-in policies fit one registry, sorted by kind")
  func registry() throws {
    let registry = try PolicyRegistry(BuiltInTypes.all)
    #expect(registry.all.count == BuiltInPolicies.all.count)
    #expect(try registry.type(named: "entropy", kind: .exit).origin == "built in")
    let pruning = [
      "cascade", "cls-attention", "cls-fused", "column-sum", "contribution", "core-set", "first-k", "hidden-norm",
      "inverse-cdf",
      "keep-all", "last-k", "learned-skim", "merge", "random-prune", "received-attention", "salience", "stride",
      "top-k",
      "value-weighted",
    ]
    #expect(throws: PolicyError.unknownPolicy(name: "topk", kind: .prune, available: pruning)) {
      try registry.type(named: "topk", kind: .prune)
    }
    #expect(throws: PolicyError.wrongKind(name: "entropy", wanted: .prune)) {
      try registry.type(named: "entropy", kind: .prune)
    }
  }

  @Test("two policies of one name do not fit one registry, even of different kinds")
  func duplicates() throws {
    let types = try BuiltInTypes.all + [PolicyType(Impostor.self)]
    #expect(throws: PolicyError.duplicatePolicy(name: "entropy", origins: ["built in", "this program"])) {
      try PolicyRegistry(types)
    }
  }

  @Test("a policy made from another policy's specification is refused")
  func foreignSpec() throws {
    #expect(throws: PolicyError.unknownPolicy(name: "patience", kind: .prune, available: ["entropy"])) {
      try PolicyType(Impostor.self).make(PolicySpec("patience"), model: model)
    }
  }

  @Test(
    "a layer set holds the layers it is made of",
    arguments: [
      (LayerSet.all, [0, 1, 2, 3, 4, 5]), (.none, []), (.only(3), [3]), (.from(4), [4, 5]), (.only(0), [0]),
      (LayerSet(2...3), [2, 3]),
      (LayerSet([1, 5, 9]), [1, 5]),
    ])
  func layerSets(set: LayerSet, layers: [Int]) {
    #expect((0...5).filter { set.contains($0) } == layers)
  }

  @Test("everywhere is the entry, too, for an exit policy that reads no hidden row, and for nobody else")
  func activeAtTheEntry() throws {
    #expect(try ["entropy", "patience", "never-exit", "fixed-layer(layer=0)"].allSatisfy(isActiveAtTheEntry))
    #expect(try !["fixed-layer", "keep-all", "top-k", "random-prune"].contains(where: isActiveAtTheEntry))
    let model = ModelFacts(layers: 4, classes: 2)
    for signal in ExitSignal.allCases {
      let instance = try PolicyType(ReadsExit.self).make(
        PolicySpec("reads-exit(signal=\(signal.rawValue))"), model: model)
      #expect(
        (0...4).filter { instance.isActive(afterLayer: $0) } == (signal.isKnownAtEntry ? [0, 1, 2, 3] : [1, 2, 3]))
    }
  }

  private func isActiveAtTheEntry(_ text: String) throws -> Bool { try policy(text).isActive(afterLayer: 0) }

  @Test("learned values may be as many as a vocabulary has tokens, written ones may not")
  func manyLearnedValues() throws {
    let learned: [String: LearnedTensor] = [
      "prune.entry.salience": LearnedTensor((0..<200_000).map { Float($0) / 7 }), "prune.entry.threshold": [3],
    ]
    let instance = try policy("salience", learned: learned)
    #expect(instance.scores(tokens: [199_999, 1], layer: 0) == [Float(199_999) / 7, Float(1) / 7])
    let written = "salience(salience=[\((0..<5000).map { "\($0)" }.joined(separator: ", "))])"
    #expect(throws: PolicyError.self) { try policy(written, learned: learned) }
  }

  @Test("reading an undeclared exit signal ends the run and names the signal")
  func undeclaredExitSignal() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try PolicyType(Curious.self).make(PolicySpec("curious"), model: ModelFacts(layers: 2, classes: 2))
        .exits(probabilities: [[1, 0]], logits: [[1, 0]])
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a policy read signal 'probabilities', which its 'reads' does not declare"))
  }

  @Test("reading an undeclared token signal ends the run and names the signal")
  func undeclaredTokenSignal() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try PolicyType(Nosy.self).make(PolicySpec("nosy"), model: ModelFacts(layers: 2, classes: 2))
        .scores(tokens: [1], positions: [0])
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a policy read signal 'value-norm', which its 'reads' does not declare"))
  }
}
