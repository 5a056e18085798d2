// Requests that share waves: seen at the queue, whose loop the test drives turn by turn, and from many callers at once.

import MagicPyramid
import PyramidTestSupport
import Testing

@testable import PyramidRuntime

@Suite struct `Requests` {
  /// A queue and the loop that it feeds.
  private struct Engine {
    let queue = RequestQueue()
    let loop: WaveLoop
    private let model: LoadedModel

    init(exit: String? = Sieve.exit, samples: Int? = nil) throws {
      let compiled = try Sieve.compiled(.portable, exit: exit)
      model = compiled.model
      let options = ExecutorOptions(graph: model.graph, samples: samples, threads: 1, recordsPositions: true)
      let program = try Program(model.graph, target: model.instructionSet, address: model.address(of:))
      loop = try WaveLoop(program, of: model, policies: compiled.policies(), options: options, source: queue)
    }

    func append(_ samples: [[Int32]]) -> (request: Request, table: AnswerTable) {
      let (request, table, batch) = (Request(), AnswerTable(), PackedBatch(samples))
      table.prepare(for: batch, shape: model.graph.shape, recordsPositions: true)
      request.prepare(batch, into: table)
      queue.append(request)
      return (request, table)
    }

    /// Turns until there is nothing to do.
    func turns() -> Int {
      var turns = 0
      while loop.advance() {
        turns += 1
        queue.tellCallers()
      }
      return turns
    }
  }

  @Test(arguments: [Sieve.exit, nil])
  func `of several callers go through the model as one`(exit: String?) throws {
    let engine = try Engine(exit: exit)
    let alone = engine.append(Sieve.samples)
    let turns = engine.turns()
    alone.request.wait()
    let requests = Sieve.samples.map { engine.append([$0]) }
    #expect(engine.turns() == turns)
    for (index, request) in requests.enumerated() {
      request.request.wait()
      #expect(isAlike(request.table[0], alone.table[index]))
    }
  }

  @Test func `join the waves of earlier ones that are under way`() throws {
    let engine = try Engine()
    let first = engine.append([Sieve.samples[2]])
    #expect(engine.loop.advance())
    let others = Sieve.samples.map { engine.append([$0]) }
    // The first one waits before layer 1 for a turn; from there, they go together.
    #expect(engine.turns() <= 7)
    first.request.wait()
    for other in others { other.request.wait() }
    #expect(isAlike(first.table[0], others[2].table[0]))
  }

  @Test func `are complete when their own samples are answered`() throws {
    let engine = try Engine(exit: nil, samples: 2)
    let first = engine.append([Sieve.samples[0], Sieve.samples[1]])
    let second = engine.append([Sieve.samples[2]])
    // Six sections: the first wave has gone through, the second not begun.
    for _ in 1...7 { #expect(engine.loop.advance()) }
    engine.queue.tellCallers()
    first.request.wait()
    #expect(engine.turns() == 7)
    second.request.wait()
  }

  @Test func `that are cancelled lose the samples that were not admitted`() throws {
    let engine = try Engine(exit: nil, samples: 2)
    let first = engine.append(Array(Sieve.samples.prefix(5)))
    let second = engine.append([Sieve.samples[5]])
    let third = engine.append([Sieve.samples[6]])
    #expect(engine.loop.advance())
    engine.queue.cancel(first.request)
    engine.queue.cancel(third.request)
    third.request.wait()
    // What is left of the first wave, then the second request alone.
    #expect(engine.turns() == 6 + 7)
    first.request.wait()
    second.request.wait()
    #expect(second.table[0].exitLayer == Sieve.recipe.layers)
  }

  @Test func `of many tasks are answered as one batch is, while no thread waits`() async throws {
    let compiled = try Sieve.compiled(InstructionSet.supported.last ?? .portable)
    let executor = try compiled.executor(samples: 7)
    let (samples, count) = (Sieve.samples, 200)
    let expected = try await executor.run(PackedBatch(samples))
    // Were a thread of the pool to wait for each, these would take as many threads as the machine has processors.
    let found = try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
      for index in 0..<count {
        group.addTask { (index, try await executor.run(PackedBatch([samples[index % samples.count]]))[0]) }
      }
      return try await group.reduce(into: [Int: Answer]()) { $0[$1.0] = $1.1 }
    }
    #expect(found.count == count)
    for (index, answer) in found { #expect(isAlike(answer, expected[index % samples.count])) }
    #expect(try await executor.run(PackedBatch()).isEmpty)
    await #expect(throws: RuntimeError.self) { try await executor.run(PackedBatch([[-1]])) }
  }

  @Test func `of a cancelled task are not computed`() async throws {
    let executor = try Sieve.compiled(.portable).executor()
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await executor.run(PackedBatch(Sieve.samples))
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await executor.run(PackedBatch([[2, 5]])).count == 1)
  }

  /// Cancelled at any moment, a call either throws or has all answers; callers of another executor are in between.
  @Test func `that are cancelled at any moment end once`() async throws {
    let compiled = try Sieve.compiled(.portable)
    let executors = try [compiled.executor(samples: 2), compiled.executor(samples: 3)]
    let counts = await withTaskGroup(of: Int?.self) { group in
      for index in 0..<100 {
        group.addTask { try? await executors[index % 2].run(PackedBatch(Sieve.samples)).count }
        if index == 60 { group.cancelAll() }
      }
      return await group.reduce(into: [Int?]()) { $0.append($1) }
    }
    #expect(counts.count == 100 && counts.allSatisfy { $0 == nil || $0 == Sieve.samples.count })
    for executor in executors { #expect(try await executor.run(PackedBatch(Sieve.samples)).count == 12) }
  }

  /// An executor goes away while the thread that it shared with others goes on.
  @Test func `may be the last of their executor`() async throws {
    let compiled = try Sieve.compiled(.portable)
    await withTaskGroup { group in
      for index in 0..<20 {
        group.addTask {
          for _ in 0..<5 {
            let answers = try? await compiled.executor(threads: 1 + index % 2).run(PackedBatch(Sieve.samples))
            #expect(answers?.count == Sieve.samples.count)
          }
        }
      }
    }
  }
}

/// Equal but for rounding, since the portable kernels' sums depend on the batch.
private func isAlike(_ first: Answer, _ second: Answer) -> Bool {
  first.exitLayer == second.exitLayer && first.alivePositions == second.alivePositions
    && first.logits.largestDifference(to: second.logits) < 1e-5
}
