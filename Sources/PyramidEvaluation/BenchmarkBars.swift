// The bars that the project set itself, held against a benchmark. Separate from the report's tables because here it is
// decided what counts as met: everything from medians of same-round ratios, against each peer by itself, the hardest of
// them counting.

import PyramidFormats

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A promise about speed and whether a measurement keeps it.
public struct BenchmarkBar: Sendable, Equatable {
  /// What is promised.
  public var promise: String
  /// The model and threads, or the checkpoint, that it was measured on.
  public var subject: String
  /// What was measured.
  public var finding: String
  /// Whether the promise is kept; nil when the benchmark can't say.
  public var isMet: Bool?

  /// The answer in words.
  var state: String { isMet.map { $0 ? "met" : "**not met**" } ?? "unknown" }

  /// All bars on all that was measured.
  public static func all(_ results: BenchmarkResults) -> [BenchmarkBar] {
    singlePrecision(results) + bestPrecision(results) + ragged(results) + pyramid(results) + start(results)
  }
}

/// One of our rows against the peer that it leads least.
struct Standing<Row: TimedRow> {
  var ours: Row
  var peer: Row
  var speed: Spread

  /// The row of ours whose least lead is largest; nil when either side is empty.
  init?(_ ours: [Row], against peers: [Row]) {
    let leads = ours.compactMap { row in
      peers.map { (row: row, peer: $0, speed: row.speed(against: $0)) }.min { $0.speed.median < $1.speed.median }
    }
    guard let best = leads.max(by: { $0.speed.median < $1.speed.median }) else { return nil }
    (self.ours, peer, speed) = best
  }
}

extension BenchmarkBar {
  /// Whether these runtimes let one speak of the best peer: those at int8 are known to be the fastest, so that a lead
  /// over the others alone means nothing.
  private static func hasBestPeer<Row: TimedRow>(_ rows: [Row]) -> Bool {
    ["onnxruntime", "openvino"].allSatisfy { engine in
      rows.contains { $0.runtime == BenchmarkResults.Runtime(engine: engine, precision: "int8") }
    }
  }

  private static func singlePrecision(_ results: BenchmarkResults) -> [BenchmarkBar] {
    let promise =
      "f32, batch 1: at least 1.0x the better of ONNX Runtime f32 and OpenVINO f32 at every length, geometric mean 1.2x"
    let peers = ["onnxruntime", "openvino"].map { BenchmarkResults.Runtime(engine: $0, precision: "f32") }
    let rows = results.latency.filter { $0.runtime.precision == "f32" }
    return lengthBars(promise, rows, lengths: lengths, mean: 1.2) { rows in
      peers.allSatisfy { peer in rows.contains { $0.runtime == peer } }
        ? rows.filter { peers.contains($0.runtime) } : []
    }
  }

  private static func bestPrecision(_ results: BenchmarkResults) -> [BenchmarkBar] {
    let promise =
      "best precision, batch 1: at least 1.0x the best peer at every length up to 128 tokens, geometric mean 1.1x"
    let rows = results.latency.filter { $0.tokens <= 128 }
    return lengthBars(promise, rows, lengths: lengths.filter { $0 <= 128 }, mean: 1.1) { rows in
      hasBestPeer(rows) ? rows.filter { !$0.runtime.isOurs } : []
    }
  }

  /// The lengths that the promises speak of.
  private static let lengths = [8, 16, 32, 64, 128, 256, 512]

