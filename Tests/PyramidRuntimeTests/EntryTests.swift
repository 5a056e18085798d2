// The boundary before layer 1: what leaves there and what dies there, that neither touches the encoder, and which
// policies are asked. What holds for every boundary is held by the other suites, whose models have an entry as well.

import Glibc
import MagicPyramid
import PyramidFormats
import PyramidReference
import PyramidTestSupport
import Testing

@testable import PyramidRuntime

/// A model of which some samples leave at the entry, some after a layer, some at the end.
enum Doorway {
  static let exit = "entropy(threshold=0.7)"
  static let prune = "salience(threshold=0.4, attention=0.75)"

  static let recipe: CheckpointRecipe = {
    var recipe = Sieve.recipe
    (recipe.entry, recipe.salienceThreshold, recipe.seed) = (.pairs(64), 0.4, "doorway")
    return recipe
  }()

  static let samples = recipe.samples(lengths: [7, 1, 33, 12, 2, 19, 5, 28, 16, 3, 41, 9, 2, 4, 3], seed: "doorway")

  static func compiled(
    _ set: InstructionSet = .portable, exit: String? = exit, prune: String? = prune, precision: Precision = .f32,
    disabling passes: Set<String> = []
  ) throws -> CompiledCheckpoint {
    try CompiledCheckpoint(recipe, for: set, exit: exit, prune: prune, disabling: passes, precision: precision)
  }
}

