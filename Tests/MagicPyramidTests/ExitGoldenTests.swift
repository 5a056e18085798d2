// Every exit criterion on a real checkpoint: the layers at which 400 held-out texts leave are those that NumPy computes
// from PyTorch's logits and rows, apart from this code (Scripts/make-exit-golden).

import Foundation
import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

/// Asks many policies at each head, notes where each would leave first, and goes on to the last layer: one run of the
/// engine for all settings. It reads all that is known at the entry.
private struct AsksHeads: ExitPolicy {
  static let name = "asks-heads"
  let reads = Set(ExitSignal.allCases.filter(\.isKnownAtEntry))
  init(_ arguments: PolicyArguments) {}
  func makeMemory() -> Asked { Asked() }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Asked) -> Bool { memory.ask(head) }
}

/// The same above the entry, where all that there is can be read.
private struct AsksRows: ExitPolicy {
  static let name = "asks-rows"
  let reads = Set(ExitSignal.allCases)
  init(_ arguments: PolicyArguments) {}
  func makeMemory() -> Asked { Asked() }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Asked) -> Bool { memory.ask(head) }
}

/// The memories that the policies have of one sample, and the first layers at which they said yes.
private final class Asked: @unchecked Sendable {
  /// Who is asked, and what was made of each sample, in the order of admission. One engine runs at a time.
  nonisolated(unsafe) static var policies: [PolicyInstance] = []
  nonisolated(unsafe) static var samples: [Asked] = []

  private let memories: [UnsafeMutableRawPointer]
  private(set) var exits: [Int?]

  init() {
    memories = Self.policies.map { policy in
      let memory = UnsafeMutableRawPointer.allocate(
        byteCount: policy.memoryStride, alignment: policy.memoryAlignment)
      policy.initializeMemory(at: memory)
      return memory
    }
    exits = Self.policies.map { _ in nil }
    Self.samples.append(self)
  }

  deinit { for memory in memories { memory.deallocate() } }

  func ask(_ head: borrowing ExitView) -> Bool {
    for (index, policy) in Self.policies.enumerated() where exits[index] == nil {
      if policy.isActive(afterLayer: head.layer) && policy.shouldExit(head, memory: memories[index]) {
        exits[index] = head.layer
      }
    }
    return false
  }
}

/// Tests/Golden/exits.json, and the checkpoint with the weights that it brings.
private struct ExitGolden {
  let settings: [(policy: String, layers: [Int?])]
  let texts: [String]
  let compilers: [String: CompiledExits]

  /// A model compiled for a policy above, which any other may replace.
  struct CompiledExits {
    let name: String
    let compiler: ModelCompiler
    let model: LoadedModel
    let registry: PolicyRegistry
  }

  init() throws {
    let root = try JSONField(path: Repository.root + "/Tests/Golden/exits.json")
    let checkpoint = Repository.defaultCheckpoint
    try GoldenTensors.check(
      root.required("checkpoint").string(), of: checkpoint,
      remake: "Scripts/make-exit-golden Graphs/dbpedia14 Tests/Golden/exits.json")
    settings = try root.required("settings").members().map { name, value in
      (name, try value.string().unicodeScalars.map { Int(String($0), radix: 36) })
    }
    let rows = try String(contentsOfFile: checkpoint + "/sample.tsv", encoding: .utf8).split(separator: "\n")
    texts = rows.prefix(try root.required("rows").integer(in: 1...rows.count)).map { row in
      String(row[row.index(after: row.firstIndex(of: "\t")!)...])
    }
    let folder = try TemporaryFolder()
    let path = try GoldenTensors.extended(checkpoint, root.required("tensors").members(), in: folder)
    let registry = try PolicyRegistry(
      CompiledCheckpoint.registry.get().all + [PolicyType(AsksHeads.self), PolicyType(AsksRows.self)])
    var compilers: [String: CompiledExits] = [:]
    for name in [AsksHeads.name, AsksRows.name] {
      let compilation = try Compilation(
        checkpoint: path, policies: PolicyChoice(exit: PolicySpec(name)), registry: registry)
      _ = try compilation.write(to: folder.path(name), skipsCheck: true)
      compilers[name] = try CompiledExits(
        name: name, compiler: compilation.compiler, model: LoadedModel(path: folder.path(name)), registry: registry)
    }
    self.compilers = compilers
  }

  /// Answers of the engine to some texts.
  func run(_ compiled: CompiledExits, _ policies: ResolvedPolicies, _ texts: ArraySlice<String>) throws -> [Answer] {
    let classifier = try Classifier(model: compiled.model, registry: compiled.registry)
    let executor = try Executor(
      model: compiled.model, policies: policies, options: ExecutorOptions(graph: compiled.model.graph, threads: 2))
    return try executor.run(PackedBatch(texts.map { classifier.encode($0).ids }))
  }

