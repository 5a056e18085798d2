// What 64 concurrent calls of one text each cost, against one call of 64 texts: from tasks, and from threads that
// block.

import Glibc
import MagicPyramid

/// The texts and the model that both sides of the comparison run.
struct ConcurrentCalls {
  private static let count = 64
  private static let rounds = 41
  private let classifier: Classifier
  private let texts: [String]
  private let clock = ContinuousClock()

  init(_ path: String) throws {
    classifier = try Classifier(path: path, registry: PolicyCatalogue.registry())
    let vocabulary = classifier.tokenizer.rules.vocabulary
    let words = (0..<vocabulary.count).map { vocabulary[$0] }.filter { $0.utf8.allSatisfy { 97...122 ~= $0 } }
    texts = (0..<Self.count).map { text in
      (0..<(5 + text * 13 % 70)).map { words[(text * 7919 + $0 * 104_729) % words.count] }.joined(separator: " ")
    }
  }

  /// Prints the median times of interleaved rounds and the medians of each round's ratios.
  func measure() async throws {
    var (one, tasks, threads): ([Double], [Double], [Double]) = ([], [], [])
    for _ in 0..<Self.rounds {
      one.append(try await time { _ = try await classifier.classify(texts) })
      tasks.append(try await time { try await inTasks() })
      threads.append(await time { inThreads() })
    }
    func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    func text(_ value: Double) -> String { "\(Double(Int(value * 1000)) / 1000)" }
    print("one call of \(Self.count) texts: \(text(median(one) * 1e3)) ms")
    for (name, times) in [("tasks", tasks), ("threads", threads)] {
      let ratio = median(zip(times, one).map { $0 / $1 })
      print("\(Self.count) calls from \(name): \(text(median(times) * 1e3)) ms, ratio \(text(ratio))")
    }
  }

  private func time(_ body: () async throws -> Void) async rethrows -> Double {
    let start = clock.now
    try await body()
    return start.duration(to: clock.now) / .seconds(1)
  }

  private func inTasks() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for text in texts { group.addTask { _ = try await classifier.classify([text]) } }
      try await group.waitForAll()
    }
  }

  /// Starting the threads counts, too.
  private func inThreads() {
    let threads = texts.map { text in
      var thread = pthread_t()
      let call = Unmanaged.passRetained(Call(classifier: classifier, text: text))
      pthread_create(&thread, nil, classifyOnThread, call.toOpaque())
      return thread
    }
    for thread in threads { pthread_join(thread, nil) }
  }
}

/// What a thread is started with.
private final class Call {
  let classifier: Classifier
  let text: String

  init(classifier: Classifier, text: String) { (self.classifier, self.text) = (classifier, text) }

  func run() { _ = try? classifier.classify([text]) }
}

private func classifyOnThread(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  Unmanaged<Call>.fromOpaque(raw!).takeRetainedValue().run()
  return nil
}