  /// One bar for each setting over all lengths in `rows`, which is met only if these hold all of `lengths`; `peers`
  /// picks those that count at one length, none when one that must be there is missing.
  private static func lengthBars(
    _ promise: String, _ rows: [BenchmarkResults.Latency], lengths: [Int], mean: Double,
    peers: ([BenchmarkResults.Latency]) -> [BenchmarkResults.Latency]
  ) -> [BenchmarkBar] {
    distinct(rows.map(\.setting)).map { setting in
      let rows = rows.filter { $0.setting == setting }
      let measured = distinct(rows.map(\.tokens)).sorted()
      let standings = measured.map { tokens in
        let rows = rows.filter { $0.tokens == tokens }
        return Standing(rows.filter(\.runtime.isOurs), against: peers(rows))
      }
      let known = standings.compactMap { $0 }
      guard known.count == standings.count, let worst = known.min(by: { $0.speed.median < $1.speed.median }) else {
        return BenchmarkBar(promise: promise, subject: setting.name, finding: "a runtime is missing", isMet: nil)
      }
      let average = geometricMean(known.map(\.speed.median))
      return BenchmarkBar(
        promise: promise, subject: setting.name,
        finding:
          "mean \(decimal(average, 2))x over lengths \(measured.map(String.init).joined(separator: ", ")); lowest "
          + "\(decimal(worst.speed.median, 2))x at \(worst.ours.tokens) tokens (\(worst.ours.runtime.precision) "
          + "against \(worst.peer.runtime.name))",
        isMet: worst.speed.median < 1 ? false : Set(measured).isSuperset(of: lengths) ? average >= mean : nil)
    }
  }

  private static func ragged(_ results: BenchmarkResults) -> [BenchmarkBar] {
    distinct(results.throughput.map(\.setting)).map { setting in
      let rows = results.throughput.filter { $0.setting == setting }.complete
      var bar = BenchmarkBar(
        promise: "ragged throughput, best precision: at least 1.5x the best peer at its best batching",
        subject: setting.name, finding: "a runtime is missing", isMet: nil)
      let peers = hasBestPeer(rows) ? rows.filter { !$0.runtime.isOurs } : []
      if let standing = Standing(rows.filter(\.runtime.isOurs), against: peers) {
        bar.finding =
          "\(decimal(standing.speed.median, 2))x (\(standing.ours.runtime.precision), \(standing.ours.batching), "
          + "against \(standing.peer.runtime.name), \(standing.peer.batching))"
        bar.isMet = standing.speed.median >= 1.5
      }
      return bar
    }
  }

  private static func pyramid(_ results: BenchmarkResults) -> [BenchmarkBar] {
    results.pyramid.flatMap { row in
      [(1, row.latency.value), (row.batch, row.throughput.value)].map { batch, speed in
        BenchmarkBar(
          promise: "Magic Pyramid: wall-clock speed-up at least 0.9 of that in executed operations, batch 1 and 32",
          subject: "\(row.setting.name), \(row.precision), batch \(batch)",
          finding: "\(decimal(speed / row.operations, 2)) (\(decimal(speed, 2))x of \(decimal(row.operations, 2))x)",
          isMet: batch == 1 || batch == 32 ? speed / row.operations >= 0.9 : nil)
      }
    }
  }

  /// Each precision of ours against ONNX Runtime at the same, or else at f32.
  private static func start(_ results: BenchmarkResults) -> [BenchmarkBar] {
    results.startUp.filter(\.runtime.isOurs).map { ours in
      let peers = results.startUp.filter { $0.setting == ours.setting && $0.runtime.engine == "onnxruntime" }
      let peer =
        peers.first { $0.runtime.precision == ours.runtime.precision } ?? peers.first { $0.runtime == .baseline }
      let milliseconds = ours.median * 1e3
      var bar = BenchmarkBar(
        promise: "cold start: at most 50 ms, and at least 10x faster than ONNX Runtime",
        subject: "\(ours.setting.name), \(ours.runtime.precision)", finding: "\(decimal(milliseconds, 1)) ms",
        isMet: milliseconds <= 50 ? nil : false)
      if let peer {
        let speed = ours.speed(against: peer).median
        bar.finding += ", \(decimal(speed, 1))x faster than \(peer.runtime.name)"
        bar.isMet = milliseconds <= 50 && speed >= 10
      }
      return bar
    }
  }
}

/// The mean whose logarithm is the mean of the logarithms; of at least one value, all above zero.
func geometricMean(_ values: [Double]) -> Double { exp(values.map { log($0) }.mean) }