@Suite struct `The entry` {
  @Test(arguments: `Batch invariance`.sets, Precision.allCases)
  func `answers a sample alike alone, in any batch, in any order, by any team`(
    set: InstructionSet, precision: Precision
  ) throws {
    let compiled = try Doorway.compiled(set, precision: precision)
    let samples = Doorway.samples
    let alone = try samples.map { try #require(try compiled.executor(threads: 1).run(PackedBatch([$0])).first) }
    #expect(Set(alone.map(\.exitLayer)).count > 2 && alone.contains { $0.exitLayer == 0 })
    #expect(zip(alone, samples).contains { $0.exitLayer > 0 && $0.tokensAlive[0] < $1.count })
    var random = SeededValues("entry orders")
    for threads in 1...3 {
      let executor = try compiled.executor(threads: threads)
      for _ in 0..<4 {
        let order = samples.indices.shuffled(using: &random).prefix(random.integer(in: 1...samples.count))
        for (index, answer) in zip(order, try executor.run(PackedBatch(order.map { samples[$0] }))) {
          #expect(bits(answer) == bits(alone[index]), "sample \(index) in \(order) with \(threads) threads")
        }
      }
    }
  }

  @Test func `answers with the tokens that entered, no layer, and the operations of its head`() throws {
    let compiled = try Doorway.compiled(exit: "fixed-layer(layer=0)", prune: nil)
    let samples = Doorway.samples
    let expected = try compiled.oracle().run(ReferenceBatch(tokenIDs: samples))
    for (index, answer) in try compiled.executor().run(PackedBatch(samples)).enumerated() {
      let count = samples[index].count
      #expect(answer.exitLayer == 0 && answer.tokensAlive == [count])
      #expect(answer.alivePositions == [(0..<Int32(count)).map { $0 }])
      #expect(answer.logits.largestDifference(to: expected[index].logits) <= 1e-6)
      #expect(answer.alivePositions == expected[index].alivePositions && expected[index].exitLayer == 0)
      // Two table rows of 3 for a token, a division and the bias, and what the decision reads.
      #expect(answer.operations.executed == 6 * count + 2 * 3 + 3)
      #expect(answer.operations.paper == 0 && answer.operations.densePaper > 0)
    }
  }

  @Test(arguments: [false, true], Precision.allCases)
  func `is added by the heads above it as their tensors say, by other heads not`(
    pairs: Bool, precision: Precision
  ) throws {
    var recipe = Doorway.recipe
    recipe.entry = pairs ? .pairs(64) : .tokens
    func logits(_ recipe: CheckpointRecipe, layer: Int) throws -> [[Float]] {
      let exit = "fixed-layer(layer=\(layer))"
      let compiled = try CompiledCheckpoint(recipe, for: .portable, exit: exit, precision: precision)
      let answers = try compiled.executor().run(PackedBatch(Doorway.samples))
      #expect(answers.allSatisfy { $0.exitLayer == layer })
      return answers.map(\.logits)
    }
    let (entry, own) = (try logits(recipe, layer: 0), try (1...3).map { try logits(recipe, layer: $0) })
    recipe.addsEntry = true
    recipe.leavesOut = ["exits.1.entry.weight", "exits.1.entry.bias"]
    let folder = try TemporaryFolder()
    let file = try SafetensorsFile(path: recipe.write(in: folder) + "/model.safetensors")
    func tensor(_ name: String) throws -> [Float] {
      try file.floats(of: try #require(file.tensors.first { $0.name == name }))
    }
    #expect(try logits(recipe, layer: 2) == own[1])
    #expect(try logits(recipe, layer: 0) == entry)
    for layer in [1, 3] {
      let weight = try tensor("exits.\(layer - 1).entry.weight"), bias = try tensor("exits.\(layer - 1).entry.bias")
      for (sample, found) in try logits(recipe, layer: layer).enumerated() {
        let expected = found.indices.map { row in
          found.indices.reduce(own[layer - 1][sample][row] + bias[row]) {
            $0 + weight[row * found.count + $1] * entry[sample][$1]
          }
        }
        #expect(found.largestDifference(to: expected) <= 1e-5, "sample \(sample) after layer \(layer)")
      }
    }
  }

  /// Every weight but the entry's lies in memory that can't be read: a step that touches one ends the process.
  @Test func `touches no encoder weight where all texts leave`() throws {
    let compiled = try Doorway.compiled()
    let (model, samples) = (compiled.model, Doorway.samples)
    let length = 1 << 24
    let forbidden = try #require(mmap(nil, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
    defer { munmap(forbidden, length) }
    let program = try Program(model.graph, target: model.instructionSet) { weight in
      weight.name.hasPrefix("entry.")
        ? try model.address(of: weight) : UnsafePointer(forbidden.assumingMemoryBound(to: Float.self))
    }
    let options = ExecutorOptions(graph: model.graph, samples: 4, threads: 1, recordsPositions: true)
    let policies = try compiled.policies(exit: "fixed-layer(layer=0)")
    let loop = try DrivenLoop(program, model, policies, options)
    let answers = loop.run(PackedBatch(samples))
    #expect(answers.allSatisfy { $0.exitLayer == 0 })
    #expect(loop.sectionRuns == (samples.count + 3) / 4, "one run of a section a wave")
    let allowed = try compiled.executor(exit: "fixed-layer(layer=0)").run(PackedBatch(samples))
    #expect(answers.map(bits) == allowed.map(bits))
  }

  @Test func `counts as a head for patience, and hands its probabilities on`() throws {
    let compiled = try Doorway.compiled(exit: "patience(patience=1)", prune: nil)
    let heads = try Doorway.compiled(exit: "never-exit", prune: nil).oracle().run(
      ReferenceBatch(tokenIDs: Doorway.samples))
    for (answer, heads) in zip(try compiled.executor().run(PackedBatch(Doorway.samples)), heads) {
      let labels = (0...5).map { layer in heads.headLogits[layer].map { $0.firstIndex(of: $0.max()!)! } }
      let agreeing = (1...4).first { labels[$0] == labels[$0 - 1] } ?? 5
      #expect(answer.exitLayer == agreeing)
    }
    #expect(heads.contains { $0.headLogits.count == 6 })
    let graph = try PolicyProbe.compile(ReadsEarlier.self, Doorway.recipe)
    let decisions = graph.nodes.compactMap { ExitDecision($0) }
    #expect(decisions.map { $0.signals.first?.operands.count } == [0, 1, 2, 3, 4])
  }

  @Test func `is left out for a policy that reads hidden, and refused where it asks for it`() throws {
    #expect(
      try PolicyProbe.compile(ReadsHidden.self, Doorway.recipe).decisions.exits == [
        .after(0), .after(1), .after(2), .after(3),
      ])
    let error = #expect(throws: PolicyError.self) {
      try PolicyProbe.compile(ReadsHidden.self, Doorway.recipe, "reads-hidden(entry=true)")
    }
    #expect(error?.description.contains("hidden, which is not known at the entry") == true)
  }

