// What Scripts/bench measured, as values. The script writes one JSON file of plain times; everything that is concluded
// from them (ratios, bars, pictures) is concluded here in Swift, from this.

import PyramidFormats

/// The content of a benchmark's results file.
public struct BenchmarkResults: Sendable {
  /// An engine at a precision, such as `onnxruntime` at `int8`.
  public struct Runtime: Hashable, Sendable {
    /// The engine's name; this project's is `magic-pyramid`.
    public var engine: String
    /// Number format of its weights and products.
    public var precision: String

    /// Whether it is this project's engine.
    public var isOurs: Bool { engine == "magic-pyramid" }
    /// Both names, for tables.
    public var name: String { "\(engine) \(precision)" }
    /// What others are divided by.
    public static let baseline = Runtime(engine: "onnxruntime", precision: "f32")
  }

  /// A model run by a team of threads: what is compared with each other.
  public struct Setting: Hashable, Sendable {
    /// The model's name.
    public var model: String
    /// Threads of the runtime.
    public var threads: Int

    /// Both, for headings.
    public var name: String { "\(model), \(threads == 1 ? "1 thread" : "\(threads) threads")" }
  }

  /// Batch-1 latency of a runtime at one length.
  public struct Latency: TimedRow, Sendable {
    public var setting: Setting
    public var runtime: Runtime
    /// The text's length.
    public var tokens: Int
    /// Operations of one run: executed ones of this project's engine, those of the dense model's products for others.
    public var operations: Double
    public var seconds: [Double]
  }

  /// Time that a runtime took for the whole ragged set. A batching that was clearly worse than another of the same
  /// runtime may have been measured in fewer rounds.
  public struct Throughput: TimedRow, Sendable {
    public var setting: Setting
    public var runtime: Runtime
    /// How the sequences were put together, such as `sorted 16`.
    public var batching: String
    /// Sequences in the set.
    public var sequences: Int
    /// Rows computed divided by tokens in the set: 1 without padding.
    public var padding: Double
    public var seconds: [Double]
  }

  /// Time from a process's start to its first answer.
  public struct StartUp: TimedRow, Sendable {
    public var setting: Setting
    public var runtime: Runtime
    public var seconds: [Double]
    /// Peak resident memory of each of these processes, in MiB.
    public var peakMiB: [Double]
  }

  /// Magic Pyramid against the dense model, as mp-compare measured it.
  public struct Pyramid: Sendable {
    /// The checkpoint's name and threads.
    public var setting: Setting
    /// Number format of both.
    public var precision: String
    /// Texts measured.
    public var samples: Int
    /// Samples in a batch of the throughput measurement.
    public var batch: Int
    /// Executed operations, dense divided by policy.
    public var operations: Double
    /// Time at batch 1, dense divided by policy.
    public var latency: Interval
    /// Time in batches, dense divided by policy.
    public var throughput: Interval
  }

  /// A measured peak rate of the machine.
  public struct Peak: Sendable {
    /// Number format.
    public var precision: String
    /// The instruction that was timed.
    public var instruction: String
    /// Threads that ran it at the same time.
    public var threads: Int
    /// 10^9 operations a second of all of them.
    public var gflops: Double
  }

  /// The command line that made the file.
  public var command: String
  /// The day of the measurement.
  public var date: String
  /// Where it was measured, as labels and texts.
  public var machine: [(label: String, text: String)]
  /// Packages and their versions.
  public var versions: [(label: String, text: String)]
  /// How it was measured, one sentence each.
  public var notes: [String]
  /// Runtimes that could not be measured, and why.
  public var missing: [(label: String, text: String)]
  /// What the machine's instructions can do.
  public var peaks: [Peak]
  /// One row for each setting, runtime and length.
  public var latency: [Latency]
  /// One row for each setting, runtime and batching.
  public var throughput: [Throughput]
  /// One row for each setting and runtime.
  public var startUp: [StartUp]
  /// One row for each checkpoint, precision and number of threads.
  public var pyramid: [Pyramid]
}

/// Times of one runtime, one for each round; the first, second... rounds of rows that are compared are the same rounds.
public protocol TimedRow: Sendable {
  /// Model and threads.
  var setting: BenchmarkResults.Setting { get }
  /// What was timed.
  var runtime: BenchmarkResults.Runtime { get }
  /// Seconds in each round.
  var seconds: [Double] { get }
}

extension TimedRow {
  /// The middle one of the rounds.
  var median: Double { Percentiles(seconds).median }

  /// How many times as fast as `other` this is, by the rounds' ratios: above 1, this is faster.
  func speed(against other: Self) -> Spread { Spread(zip(seconds, other.seconds).map { $1 / $0 }) }
}

/// The median of some rounds' values with the lowest and the highest of them.
struct Spread: Sendable, Equatable {
  var median: Double
  var lowest: Double
  var highest: Double

  /// The spread of at least one value.
  init(_ values: [Double]) {
    let percentiles = Percentiles(values)
    median = percentiles.median
    lowest = percentiles(0)
    highest = percentiles(1)
  }
}

extension [BenchmarkResults.Throughput] {
  /// The rows that were measured in all rounds: those that may count as a runtime's best.
  var complete: [BenchmarkResults.Throughput] {
    let rounds = map(\.seconds.count).max()
    return filter { $0.seconds.count == rounds }
  }
}

/// The values in the order of their first appearance, each once.
func distinct<Value: Hashable>(_ values: some Sequence<Value>) -> [Value] {
  var seen: Set<Value> = []
  return values.filter { seen.insert($0).inserted }
}
