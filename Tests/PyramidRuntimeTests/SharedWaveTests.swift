// Requests that share waves: seen at the queue, whose loop the test drives turn by turn, and from many callers at once.

import MagicPyramid
import PyramidTestSupport
import Testing

@testable import PyramidRuntime

@Suite struct `Requests` {
  /// A queue and the loop that it feeds.
  private struct Engine {
    let queue: RequestQueue
    let loop: WaveLoop
    private let model: LoadedModel

    init(exit: String? = Sieve.exit, samples: Int? = nil, tokens: Int? = nil, turn: Int = .max) throws {
      queue = RequestQueue(turn: turn)
      let compiled = try Sieve.compiled(.portable, exit: exit)
      model = compiled.model
      let options = ExecutorOptions(
        graph: model.graph, samples: samples, tokens: tokens, threads: 1, recordsPositions: true)
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

  /// Six sections: a wave takes seven turns of the loop at most.
  private static let wave = 7

  @Test func `of one text go with the next wave, however many texts there were before`() throws {
    let engine = try Engine(exit: nil, samples: 2, turn: 4)
    let long = engine.append(Array(repeating: Sieve.samples[4], count: 100))
    for _ in 1...3 {
      for _ in 1...4 { #expect(engine.loop.advance()) }
      let short = engine.append([Sieve.samples[1]])
      for _ in 1...2 * Self.wave { #expect(engine.loop.advance()) }
      #expect(short.table.exitLayer(of: 0) == Sieve.recipe.layers)
    }
    _ = engine.turns()
    long.request.wait()
    #expect((0..<100).allSatisfy { long.table.exitLayer(of: $0) == Sieve.recipe.layers })
  }

  @Test func `of many texts go on, however many come after them`() throws {
    let engine = try Engine(exit: nil, samples: 2, turn: 1)
    let long = engine.append(Array(repeating: Sieve.samples[4], count: 8))
    // Whoever asks keeps a request until it is answered.
    var others: [(request: Request, table: AnswerTable)] = []
    for _ in 1...8 {
      for _ in 1...2 { others.append(engine.append([Sieve.samples[1]])) }
      for _ in 1...Self.wave { #expect(engine.loop.advance()) }
    }
    #expect(others.count == 16)
    // Twice as many come as there is room for, and of the 16 places in 8 waves it still had every fourth.
    #expect((0..<8).count { long.table.exitLayer(of: $0) > 0 } >= 4)
    _ = engine.turns()
    #expect(others.allSatisfy { $0.table.exitLayer(of: 0) > 0 })
  }

  @Test func `leave to others what they can not fill of a wave`() throws {
    // Samples of 33, 33 and 41 tokens, and one of 1.
    let (long, short) = (Sieve.samples[2], Sieve.samples[1])
    let engine = try Engine(exit: nil, tokens: 48, turn: 1000)
    let first = engine.append([long, long, Sieve.samples[10]])
    let others = (0..<30).map { _ in engine.append([short]) }
    for _ in 1...Self.wave { #expect(engine.loop.advance()) }
    #expect(first.table.exitLayer(of: 0) > 0 && others.count { $0.table.exitLayer(of: 0) > 0 } == 15)
    // The others are through with the second wave, so that what is long is next.
    for _ in 1...2 * Self.wave { #expect(engine.loop.advance()) }
    #expect(first.table.exitLayer(of: 1) > 0 && others.allSatisfy { $0.table.exitLayer(of: 0) > 0 })
    _ = engine.turns()
    #expect(first.table.exitLayer(of: 2) > 0)
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
