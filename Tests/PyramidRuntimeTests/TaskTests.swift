// Several tasks on one trunk: each is answered as by its own model, engine and oracle agree on every task and its exit, a
// sample stays until all tasks that are asked are answered, and its batch changes nothing.

import MagicPyramid
import PyramidIR
import PyramidReference
import PyramidRuntime
import PyramidTestSupport
import Testing

@Suite struct TaskTests {
  /// Recipes of one trunk with other heads: three classes, two, several labels.
  static func recipes(_ family: CheckpointRecipe.Family = .bert, seed: String = "model") -> [CheckpointRecipe] {
    [("topic", 3, nil), ("tone", 2, nil), ("tags", 4, "multi_label_classification")].map { name, classes, problem in
      var recipe = CheckpointRecipe(family)
      (recipe.layers, recipe.classes, recipe.problemType) = (4, classes, problem)
      (recipe.seed, recipe.headSeed) = (seed, "\(name) of \(seed)")
      return recipe
    }
  }

  static let names = ["topic", "tone", "tags"]

  static func compiler(_ recipes: [CheckpointRecipe], in folder: TemporaryFolder) throws -> ModelCompiler {
    let paths = try zip(names, recipes).map { (name: $0, checkpoint: try $1.write(in: folder, name: $0)) }
    return try ModelCompiler(trunk: paths[0].checkpoint, tasks: paths)
  }

  private static let exits = [
    nil, "entropy(threshold=0.5)", "patience-divergence(threshold=0.1, patience=1)", "entropy(threshold=0.8)",
    "fixed-layer(layer=2)",
  ]
  private static let prunes = [nil, "top-k(fraction=0.6)"]

  @Test(arguments: [CheckpointRecipe.Family.bert, .roberta, .distilbert, .albert])
  func `Without policies every task has the logits of its own model, bit for bit`(
    family: CheckpointRecipe.Family
  ) throws {
    let folder = try TemporaryFolder()
    let (recipes, set) = (Self.recipes(family), try InstructionSet.native())
    let samples = recipes[0].samples(lengths: [5, 1, 17, 40, 9], seed: "dense")
    let compiler = try Self.compiler(recipes, in: folder)
    for precision in Precision.allCases {
      let together = try CompiledCheckpoint(compiler, for: set, precision: precision)
      try together.model.verify()
      let answers = try together.executor().run(PackedBatch(samples))
      for (task, recipe) in recipes.enumerated() {
        let alone = try CompiledCheckpoint(recipe, for: set, precision: precision).executor().run(PackedBatch(samples))
        #expect(answers.map { $0.tasks[task].logits } == alone.map(\.logits), "\(Self.names[task]), \(precision)")
        #expect(answers.allSatisfy { $0.tasks[task].exitLayer == 4 })
      }
    }
  }

  @Test(arguments: InstructionSet.supported)
  func `Engine and oracle agree on every task, its logits and its exit`(set: InstructionSet) throws {
    var seen: Set<[Int]> = []
    for (round, exit) in Self.exits.enumerated() {
      for prune in Self.prunes {
        let folder = try TemporaryFolder()
        var recipes = Self.recipes(seed: "round \(round)")
        if round == 3 { for index in recipes.indices { recipes[index].entry = .tokens } }
        let compiled = try CompiledCheckpoint(
          Self.compiler(recipes, in: folder), for: set,
          exit: exit, prune: prune)
        let samples = recipes[0].samples(lengths: [6, 2, 25, 33, 12, 1, 8, 19], seed: "round \(round)")
        let expected = try compiled.oracle().run(ReferenceBatch(tokenIDs: samples))
        let fused = try compiled.interpreter().run(ReferenceBatch(tokenIDs: samples))
        let answers = try compiled.executor().run(PackedBatch(samples))
        for (sample, answer) in answers.enumerated() {
          let place: Comment = "sample \(sample), \(exit ?? "-"), \(prune ?? "-")"
          #expect(answer.exitLayer == expected[sample].exitLayer, place)
          #expect(answer.tokensAlive == expected[sample].tokensAlive, place)
          #expect(answer.tasks.map(\.exitLayer) == expected[sample].tasks.map(\.exitLayer), place)
          #expect(answer.tasks.map(\.label) == expected[sample].tasks.map(\.label), place)
          #expect(fused[sample].tasks.map(\.exitLayer) == expected[sample].tasks.map(\.exitLayer), place)
          for (own, other) in zip(answer.tasks, expected[sample].tasks) {
            #expect(own.logits.largestDifference(to: other.logits) <= 1e-4, place)
          }
          #expect(answer.exitLayer == answer.tasks.map(\.exitLayer).max(), place)
          seen.insert(answer.tasks.map(\.exitLayer))
        }
      }
    }
    // Some samples answer their tasks at different layers, some all at once.
    #expect(seen.contains { Set($0).count > 1 } && seen.contains { Set($0).count == 1 })
    #expect(seen.contains { $0.contains(0) })
  }

