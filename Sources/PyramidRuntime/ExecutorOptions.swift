// What the user of an executor chooses: room, threads and records.
//
// Separate from the executor, since the parts of it are made by these options, too.

import PyramidIR

/// The most that an executor computes at once, and what it records.
public struct ExecutorOptions: Sendable {
  /// Samples in a wave; no more than the graph admits.
  public var samples: Int
  /// Tokens in a wave; no more than the graph admits.
  public var tokens: Int
  /// Tokens in a sample: one that is longer than a wave may be is a wave of its own. No more than the graph admits.
  public var longestSample: Int
  /// Size of the OpenMP team.
  public var threads: Int
  /// Whether answers carry the original positions of the tokens kept.
  public var recordsPositions: Bool
  /// What the executor's work is noted in; nil for nothing, which takes no time.
  public var trace: ExecutionTrace?
  /// Of a model of several tasks, the numbers of those that are asked: a sample leaves when they are answered. Nil for all.
  public var tasks: Set<Int>?

  /// Options; nil stands for what the graph admits, and for the longest sample the tokens of a wave.
  public init(
    graph: Graph, samples: Int? = nil, tokens: Int? = nil, longestSample: Int? = nil, threads: Int,
    recordsPositions: Bool = false, trace: ExecutionTrace? = nil, tasks: Set<Int>? = nil
  ) {
    self.samples = min(samples ?? .max, graph.admitted(.samples))
    self.tokens = min(tokens ?? .max, graph.admitted(.tokens))
    self.longestSample = min(longestSample ?? self.tokens, graph.admitted(.tokens))
    self.threads = threads
    (self.recordsPositions, self.trace, self.tasks) = (recordsPositions, trace, tasks)
  }

  /// Throws `RuntimeError` when nothing fits into a wave, or when no team is that large.
  func check() throws(RuntimeError) {
    guard samples > 0, tokens > 0 else { throw RuntimeError("a batch needs room for a sample and a token") }
    guard (1...ThreadCount.limit).contains(threads) else {
      throw RuntimeError("\(threads) threads, expected 1 to \(ThreadCount.limit)")
    }
  }

  /// The most tokens that are ever in a wave.
  var roomForTokens: Int { max(tokens, longestSample) }
}
