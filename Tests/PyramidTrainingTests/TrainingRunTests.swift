// What a training run refuses, and how its thread is used from several places.

import PyramidCompiler
import PyramidIR
import PyramidKernels
import PyramidRuntime
import PyramidTestSupport
import PyramidTraining
import Testing

@Suite struct TrainingRunTests {
  /// A golden's model with weights of a size that is wrong by `excess`, and the widths of its targets and tables.
  private func run(excess: Int = 0, purpose: Purpose = .train, samples: Int? = nil) throws -> TrainingRun {
    var graph = try GradientGolden("bert-plain").training.graph
    try Pipeline.prepareTraining(&graph, target: .native(), precision: .f32)
    graph.purpose = purpose
    return try TrainingRun(graph, thread: TrainingThread(threads: 2), samples: samples, reading: []) { weight in
      // Never freed: what is refused is refused before anything is read.
      let count = weight.storedCount(.portable) + excess
      let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
      values.initialize(repeating: 0.1)
      return TrainedWeight(values: values, gradient: nil)
    }
  }

  private func batch(_ ids: [Int32]...) -> PackedBatch {
    var batch = PackedBatch()
    for ids in ids { batch.append(tokenIDs: ids, typeIDs: ids.map { _ in 0 }) }
    return batch
  }

  @Test func `Weights of another size and graphs of another purpose are refused`() throws {
    let size = #expect(throws: RuntimeError.self) { try run(excess: 1) }
    #expect(size?.description.contains(" values, expected ") == true, "\(String(describing: size))")
    let purpose = #expect(throws: RuntimeError.self) { try run(purpose: .classify) }
    #expect(purpose?.description.contains("is not for training") == true, "\(String(describing: purpose))")
    _ = try run()
  }

  @Test func `A batch must fit the room, the tables and the sources`() throws {
    let run = try run(samples: 2)
    let random = RandomState(seed: 0, step: 0)
    let targets: [Float] = [1, 0, 0]
    func message(_ batch: PackedBatch, _ targets: [Float]) -> String {
      do { _ = try run.run(batch, targets: targets, random: random) } catch { return "\(error)" }
      return ""
    }
    #expect(message(batch([2, 3]), targets).isEmpty)
    #expect(message(batch(), []).contains("room is for 1 to 2 samples"))
    #expect(message(batch([2], [2], [2]), targets + targets + targets).contains("room is for 1 to 2 samples"))
    #expect(message(batch([2, 999]), targets).contains("index 999 is outside its embedding table"))
    #expect(message(batch([2, -1]), targets).contains("index -1 is outside its embedding table"))
    #expect(message(batch([2, 3]), [1]).contains("targets: 1 numbers, expected 3"))
  }

  @Test func `Work on the thread may call it again, and errors come back`() throws {
    let thread = try TrainingThread(threads: 2)
    let nested = try thread.perform { try thread.perform { 1 } + 1 }
    #expect(nested == 2)
    #expect(throws: RuntimeError.self) { try thread.perform { throw RuntimeError("no") } }
  }

  @Test func `Tasks share the thread, and none waits on another's`() async throws {
    let thread = try TrainingThread(threads: 2)
    let numbers = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<8 { group.addTask { try await thread.perform { number } } }
      return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
    }
    #expect(numbers == Set(0..<8))
  }
}
