// The outcome of mp-compare as a value: what was measured, where, and how. Its JSON (DESIGN section 9) and its Markdown
// are made from it elsewhere, so that neither can hold a number that the other lacks a source for.

/// One dense model and some policies, measured on the same texts.
public struct ComparisonReport: Sendable {
  /// The command line that made the report.
  public var command: String
  /// Where it was measured.
  public var machine: MachineDescription
  /// Path of the model as it was given.
  public var model: String
  /// `sha256:...` of the checkpoint's weights.
  public var checkpoint: String
  /// Encoder layers.
  public var layers: Int
  /// Path of the data set.
  public var data: String
  /// Texts measured.
  public var samples: Int
  /// Times that every text was measured.
  public var repetitions: Int
  /// Samples in a batch of the throughput measurement.
  public var batch: Int
  /// Time that tokenising alone takes, which all other times include, in microseconds per text.
  public var tokenizationMicroseconds: Double
  /// What a reader should know besides, one sentence each.
  public var notes: [String]
  /// The model without policies.
  public var dense: Entry
  /// The policies in the order given.
  public var policies: [Entry]

  /// A report from its parts.
  public init(
    command: String, machine: MachineDescription, model: String, checkpoint: String, layers: Int, data: String,
    samples: Int, repetitions: Int, batch: Int, tokenizationMicroseconds: Double, notes: [String] = [], dense: Entry,
    policies: [Entry]
  ) {
    (self.command, self.machine) = (command, machine)
    (self.model, self.checkpoint, self.layers) = (model, checkpoint, layers)
    (self.data, self.samples, self.repetitions, self.batch) = (data, samples, repetitions, batch)
    (self.tokenizationMicroseconds, self.notes) = (tokenizationMicroseconds, notes)
    (self.dense, self.policies) = (dense, policies)
  }

  /// One contender: the dense model or a policy.
  public struct Entry: Sendable {
    /// Its name, unique in the report.
    public var name: String
    /// The exit policy as it ran; nil for none.
    public var exit: String?
    /// The pruning policy as it ran; nil for none.
    public var prune: String?
    /// What it answered and what that took in operations.
    public var answers: AnswerSummary
    /// Its times.
    public var timing: Timing
    /// How it stands against dense; nil for dense itself.
    public var comparison: Comparison?
  }

  /// Wall-clock times.
  public struct Timing: Sendable {
    /// Milliseconds for one text at batch 1, over all texts and repetitions.
    public var latency: (p50: Double, p95: Double, p99: Double)
    /// Texts per second in batches, by the median repetition.
    public var throughput: Double
  }

  /// A policy against dense; every speed-up is dense divided by policy, so above 1 the policy is faster.
  public struct Comparison: Sendable, Equatable {
    /// Share of texts that both give the same label.
    public var agreement: Double
    /// McNemar's exact probability that accuracy differs this much by chance.
    public var mcnemar: Double
    /// Executed operations.
    public var operations: Interval
    /// Operations by the paper's formula.
    public var paperOperations: Interval
    /// Time at batch 1.
    public var latency: Interval
    /// Time in batches.
    public var throughput: Interval
  }
}

/// One contender's answers and times on a workload that all contenders share.
public struct MeasuredContender: Sendable {
  /// Answers to each text.
  public var outcomes: [SampleOutcome] = []
  /// Seconds of single texts, of all repetitions.
  public var latencies: [Double] = []
  /// Seconds of blocks of single texts, [repetition][block].
  public var singles: [[Double]]
  /// Seconds of blocks in batches, [repetition][block].
  public var batches: [[Double]]

  /// Nothing measured yet.
  public init(repetitions: Int) {
    singles = Array(repeating: [], count: repetitions)
    batches = singles
  }
}

extension ComparisonReport.Entry {
  /// A contender's part of the report; `expected` holds the data set's classes. `dense` is what it is compared with,
  /// nil for dense itself.
  public init(
    name: String, exit: String?, prune: String?, _ measured: MeasuredContender, against dense: MeasuredContender?,
    expected: [Int], layers: Int
  ) {
    let milliseconds = Percentiles(measured.latencies.map { $0 * 1e3 })
    let seconds = Percentiles(measured.batches.map { $0.reduce(0, +) }).median
    self.init(
      name: name, exit: exit, prune: prune,
      answers: AnswerSummary(measured.outcomes, expected: expected, layers: layers),
      timing: .init(
        latency: (milliseconds(0.5), milliseconds(0.95), milliseconds(0.99)),
        throughput: Double(expected.count) / seconds),
      comparison: dense.map { dense in
        .init(
          outcomes: measured.outcomes, dense: dense.outcomes, expected: expected,
          latency: PairedRatio(baseline: dense.singles, contender: measured.singles),
          throughput: PairedRatio(baseline: dense.batches, contender: measured.batches))
      })
  }
}