  /// The model that a policy runs on, and the policy made for it.
  func model(for policy: String) throws -> (CompiledExits, ResolvedPolicies) {
    let spec = try PolicySpec(policy)
    let heads = compilers[AsksHeads.name]!
    let type = try heads.registry.type(named: spec.name, kind: .exit)
    let instance = try type.make(spec, model: heads.model.graph.shape.facts, learned: heads.model.learned)
    let compiled = instance.exitSignals.allSatisfy(\.isKnownAtEntry) ? heads : compilers[AsksRows.name]!
    return (compiled, try compiled.model.policies(registry: compiled.registry, exit: spec))
  }
}

@Suite(.serialized) struct `Exit layers from NumPy` {
  private static let golden = Result { try ExitGolden() }

  @Test func `are what every criterion says in every setting of what the engine shows it`() throws {
    let golden = try Self.golden.get()
    for (name, compiled) in golden.compilers {
      let settings = try golden.settings.compactMap { policy, layers -> (policy: PolicyInstance, layers: [Int?])? in
        let (own, policies) = try golden.model(for: policy)
        return own.name == name ? (policies.exit!, layers) : nil
      }
      (Asked.policies, Asked.samples) = (settings.map(\.policy), [])
      defer { (Asked.policies, Asked.samples) = ([], []) }
      let answers = try golden.run(compiled, compiled.model.policies(registry: compiled.registry), golden.texts[...])
      let last = compiled.model.graph.shape.layers
      #expect(answers.allSatisfy { $0.exitLayer == last } && Asked.samples.count == answers.count)
      for (index, (policy, layers)) in settings.enumerated() {
        let wrong = zip(layers, Asked.samples).enumerated().filter {
          $1.0 != nil && $1.0 != $1.1.exits[index] ?? last
        }.map(\.offset)
        #expect(wrong.isEmpty, "\(policy.spec): texts \(wrong.prefix(10)) leave at other layers")
        #expect(layers.count { $0 == nil } <= layers.count / 10, "\(policy.spec): too much is left out")
      }
    }
    let names = Set(golden.settings.map { $0.policy.prefix { $0 != "(" } })
    let builtIn = try CompiledCheckpoint.registry.get().all.filter {
      $0.kind == .exit && $0.requires.contains(.probabilities)
    }
    #expect(Set(builtIn.map { Substring($0.name) }) == names, "a criterion has no golden")
    #expect(golden.settings.count { Set($0.layers.compactMap(\.self)).count > 2 } > golden.settings.count / 2)
  }

  /// All settings and texts with MP_LONG_TESTS=1: minutes.
  @Test func `are those at which the engine lets texts go`() throws {
    let golden = try Self.golden.get()
    var seen: Set<Substring> = []
    for (policy, layers) in golden.settings {
      let isFirst = seen.insert(policy.prefix { $0 != "(" }).inserted
      guard isFirst || Repository.runsLongTests else { continue }
      let (compiled, policies) = try golden.model(for: policy)
      let texts = golden.texts.prefix(Repository.runsLongTests ? .max : 40)
      for (text, answer) in try golden.run(compiled, policies, texts).enumerated() where layers[text] != nil {
        #expect(answer.exitLayer == layers[text], "\(policy): text \(text)")
      }
    }
  }

  @Test func `are those of the reference interpreter for a few`() throws {
    let golden = try Self.golden.get()
    let short = golden.texts.indices.sorted { golden.texts[$0].utf8.count < golden.texts[$1].utf8.count }.prefix(4)
    var seen: Set<Substring> = []
    for (policy, layers) in golden.settings where seen.insert(policy.prefix { $0 != "(" }).inserted {
      let (compiled, policies) = try golden.model(for: policy)
      let classifier = try Classifier(model: compiled.model, registry: compiled.registry)
      let (lowered, weights) = (compiled.compiler.lowered, compiled.compiler.weights)
      var graph = lowered.graph
      let context = PassContext(lowered, policies: policies, target: .portable)
      try Pipeline.schedulePolicies(on: &graph, context)
      let oracle = try ReferenceInterpreter(
        graph: graph, weight: { try weights.values(of: $0) }, policies: policies)
      let answers = try oracle.run(ReferenceBatch(tokenIDs: short.map { classifier.encode(golden.texts[$0]).ids }))
      for (text, answer) in zip(short, answers) where layers[text] != nil {
        #expect(answer.exitLayer == layers[text], "\(policy): text \(text)")
      }
    }
  }
}
