// The outcome of mp-compare as a value: what was measured, where, and how. Its JSON (DESIGN section 9), Markdown, CSV and
// page are made from it elsewhere, so that none can hold a number that another lacks a source for.

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
  /// Times that every text was measured; 0 where nothing was timed.
  public var repetitions: Int
  /// Samples in a batch of the throughput measurement.
  public var batch: Int
  /// Time that tokenising alone takes, which all other times include, in microseconds per text.
  public var tokenizationMicroseconds: Double
  /// What a reader should know besides, one sentence each.
  public var notes: [String]
  /// The loss that verdicts are about, in units of the headline's measure: for accuracy a share.
  public var margin: Double
  /// The model without policies.
  public var dense: Entry
  /// The policies in the order given, then null models.
  public var policies: [Entry]
  /// Settings of null models that did not get into the tables.
  public var candidates: [Entry] = []
  /// Ways of some texts through the layers.
  public var pictures: [PyramidPicture] = []

  /// A report from its parts.
  public init(
    command: String, machine: MachineDescription, model: String, checkpoint: String, layers: Int, data: String,
    samples: Int, repetitions: Int, batch: Int, tokenizationMicroseconds: Double, notes: [String] = [],
    margin: Double = 0.005, dense: Entry, policies: [Entry]
  ) {
    (self.command, self.machine) = (command, machine)
    (self.model, self.checkpoint, self.layers) = (model, checkpoint, layers)
    (self.data, self.samples, self.repetitions, self.batch) = (data, samples, repetitions, batch)
    (self.tokenizationMicroseconds, self.notes, self.margin) = (tokenizationMicroseconds, notes, margin)
    (self.dense, self.policies) = (dense, policies)
  }

  /// What contenders are compared by.
  var headline: Measure { dense.answers.quality.headline.measure }

  /// How alike contenders are.
  var likeness: Measure { headline.isShare ? .agreement : .meanDifference }

  /// What a contender is there for.
  public enum Role: String, Sendable, CaseIterable {
    /// The model without policies.
    case dense
    /// What is compared.
    case policy
    /// What a policy has to beat to be worth anything.
    case null
  }

  /// One contender: the dense model, a policy or a null model.
  public struct Entry: Sendable {
    /// Its name, unique in the report.
    public var name: String
    /// What it is there for.
    public var role = Role.policy
    /// Number format of its model: f32, bf16, int8.
    public var precision = "f32"
    /// The exit policy as it ran; nil for none.
    public var exit: String?
    /// The pruning policy as it ran; nil for none.
    public var prune: String?
    /// What it answered and what that took in operations.
    public var answers: AnswerSummary
    /// The same by length.
    public var lengths: [LengthBin] = []
    /// Its times; nil where only answers were wanted.
    public var timing: Timing?
    /// How it stands against dense; nil for dense itself.
    public var comparison: Comparison?
    /// Its quality against the baseline's; nil for the baseline itself.
    public var difference: Difference?
    /// A null model that is at least as good for no more operations, better in one of both; nil for none.
    public var dominatedBy: String?
    /// Whether no other contender is at least as good for no more operations, better in one of both.
    public var isOnFront = false
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
    /// How alike both answer: the share of equal labels, or how far numbers are apart.
    public var likeness: Estimate
    /// McNemar's exact probability that accuracy differs this much by chance; nil for numbers.
    public var mcnemar: Double?
    /// The same by Holm's method, for all policies and null models of the report together.
    public var mcnemarHolm: Double?
    /// McNemar's exact probability against the first policy, by Holm's method; nil for that one itself.
    public var mcnemarFirst: Double?
    /// Executed operations.
    public var operations: Interval
    /// Operations by the paper's formula.
    public var paperOperations: Interval
    /// Time at batch 1; nil where nothing was timed.
    public var latency: Interval?
    /// Time in batches; nil where nothing was timed.
    public var throughput: Interval?

    /// Speed-up in time over speed-up in executed operations, the worse of batch 1 and batches: 1 where every saved
    /// operation is saved time. Nil where nothing was timed.
    public var timePerOperationSaved: Double? {
      latency.flatMap { latency in
        throughput.map { min(latency.value, $0.value) / max(operations.value, 1e-9) }
      }
    }
  }

  /// Quality against a baseline's.
  public struct Difference: Sendable, Equatable {
    /// Name of the baseline.
    public var against: String
    /// What differs.
    public var quality: QualityDifference
    /// The loss that the verdict is about.
    public var margin: Double

    /// The estimate with its interval.
    public var interval: Interval { quality.interval }
    /// Whether it is worse by more than the margin.
    public var verdict: Verdict { quality.verdict(margin: margin) }
    /// About how many texts a verdict would take.
    public var textsNeeded: Int? { quality.textsNeeded(margin: margin) }
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

  /// Whether it was timed.
  var isTimed: Bool { !latencies.isEmpty }
}