  @Test(arguments: [
    ("fixed-layer(layer=0)", true, "at the entry, and the checkpoint has none there", "--stages entry"),
    ("entropy", false, "needs exit heads, and the checkpoint has none there", "--stages 4"),
  ])
  func `without a head is refused with the command that makes one`(
    exit: String, hasExits: Bool, words: String, stages: String
  ) throws {
    var recipe = Sieve.recipe
    recipe.hasExits = hasExits
    let error = #expect(throws: CompileError.self) { try CompiledCheckpoint(recipe, for: .portable, exit: exit) }
    let text = error?.description ?? ""
    #expect(text.contains(words) && text.contains("mp-train") && text.contains(stages), "\(text)")
  }

  /// In every other respect these are checkpoints as they are downloaded.
  @Test(arguments: CheckpointRecipe.Family.allCases, [1, 3])
  func `alone makes exits of a checkpoint without other heads`(family: CheckpointRecipe.Family, layers: Int) throws {
    var recipe = CheckpointRecipe(family)
    (recipe.layers, recipe.hasExits, recipe.entry, recipe.seed) = (layers, false, .tokens, "alone")
    let compiled = try CompiledCheckpoint(recipe, for: .portable, exit: "entropy(threshold=0.8)")
    let samples = recipe.samples(lengths: [2, 3, 2, 9, 14, 2, 3, 4, 5, 2], seed: "alone")
    let expected = try compiled.oracle().run(ReferenceBatch(tokenIDs: samples))
    #expect(Set(expected.map(\.exitLayer)) == [0, layers])
    for (answer, expected) in zip(try compiled.executor().run(PackedBatch(samples)), expected) {
      #expect(answer.exitLayer == expected.exitLayer)
      #expect(answer.logits.largestDifference(to: expected.logits) <= 1e-4)
    }
  }

  @Test func `prunes what has little salience, never a special token, and can be turned at run time`() throws {
    let compiled = try Doorway.compiled(exit: nil, prune: "salience")
    let salience = try #require(compiled.compiler.lowered.learned["prune.entry.salience"]).values
    let executor = try compiled.executor()
    // [SEP] at the end, [UNK] and words between.
    let samples = Doorway.samples.map { $0 + [1, 3] }
    for (sample, answer) in zip(samples, try executor.run(PackedBatch(samples))) {
      let wanted = sample.indices.filter {
        $0 == 0 || [0, 2, 3, 4].contains(sample[$0]) || salience[Int(sample[$0])] >= 0.4
      }
      #expect(answer.alivePositions == Array(repeating: wanted.map { Int32($0) }, count: 5))
      #expect(answer.tokensAlive == Array(repeating: wanted.count, count: 5) && answer.exitLayer == 5)
    }
    let all = try compiled.executor(prune: "salience(threshold=0)").run(PackedBatch(samples))
    #expect(zip(all, samples).allSatisfy { $0.tokensAlive[0] == $1.count })
    #expect(throws: RuntimeError.self) { try compiled.executor(prune: "top-k") }
    #expect(throws: RuntimeError.self) { try compiled.executor(prune: "salience(attention=1)") }
  }

