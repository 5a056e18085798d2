// The outcome of mp-compare as a value: what was measured, where, and how. Its JSON (DESIGN section 9) and its Markdown
// are made from it elsewhere, so that neither can hold a number that the other lacks a source for.

/// One dense model and some policies, measured on the same texts.
public struct ComparisonReport: Sendable {
  /// The command line that made the report.
  public var command: String
  /// Where it was measured.
  public var machine: MachineDescription
  /// What was run.
  public var model: Model
  /// Path of the data set.
  public var data: String
  /// Texts measured.
  public var samples: Int
  /// Times that every text was measured.
  public var repetitions: Int
  /// Samples in a batch of the throughput measurement.
  public var batch: Int
  /// Time that tokenising took, which no other time includes, in microseconds a text.
  public var tokenizationMicroseconds: Double
  /// What a reader should know besides, one sentence each.
  public var notes: [String]
  /// The model without policies.
  public var dense: Entry
  /// The policies in the order given.
  public var policies: [Entry]

  /// A report from its parts.
  public init(
    command: String, machine: MachineDescription, model: Model, data: String, samples: Int, repetitions: Int,
    batch: Int, tokenizationMicroseconds: Double, notes: [String] = [], dense: Entry, policies: [Entry]
  ) {
    self.command = command
    self.machine = machine
    self.model = model
    self.data = data
    self.samples = samples
    self.repetitions = repetitions
    self.batch = batch
    self.tokenizationMicroseconds = tokenizationMicroseconds
    self.notes = notes
    self.dense = dense
    self.policies = policies
  }

  /// The model that was measured.
  public struct Model: Sendable, Equatable {
    /// Path as it was given.
    public var path: String
    /// `sha256:...` of the checkpoint's weights.
    public var checkpoint: String
    /// Encoder layers.
    public var layers: Int

    /// A model's description.
    public init(path: String, checkpoint: String, layers: Int) {
      self.path = path
      self.checkpoint = checkpoint
      self.layers = layers
    }
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

    /// A contender from its parts.
    public init(
      name: String, exit: String?, prune: String?, answers: AnswerSummary, timing: Timing, comparison: Comparison? = nil
    ) {
      self.name = name
      self.exit = exit
      self.prune = prune
      self.answers = answers
      self.timing = timing
      self.comparison = comparison
    }
  }

  /// Wall-clock times.
  public struct Timing: Sendable {
    /// Milliseconds for one text at batch 1, over all texts and repetitions.
    public var latency: (p50: Double, p95: Double, p99: Double)
    /// Texts a second in batches, by the median repetition.
    public var throughput: Double

    /// Times from their parts.
    public init(latency: (p50: Double, p95: Double, p99: Double), throughput: Double) {
      self.latency = latency
      self.throughput = throughput
    }
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

    /// A comparison from its parts.
    public init(
      agreement: Double, mcnemar: Double, operations: Interval, paperOperations: Interval, latency: Interval,
      throughput: Interval
    ) {
      self.agreement = agreement
      self.mcnemar = mcnemar
      self.operations = operations
      self.paperOperations = paperOperations
      self.latency = latency
      self.throughput = throughput
    }
  }
}
