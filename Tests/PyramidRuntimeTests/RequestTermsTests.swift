// Terms of single requests: policies, depth and deadline of their own, in waves that they share with others.

import MagicPyramid
import PyramidTestSupport
import Testing

@testable import PyramidRuntime

@Suite struct `Terms of a request` {
  private static let strict = "entropy(threshold=0.5)"

  @Test(arguments: InstructionSet.supported)
  func `with policies of its own are kept in waves of requests with others`(set: InstructionSet) async throws {
    let compiled = try Sieve.compiled(set)
    let executor = try compiled.executor(samples: 5)
    let own = RequestTerms(
      policies: try compiled.policies(exit: Self.strict, prune: "received-attention(thresholds=0.5)"))
    let batch = PackedBatch(Sieve.samples)
    let other = try compiled.executor(exit: Self.strict, prune: "received-attention(thresholds=0.5)")
    let expected = try await other.run(batch)
    let usual = try await executor.run(batch)
    #expect(zip(expected, usual).contains { $0.exitLayer != $1.exitLayer })
    async let first = executor.run(batch, on: own)
    async let second = executor.run(batch)
    async let third = executor.run(batch, on: own)
    let (one, two, three) = try await (first, second, third)
    for index in expected.indices {
      #expect(isAlike(one[index], expected[index]) && isAlike(three[index], expected[index]))
      #expect(isAlike(two[index], usual[index]))
    }
  }

  @Test(arguments: 1...5)
  func `with a depth are answered by the last head up to there, and say so`(most: Int) async throws {
    let compiled = try Sieve.compiled(.portable, exit: "never-exit")
    let answers = try await compiled.executor().run(PackedBatch(Sieve.samples), on: RequestTerms(maxLayers: most))
    for answer in answers {
      #expect(answer.exitLayer == most)
      #expect(answer.limit == (most < Sieve.recipe.layers ? .maxLayers : nil))
      #expect(answer.tokensAlive.count == most)
    }
  }

  @Test func `with a depth before the first head are refused`() async throws {
    let executor = try Sieve.compiled(.portable, exit: nil).executor()
    let error = await #expect(throws: RuntimeError.self) {
      try await executor.run(PackedBatch(Sieve.samples), on: RequestTerms(maxLayers: 2))
    }
    #expect(error?.description == "at most 2 layers: the model has no exit heads, and 5 layers")
  }

  @Test func `with a deadline that passed are given up before they are computed`() async throws {
    let executor = try Sieve.compiled(.portable).executor()
    await #expect(throws: DeadlinePassed.self) {
      try await executor.run(PackedBatch(Sieve.samples), on: RequestTerms(deadline: .now))
    }
    #expect(try await executor.run(PackedBatch([[2, 5]]), on: RequestTerms(deadline: .now + .seconds(100))).count == 1)
  }

  @Test func `with a deadline are given up then, though the engine is busy with others`() async throws {
    // A team size that no other test has: theirs would wait, too, with the threads that this one needs to go on.
    let executor = try Sieve.compiled(.portable).executor(threads: 5)
    let (thread, free) = (try InferenceThread.shared(threads: 5), Semaphore())
    thread.wake(
      InferenceWork {
        free.wait()
        return false
      })
    let atLast = Task {
      try await Task.sleep(for: .seconds(60))
      free.signal()
    }
    await #expect(throws: DeadlinePassed.self) {
      try await executor.run(PackedBatch(Sieve.samples), on: RequestTerms(deadline: .now + .milliseconds(50)))
    }
    atLast.cancel()
    await #expect(throws: CancellationError.self, "the engine was free by then") { try await atLast.value }
    free.signal()
  }

  /// The loop stands still between turns, so the moment is the test's.
  @Test func `with a deadline that passes on the way are answered by the next head`() throws {
    let compiled = try Sieve.compiled(.portable, exit: "never-exit")
    let queue = RequestQueue(turn: .max)
    let options = ExecutorOptions(graph: compiled.model.graph, threads: 1)
    let program = try Program(
      compiled.model.graph, target: compiled.model.instructionSet, address: compiled.model.address(of:))
    let loop = try WaveLoop(
      program, of: compiled.model, policies: compiled.policies(), options: options, source: queue)
    let (request, table, batch) = (Request(), AnswerTable(), PackedBatch(Sieve.samples))
    table.prepare(for: batch, shape: compiled.model.graph.shape, recordsPositions: false)
    request.prepare(batch, into: table)
    queue.append(request)
    for _ in 1...2 { #expect(loop.advance()) }
    request.terms.deadline = .now
    while loop.advance() { queue.tellCallers() }
    request.wait()
    for answer in table.answers {
      #expect(answer.limit == .deadline)
      #expect((1..<Sieve.recipe.layers).contains(answer.exitLayer))
    }
  }

  @Test func `that keep more of a sample than the model's policy does are refused`() async throws {
    let compiled = try Sieve.compiled(.portable)
    let executor = try compiled.executor()
    let terms = RequestTerms(policies: try compiled.policies(exit: "patience(patience=1)"))
    let error = await #expect(throws: RuntimeError.self) { try await executor.run(PackedBatch([[2, 5]]), on: terms) }
    #expect(error?.description.contains("keeps more of a sample") == true)
    let answers = try await executor.run(PackedBatch([[2, 5]]))
    #expect(answers.count == 1)
  }
}

/// Equal but for rounding, since the portable kernels' sums depend on the batch.
private func isAlike(_ first: Answer, _ second: Answer) -> Bool {
  first.exitLayer == second.exitLayer && first.alivePositions == second.alivePositions
    && first.logits.largestDifference(to: second.logits) < 1e-4
}