  /// A policy that is asked for what it is not handed ends the process.
  @Test(arguments: [nil, Doorway.exit])
  func `hands a policy all that it reads there, or is refused`(exit: String?) throws {
    let model = try Doorway.compiled(exit: exit, prune: "salience").model
    let registry = try PolicyRegistry(CompiledCheckpoint.registry.get().all + [PolicyType(ScoresBy.self)])
    let text = model.graph.description
    let forged = try Graph.parse(
      text.replacing("%ids {at entry, reads token-id", with: "%positions {at entry, reads position"), file: "forged")
    try forged.verify()
    #expect(forged.description != text)
    var error = #expect(throws: RuntimeError.self) {
      try ResolvedPolicies(graph: forged, registry: registry, learned: model.learned, override: .init())
    }
    #expect(error?.description.contains("reads token-id, which the compiled model does not compute") == true)
    error = #expect(throws: RuntimeError.self) {
      try model.policies(registry: registry, prune: PolicySpec("scores-by(signal=position, entry=true)"))
    }
    #expect(error?.description.contains("reads position, which the compiled model does not compute") == true)
  }

  @Test(arguments: [[], ["peek"], ["hoist-compaction", "fuse-qkv"], ["peek", "hoist-compaction", "last-layer-cls"]])
  func `is counted in operations as every section is`(passes: Set<String>) throws {
    let compiled = try Doorway.compiled(disabling: passes)
    let graph = compiled.model.graph
    let interpreter = try compiled.interpreter()
    for sample in Doorway.samples {
      var rows: [Dim: Int] = [.admittedTokens: sample.count, .admittedSamples: 1]
      _ = try interpreter.run(ReferenceBatch(tokenIDs: [sample])) { _, _, tensor in
        if case .dim(let dim) = tensor.type.rows { rows[dim] = tensor.rows }
      }
      let answer = try #require(try compiled.executor().run(PackedBatch([sample])).first)
      let counted = graph.nodes.flatMap { graph.executedOperations(of: $0) }.reduce(0) { sum, term in
        let count = rows[term.dim] ?? 0
        return sum + term.coefficient * (term.power == 2 ? count * count : count)
      }
      #expect(answer.operations.executed == counted)
    }
    let dense = try Doorway.compiled(exit: nil, prune: nil).executor().run(PackedBatch(Doorway.samples))
    let pyramid = try Doorway.compiled().executor().run(PackedBatch(Doorway.samples))
    #expect(pyramid.map(\.operations.dense) == dense.map(\.operations.executed))
  }

  /// Waves of three: most of what enters leaves at once, and the rest waits before the embeddings for company.
  @Test func `leaves room in the waves for those that stay`() throws {
    let compiled = try Doorway.compiled()
    let samples = Doorway.recipe.samples(lengths: (0..<120).map { 1 + $0 % 5 }, seed: "waves")
    let options = ExecutorOptions(graph: compiled.model.graph, samples: 6, threads: 1, recordsPositions: true)
    let loop = try DrivenLoop(compiled.model, compiled.policies(), options)
    let answers = loop.run(PackedBatch(samples))
    #expect(answers.count { $0.exitLayer == 0 } > 30 && answers.count { $0.exitLayer > 0 } > 30)
    #expect(loop.joined > 0)
    for (sample, answer) in zip(samples, answers) {
      let alone = try #require(try compiled.executor(threads: 1).run(PackedBatch([sample])).first)
      #expect(answer.exitLayer == alone.exitLayer && answer.alivePositions == alone.alivePositions)
    }
  }

  @Test func `checks ids against its table as well as against the embeddings`() throws {
    let executor = try Doorway.compiled().executor()
    #expect(throws: RuntimeError.self) { try executor.run(PackedBatch([[2, 40]])) }
    #expect(throws: RuntimeError.self) { try executor.run(PackedBatch([[2, -1]])) }
  }
}

/// Compiles a checkpoint with a policy that is not built in.
enum PolicyProbe {
  static func compile<Probe: ExitPolicy>(
    _ type: Probe.Type, _ recipe: CheckpointRecipe, _ spec: String = Probe.name
  ) throws -> Graph {
    let folder = try TemporaryFolder()
    let compiler = try ModelCompiler(checkpoint: recipe.write(in: folder))
    let exit = try PolicyType(type).make(PolicySpec(spec), model: compiler.facts)
    return try compiler.compile(PolicyPair(exit: exit), options: CompileOptions(target: .portable))
  }
}

private struct ReadsHidden: ExitPolicy {
  static let name = "reads-hidden"
  static let parameters: [PolicyParameter] = [.flag("entry", help: "asks for the entry")]
  let reads: Set<ExitSignal> = [.hidden]
  let layers: LayerSet
  init(_ arguments: PolicyArguments) { layers = arguments.flag("entry") ? .from(0) : .all }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { head.hidden[0] > 0 }
}

private struct ReadsEarlier: ExitPolicy {
  static let name = "reads-earlier"
  let reads: Set<ExitSignal> = [.earlierProbabilities]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { head.earlierHeads > 9 }
}
