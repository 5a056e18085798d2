// Numbers that a server counts, and their text for Prometheus (exposition format 0.0.4). A small exporter of our own: what
// it is asked from elsewhere comes through swift-metrics, whose handlers are these series.

import PyramidFormats
import Synchronization

/// One number, or one histogram, of a family.
public final class MetricSeries: Sendable {
  fileprivate struct State {
    var value = 0.0
    /// Observations by bucket, the last for all above the bounds.
    var buckets: [Int]
  }

  fileprivate let bounds: [Double]
  fileprivate let state: Mutex<State>

  fileprivate init(bounds: [Double]) {
    self.bounds = bounds
    state = Mutex(State(buckets: bounds.isEmpty ? [] : Array(repeating: 0, count: bounds.count + 1)))
  }

  /// Adds to a counter or a gauge.
  public func add(_ amount: Double = 1) { state.withLock { $0.value += amount } }

  /// Sets a gauge.
  public func set(_ value: Double) { state.withLock { $0.value = value } }

  /// Counts an observation of a histogram, `times` over; what has no bounds is set.
  public func observe(_ value: Double, times: Int = 1) {
    guard !bounds.isEmpty else { return set(value) }
    let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
    state.withLock { state in
      state.buckets[bucket] += times
      state.value += value * Double(times)
    }
  }

  /// The counter's or gauge's number; a histogram's sum.
  public var value: Double { state.withLock { $0.value } }
}

/// All numbers of a process, by family and labels.
public final class MetricRegistry: Sendable {
  /// What kind of numbers a family holds.
  public enum Kind: Sendable, Equatable {
    /// Rises.
    case counter
    /// Goes up and down.
    case gauge
    /// Observations by their size, between rising bounds.
    case histogram([Double])

    fileprivate var bounds: [Double] { if case .histogram(let bounds) = self { bounds } else { [] } }

    fileprivate var word: String {
      switch self {
      case .counter: "counter"
      case .gauge: "gauge"
      case .histogram: "histogram"
      }
    }
  }

  private struct Family {
    let help: String
    let kind: Kind
    var series: [String: MetricSeries] = [:]
  }

  private let families = Mutex<[String: Family]>([:])

  /// Without any family.
  public init() {}

  /// Bounds for times in seconds, from 1 ms to 10 s.
  public static let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

  /// The series of a family with these labels, made when there is none. A family keeps the kind that it was made with,
  /// but histograms may differ in their bounds; one that gets others starts anew.
  public func series(
    _ name: String, _ kind: Kind, _ help: String = "", labels: KeyValuePairs<String, String> = [:]
  ) -> MetricSeries {
    series(name, kind, help, labels: labels.map { ($0.key, $0.value) })
  }

  /// The same for labels that are not known before.
  public func series(
    _ name: String, _ kind: Kind, _ help: String = "", labels: [(key: String, value: String)]
  ) -> MetricSeries {
    let name = Self.name(name)
    let text = Self.text(of: labels)
    return families.withLock { families in
      let family = families[name, default: Family(help: help, kind: kind)]
      let bounds = (family.kind.word == kind.word ? kind : family.kind).bounds
      if let known = family.series[text], known.bounds == bounds { return known }
      let made = MetricSeries(bounds: bounds)
      families[name, default: family].series[text] = made
      return made
    }
  }

  /// Takes the gauges with just these labels away: what they tell of does not exist any longer.
  public func removeGauges(labels: [(key: String, value: String)]) {
    families.withLock { families in
      for name in families.keys where families[name]?.kind == .gauge {
        families[name]?.series[Self.text(of: labels)] = nil
      }
    }
  }

  private static func text(of labels: [(key: String, value: String)]) -> String {
    labels.map { "\(name($0.key))=\"\(escaped($0.value))\"" }.joined(separator: ",")
  }

  /// All numbers as Prometheus reads them, families and labels in order of their names.
  public var text: String {
    let families = families.withLock { $0 }
    var lines: [String] = []
    for (name, family) in families.sorted(by: { $0.key < $1.key }) where !family.series.isEmpty {
      if !family.help.isEmpty { lines.append("# HELP \(name) \(family.help)") }
      lines.append("# TYPE \(name) \(family.kind.word)")
      for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
        lines += Self.lines(name, labels, series)
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func lines(_ name: String, _ labels: String, _ series: MetricSeries) -> [String] {
    let state = series.state.withLock { $0 }
    let own = labels.isEmpty ? "" : "{\(labels)}"
    guard !series.bounds.isEmpty else { return ["\(name)\(own) \(number(state.value))"] }
    let prefix = labels.isEmpty ? "" : labels + ","
    var (lines, sum) = ([String](), 0)
    for (count, bound) in zip(state.buckets, series.bounds.map(number) + ["+Inf"]) {
      sum += count
      lines.append("\(name)_bucket{\(prefix)le=\"\(bound)\"} \(sum)")
    }
    return lines + ["\(name)_sum\(own) \(number(state.value))", "\(name)_count\(own) \(sum)"]
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
  }

  /// What Prometheus takes as a name, `_` in place of anything else.
  private static func name(_ text: String) -> String {
    String(
      decoding: text.utf8.enumerated().map { index, byte -> UInt8 in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): byte
        case UInt8(ascii: "0")...UInt8(ascii: "9") where index > 0: byte
        default: UInt8(ascii: "_")
        }
      }, as: UTF8.self)
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
