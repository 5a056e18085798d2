// Callers of executors from tasks and threads at once, for ThreadSanitizer (Scripts/sanitize threads). Outside of the package:
// with the modules that it needs and no more it is built in two minutes, where an instrumented build of the tests takes
// twenty.

import BuiltInPolicies
import Glibc
import PyramidPolicy
import PyramidRuntime

extension PackedBatch {
  init(_ samples: [[Int32]]) {
    self.init()
    for ids in samples { append(tokenIDs: ids, typeIDs: [Int32](repeating: 0, count: ids.count)) }
  }
}

/// What a thread is started with.
final class Call: @unchecked Sendable {
  let executor: Executor
  let samples: [[Int32]]
  /// Of the samples, alone.
  let expected: [Int]
  var right = 0

  init(_ executor: Executor, _ samples: [[Int32]], _ expected: [Int]) {
    (self.executor, self.samples, self.expected) = (executor, samples, expected)
  }

  func run() {
    for _ in 0..<5 where (try? executor.run(PackedBatch(samples)).map(\.exitLayer)) == expected { right += 1 }
  }
}

@main struct Threads {
  /// `threads MODEL.mpc`; ends with status 1 where an answer is wrong.
  static func main() async throws {
    let registry = try PolicyRegistry(BuiltInPolicies.all.map { try PolicyType($0, origin: PolicyType.builtIn) })
    let model = try LoadedModel(path: CommandLine.arguments[1])
    let policies = try model.policies(registry: registry)
    func executor(_ samples: Int) throws -> Executor {
      try Executor(
        model: model, policies: policies,
        options: ExecutorOptions(graph: model.graph, samples: samples, threads: 1, recordsPositions: true))
    }
    let executors = try [7, 64, 2].map(executor)
    var samples: [[Int32]] = []
    for number in 0..<40 {
      samples.append([2] + (0..<(3 + number % 20)).map { Int32(5 + ($0 * 7 + number) % 30) } + [3])
    }
    let expected = try await executors[1].run(PackedBatch(samples)).map(\.exitLayer)
    var (right, asked, cancelled) = (0, 0, 0)
    for round in 0..<4 {
      let found = await tasks(executors, samples, cancelling: round % 2 == 1)
      asked += found.count
      right += found.filter { $0.exitLayer == expected[$0.sample] }.count
      cancelled += found.filter { $0.exitLayer == nil }.count
    }
    let calls = (0..<64).map {
      Call(executors[$0 % 3], Array(samples[($0 % 30)..<($0 % 30 + 5)]), Array(expected[($0 % 30)..<($0 % 30 + 5)]))
    }
    let threads = calls.map(start)
    // Executors that come and go while others work.
    for _ in 0..<20 { _ = try await executor(3).run(PackedBatch(Array(samples.prefix(4)))) }
    for thread in threads { pthread_join(thread, nil) }
    let fromThreads = calls.reduce(0) { $0 + $1.right }
    print(
      "\(asked) calls from tasks, \(cancelled) cancelled, \(right) right; \(5 * calls.count) from threads, \(fromThreads) right;",
      "exits at \(Set(expected).sorted())")
    exit(right + cancelled == asked && cancelled < asked && fromThreads == 5 * calls.count ? 0 : 1)
  }

  /// The exit layer of each text's call; nil of one that was cancelled.
  private static func tasks(
    _ executors: [Executor], _ samples: [[Int32]], cancelling: Bool
  ) async -> [(sample: Int, exitLayer: Int?)] {
    await withTaskGroup(of: (sample: Int, exitLayer: Int?).self) { group in
      var found: [(sample: Int, exitLayer: Int?)] = []
      for index in 0..<400 {
        let sample = index % samples.count
        let (executor, batch) = (executors[index % executors.count], PackedBatch([samples[sample]]))
        group.addTask { (sample, try? await executor.run(batch)[0].exitLayer) }
        if cancelling, index == 300 {
          for _ in 0..<100 { if let one = await group.next() { found.append(one) } }
          group.cancelAll()
        }
      }
      for await one in group { found.append(one) }
      return found
    }
  }

  private static func start(_ call: Call) -> pthread_t {
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      {
        Unmanaged<Call>.fromOpaque($0!).takeUnretainedValue().run()
        return nil
      }, Unmanaged.passUnretained(call).toOpaque())
    return thread
  }
}
