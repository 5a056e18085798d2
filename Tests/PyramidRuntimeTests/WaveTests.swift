// Many samples through little room: whatever waves they go in, each is answered to the last bit as in one batch, traces
// and policy memories included.

import MagicPyramid
import PyramidTestSupport
import Testing

@testable import PyramidRuntime

@Suite struct `Waves` {
  static let sets = `Batch invariance`.sets
  /// Samples and tokens that an executor has room for, from hardly any to nearly all.
  static let rooms = [(1, 18), (2, 18), (3, 20), (4, 64), (7, 64), (16, 90), (40, 300)]

  @Test(arguments: sets)
  func `do not change a bit of any answer, whatever the model, the policies and the room`(set: InstructionSet) throws {
    var (joined, deepest) = (0, 0)
    for scenario in try Scenario.all.get() {
      let compiled = try CompiledCheckpoint(scenario.recipe, for: set, exit: scenario.exit, prune: scenario.prune)
      let batch = Self.crowd(of: scenario, count: 60)
      let expected = try compiled.executor().run(batch)
      for (samples, tokens) in Self.rooms {
        let executor = try compiled.executor(samples: samples, tokens: tokens)
        #expect(
          try executor.run(batch).map(bits) == expected.map(bits), "room for \(samples), \(tokens) in \(scenario)")
        let driven = try DrivenLoop(compiled.model, compiled.policies(), executor.options)
        // Twice: nothing of the first time may be left.
        for time in 1...2 {
          let found = driven.run(batch)
          #expect(found.map(bits) == expected.map(bits), "time \(time), \(samples), \(tokens) in \(scenario)")
        }
        joined += driven.joined
      }
      deepest = max(deepest, Set(expected.map(\.exitLayer)).count)
    }
    #expect(joined > 100 && deepest > 2, "waves were joined \(joined) times")
  }

  @Test(arguments: sets, TokenSignal.allCases)
  func `carry whatever policies read from section to section`(set: InstructionSet, signal: TokenSignal) throws {
    let types = try [PolicyType(ReadsAll.self), PolicyType(AddsUp.self), PolicyType(ScoresBy.self)]
    let registry = try PolicyRegistry(types)
    var recipe = CheckpointRecipe(.bert)
    (recipe.layers, recipe.hidden, recipe.heads, recipe.embedding, recipe.seed) = (5, 12, 3, 12, "demand 0")
    let batch = PackedBatch(recipe.samples(lengths: (0..<80).map { 1 + $0 * 7 % 19 }, seed: "carried"))
    var (exits, joined) = (Set<Int>(), 0)
    for exit in ["reads-all(threshold=0.3)", "reads-all(threshold=0.8)", "adds-up(threshold=1.2)"] {
      for disabled in [[], ["peek"], ["hoist-compaction"], ["peek", "hoist-compaction", "last-layer-cls"]] {
        let (model, policies) = try compiled(
          recipe, set, exit, "scores-by(signal=\(signal.rawValue))", registry, without: Swift.Set(disabled))
        func options(_ room: Int?) -> ExecutorOptions {
          ExecutorOptions(graph: model.graph, samples: room, threads: 2, recordsPositions: true)
        }
        let expected = try Executor(model: model, policies: policies, options: options(nil)).run(batch)
        exits.formUnion(expected.map(\.exitLayer))
        for room in [3, 6, 11] {
          let narrow = try DrivenLoop(model, policies, options(room))
          #expect(
            narrow.run(batch).map(bits) == expected.map(bits), "room for \(room), \(exit), without \(disabled)")
          joined += narrow.joined
        }
      }
    }
    #expect(exits.count > 3 && joined > 20, "exits \(exits.sorted()), waves were joined \(joined) times")
  }

  @Test(arguments: sets)
  func `are not joined when the batch fits or when no sample leaves early`(set: InstructionSet) throws {
    let batch = PackedBatch(Sieve.samples)
    for (exit, room) in [(Sieve.exit as String?, nil as Int?), (nil, 3)] {
      let compiled = try Sieve.compiled(set, exit: exit)
      let options = ExecutorOptions(
        graph: compiled.model.graph, samples: room, tokens: room.map { _ in 64 }, threads: 1, recordsPositions: true)
      let driven = try DrivenLoop(compiled.model, compiled.policies(), options)
      #expect(driven.run(batch).map(bits) == (try compiled.executor().run(batch).map(bits)))
      #expect(driven.joined == 0 && (driven.waves == 1) == (room == nil), "\(driven.waves) waves")
    }
  }

  /// There are fewer slots than samples, and one that is not given back, or given back twice, ends the process.
  @Test func `leave their slots`() throws {
    let compiled = try Sieve.compiled(.portable)
    let options = ExecutorOptions(graph: compiled.model.graph, samples: 3, tokens: 64, threads: 1)
    let driven = try DrivenLoop(compiled.model, compiled.policies(), options)
    let crowd = PackedBatch((0..<500).map { Sieve.samples[$0 % Sieve.samples.count] })
    for _ in 1...2 { #expect(driven.run(crowd).allSatisfy { $0.exitLayer > 0 }) }
  }

  /// A batch of random samples of a scenario's model.
  private static func crowd(of scenario: Scenario, count: Int) -> PackedBatch {
    var random = SeededValues("crowd of \(scenario)")
    let lengths = (0..<count).map { _ in random.integer(in: 1...18) }
    let samples = scenario.recipe.samples(lengths: lengths, seed: "crowd")
    let types = samples.map { ids in
      ids.indices.map { $0 * 2 >= ids.count && scenario.recipe.family != .distilbert ? Int32(1) : 0 }
    }
    return PackedBatch(samples, typeIDs: types)
  }

  private func compiled(
    _ recipe: CheckpointRecipe, _ set: InstructionSet, _ exit: String, _ prune: String, _ registry: PolicyRegistry,
    without passes: Set<String>
  ) throws -> (model: LoadedModel, policies: ResolvedPolicies) {
    let folder = try TemporaryFolder()
    let compilation = try Compilation(
      checkpoint: recipe.write(in: folder),
      policies: PolicyChoice(exit: PolicySpec(exit), prune: PolicySpec(prune)),
      options: CompileOptions(target: set, disabledPasses: passes), registry: registry)
    _ = try compilation.write(to: folder.path("model.mpc"), skipsCheck: true)
    let model = try LoadedModel(path: folder.path("model.mpc"))
    return (model, try model.policies(registry: registry))
  }
}
