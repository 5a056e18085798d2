// The edges of an executor: batches that do not fit, ids that no table has, empty batches, several callers, executors
// that outlive what they were made from.

import Dispatch
import MagicPyramid
import PyramidTestSupport
import Synchronization
import Testing

@Suite struct `An executor` {
  @Test func `takes any number of samples, each no longer than its room`() throws {
    let executor = try Sieve.compiled(.portable).executor(samples: 2, tokens: 8)
    #expect(try executor.run(PackedBatch([[2, 7, 7, 7], [2, 8, 8, 8], [2], [2, 9]])).count == 4)
    #expect(throws: RuntimeError("sample 2 of the batch has 9 tokens; room is for 8")) {
      try executor.run(PackedBatch([[2], [Int32](repeating: 2, count: 9)]))
    }
  }

  @Test func `never has more room than the graph admits, nor none`() throws {
    let compiled = try Sieve.compiled(.portable)
    let options = try compiled.executor(samples: 1_000_000, tokens: 1_000_000_000).options
    #expect(options.samples == compiled.model.graph.admitted(.samples))
    #expect(options.tokens == compiled.model.graph.admitted(.tokens))
    for (samples, tokens) in [(0, 8), (2, 0), (-1, 8), (2, .min)] {
      #expect(throws: RuntimeError("a batch needs room for a sample and a token")) {
        try compiled.executor(samples: samples, tokens: tokens)
      }
    }
  }

  @Test(arguments: [
    ([2, 40] as [Int32], [0, 0] as [Int32], "index 40 is outside its embedding table of 40 rows"),
    ([2, -1], [0, 0], "index -1 is outside its embedding table of 40 rows"),
    ([2, .max], [0, 0], "index 2147483647 is outside its embedding table of 40 rows"),
    ([2, 5], [0, 2], "index 2 is outside its embedding table of 2 rows"),
    (
      [Int32](repeating: 2, count: 65), [Int32](repeating: 0, count: 65),
      "index 64 is outside its embedding table of 64 rows"
    ),
  ])
  func `refuses ids, types and positions that no table has`(ids: [Int32], types: [Int32], message: String) throws {
    let executor = try Sieve.compiled(.portable).executor()
    #expect(throws: RuntimeError(message)) { try executor.run(PackedBatch([ids], typeIDs: [types])) }
    #expect(try executor.run(PackedBatch([[2, 5]])).count == 1)
  }

  @Test func `answers an empty batch with nothing`() throws {
    #expect(try Sieve.compiled(.portable).executor().run(PackedBatch()).isEmpty)
  }

  @Test(arguments: InstructionSet.supported)
  func `keeps the model open that it was made from`(set: InstructionSet) throws {
    let executor = try Sieve.compiled(set).executor()
    #expect(try executor.run(PackedBatch([[2, 5, 9]])).count == 1)
  }

  @Test func `answers callers from several threads as it answers one`() throws {
    let set = InstructionSet.supported.last ?? .portable
    let compiled = try Sieve.compiled(set)
    let executors = try [compiled.executor(), compiled.executor(threads: 1)]
    let batches = (0..<12).map { start in PackedBatch((0..<5).map { Sieve.samples[(start + $0) % Sieve.samples.count] })
    }
    let expected = try batches.map { try executors[0].run($0) }
    let found = Mutex([[Answer]?](repeating: nil, count: 48))
    DispatchQueue.concurrentPerform(iterations: 48) { index in
      let answers = try? executors[index % 2].run(batches[index % batches.count])
      found.withLock { $0[index] = answers }
    }
    for (index, answers) in found.withLock({ $0 }).enumerated() { #expect(answers == expected[index % batches.count]) }
  }
}

@Suite struct `A model without policies` {
  @Test(arguments: InstructionSet.supported)
  func `is the same graph as one whose policies decide nothing`(set: InstructionSet) throws {
    let folder = try TemporaryFolder()
    let compiler = try ModelCompiler(checkpoint: Sieve.recipe.write(in: folder))
    let registry = try CompiledCheckpoint.registry.get()
    let options = CompileOptions(target: set)
    let plain = try compiler.compile(PolicyPair(), options: options)
    #expect(!plain.nodes.contains { $0.op.definesDim } && plain.policies.isEmpty && plain.dims.count == 2)
    var scheduled = compiler.lowered.graph
    try Pipeline.schedulePolicies(on: &scheduled, PassContext(target: set))
    #expect(scheduled.description == compiler.lowered.graph.description)
    let one = CheckpointRecipe.singleLayer
    let shallow = try ModelCompiler(checkpoint: one.write(in: folder, name: "shallow"))
    let choice = PolicyChoice(prune: try PolicySpec("keep-all"))
    let withPolicies = try Compilation(of: shallow, policies: choice, options: options, registry: registry)
    let dense = try shallow.compile(PolicyPair(), options: options).description
    #expect(try withPolicies.graph().description == dense)
  }
}

extension CheckpointRecipe {
  /// A model without a boundary between layers: a policy that is not of the entry has nowhere to act.
  fileprivate static var singleLayer: CheckpointRecipe {
    var recipe = CheckpointRecipe()
    recipe.layers = 1
    return recipe
  }
}
