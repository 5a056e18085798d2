// The stages in a table: what each took, and what every head does on dev after it.

import PyramidEvaluation
import PyramidFormats

/// The stages that a log tells of.
public struct StageSummary: Sendable {
  private let rows: [[String]]
  private let header: [String]

  /// Reads the events of a log.
  public init(_ events: [JSONValue]) {
    let stages = events.filter { $0["event"] == "stage" }
    var heads: [String] = []
    for head in stages.flatMap(Self.heads) where !heads.contains(head.name) { heads.append(head.name) }
    heads.sort { (Int($0) ?? 0) < (Int($1) ?? 0) }
    header = ["stage", "epochs", "loss"] + heads.map { $0 == "entry" ? $0 : "layer \($0)" } + ["tokens/s", "time"]
    rows = stages.map { stage in
      let found = Self.heads(stage)
      let name = Self.string(stage["stage"])
      func number(_ key: String) -> Double { Self.double(stage[key]) }
      return [StageName(rawValue: name)?.title ?? name, decimal(number("epochs"), 0)]
        + [found.last.map { decimal($0.loss, 4) } ?? "-"]
        + heads.map { head in found.first { $0.name == head }.map { decimal(100 * $0.accuracy, 2) + "%" } ?? "" }
        + [decimal(number("tokens_per_s"), 0), Self.time(number("seconds"))]
    }
  }

  /// A Markdown table; its columns are padded, so that it is a table for a terminal as well.
  public var markdown: String { markdownTable([header] + rows) }

  /// `12.3 s` or `4.5 min`.
  private static func time(_ seconds: Double) -> String {
    seconds < 90 ? "\(decimal(seconds, 1)) s" : "\(decimal(seconds / 60, 1)) min"
  }

  static func heads(_ event: JSONValue) -> [(name: String, accuracy: Double, loss: Double)] {
    guard case .array(let heads) = event["heads"] else { return [] }
    return heads.map { (string($0["head"]), double($0["accuracy"]), double($0["loss"])) }
  }

  static func string(_ value: JSONValue?) -> String { if case .string(let text) = value { text } else { "" } }
  static func double(_ value: JSONValue?) -> Double {
    if case .number(let number) = value { number.double ?? .nan } else { .nan }
  }
}