  @Test func `A sample's tasks are answered alike alone, in any batch and with any team`() throws {
    let folder = try TemporaryFolder()
    let recipes = Self.recipes()
    let compiled = try CompiledCheckpoint(
      Self.compiler(recipes, in: folder), for: .native(), exit: "entropy(threshold=0.4)", prune: "top-k(fraction=0.7)")
    let samples = recipes[0].samples(lengths: (0..<70).map { 1 + $0 * 7 % 45 }, seed: "batch")
    let together = try compiled.executor(threads: 2).run(PackedBatch(samples))
    let backwards = try compiled.executor(threads: 1, samples: 5, tokens: 90).run(PackedBatch(samples.reversed()))
    #expect(together == Array(backwards.reversed()))
    let alone = try compiled.executor()
    for index in stride(from: 0, to: 70, by: 9) {
      #expect(try alone.run(PackedBatch([samples[index]])) == [together[index]])
    }
    #expect(Set(together.flatMap(\.tasks).map(\.exitLayer)).count > 1)
  }

  @Test func `A task that is asked alone leaves where its own model does, and with the same bits`() throws {
    let folder = try TemporaryFolder()
    let (recipes, exit) = (Self.recipes(), "entropy(threshold=0.4)")
    let together = try CompiledCheckpoint(Self.compiler(recipes, in: folder), for: .native(), exit: exit)
    let samples = recipes[0].samples(lengths: (0..<40).map { 1 + $0 * 5 % 30 }, seed: "asked")
    var layers: Set<Int> = []
    for (task, recipe) in recipes.enumerated() {
      let answers = try together.executor(tasks: [task]).run(PackedBatch(samples))
      let alone = try CompiledCheckpoint(recipe, for: .native(), exit: exit).executor().run(PackedBatch(samples))
      #expect(answers.map(\.exitLayer) == alone.map(\.exitLayer))
      #expect(answers.map { $0.tasks[task].logits } == alone.map(\.logits))
      layers.formUnion(answers.map(\.exitLayer))
    }
    #expect(layers.count > 1)
    let all = try together.executor().run(PackedBatch(samples))
    let two = try together.executor(tasks: [0, 1]).run(PackedBatch(samples))
    for (all, two) in zip(all, two) {
      #expect(two.exitLayer == max(all.tasks[0].exitLayer, all.tasks[1].exitLayer))
    }
  }

  @Test func `A request asks for its own tasks in waves with others, and for none that the model lacks`() async throws {
    let folder = try TemporaryFolder()
    let (recipes, exit) = (Self.recipes(), "entropy(threshold=0.4)")
    let compiled = try CompiledCheckpoint(Self.compiler(recipes, in: folder), for: .native(), exit: exit)
    let batch = PackedBatch(recipes[0].samples(lengths: (0..<40).map { 1 + $0 * 5 % 30 }, seed: "asked"))
    let executor = try compiled.executor(samples: 5)
    async let first = executor.run(batch, on: RequestTerms(tasks: [1]))
    async let second = executor.run(batch)
    async let third = executor.run(batch, on: RequestTerms(tasks: [0, 2]))
    let (one, all, two) = try await (first, second, third)
    #expect(try await one == compiled.executor(tasks: [1]).run(batch))
    #expect(try await two == compiled.executor(tasks: [0, 2]).run(batch))
    #expect(zip(one, all).contains { $0.exitLayer < $1.exitLayer })
    // What a request says goes before what the executor was made for.
    #expect(try await compiled.executor(tasks: [0]).run(batch, on: RequestTerms(tasks: [1])) == one)
    let single = try CompiledCheckpoint(recipes[0], for: .native(), exit: exit).executor()
    let refused: [(Executor, Set<Int>)] = [(executor, []), (executor, [1, 3]), (single, [0])]
    for (executor, tasks) in refused {
      #expect(throws: RuntimeError.self) { try executor.check(RequestTerms(tasks: tasks)) }
    }
  }

  @Test func `A limit on layers answers what is open by the last head`() async throws {
    let folder = try TemporaryFolder()
    let recipes = Self.recipes()
    let compiled = try CompiledCheckpoint(
      Self.compiler(recipes, in: folder), for: .native(), exit: "entropy(threshold=0.3)")
    let samples = recipes[0].samples(lengths: (0..<20).map { 3 + $0 }, seed: "limit")
    let executor = try compiled.executor()
    let (free, limited) = (
      try await executor.run(PackedBatch(samples)),
      try await executor.run(PackedBatch(samples), on: RequestTerms(maxLayers: 2))
    )
    #expect(free.contains { $0.exitLayer > 2 })
    for (free, limited) in zip(free, limited) {
      #expect(limited.exitLayer == min(free.exitLayer, 2))
      #expect((limited.limit != nil) == (free.exitLayer > 2))
      for (own, other) in zip(limited.tasks, free.tasks) where other.exitLayer <= 2 { #expect(own == other) }
    }
  }
}
