// The report for a spreadsheet: a row for each contender, its main numbers in columns of their own. The JSON has all.

import PyramidFormats

extension ComparisonReport {
  /// The report as CSV (RFC 4180) with a header.
  public var csv: String {
    let quality = dense.answers.quality
    let measures = [headline.key, "\(headline.key)_low", "\(headline.key)_high"] + quality.further.map(\.measure.key)
    let header =
      ["name", "role", "precision", "exit", "prune"] + measures + [
        likeness.key, "against", "difference", "difference_low", "difference_high", "verdict", "gflop", "gflop_paper",
        "speedup_gflop", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "speedup_latency", "speedup_latency_low",
        "speedup_latency_high", "throughput_per_s", "speedup_throughput", "speedup_throughput_low",
        "speedup_throughput_high", "time_per_operation_saved", "mean_exit_layer",
      ] + (headline.isShare ? ["mcnemar_p", "mcnemar_p_holm"] : []) + ["dominated_by", "on_front"]
    return ([header] + entries.map(\.fields)).map { row in
      row.map(Self.quoted).joined(separator: ",") + "\r\n"
    }.joined()
  }

  private static func quoted(_ field: String) -> String {
    guard field.utf8.contains(where: { "\",\r\n".utf8.contains($0) }) else { return field }
    return "\"" + field.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}

extension ComparisonReport.Entry {
  /// The cells of the row; empty where there is nothing.
  fileprivate var fields: [String] {
    func text(_ number: Double?) -> String { number.map { "\($0)" } ?? "" }
    func texts(_ interval: Interval?) -> [String] {
      [text(interval?.value), text(interval?.low), text(interval?.high)]
    }
    var cells = [name, role.rawValue, precision, exit ?? "", prune ?? ""]
    cells += texts(answers.quality.headline.interval) + answers.quality.further.map { text($0.value) }
    cells += [text(comparison?.likeness.value), difference?.against ?? ""]
    cells += texts(difference?.interval) + [difference?.verdict.rawValue ?? ""]
    cells += [text(answers.gflop), text(answers.gflopPaper), text(comparison?.operations.value)]
    cells += [text(timing?.latency.p50), text(timing?.latency.p95), text(timing?.latency.p99)]
    cells += texts(comparison?.latency) + [text(timing?.throughput)] + texts(comparison?.throughput)
    cells += [text(comparison?.timePerOperationSaved), text(answers.meanExitLayer)]
    if answers.quality.headline.measure.isShare { cells += [text(comparison?.mcnemar), text(comparison?.mcnemarHolm)] }
    return cells + [dominatedBy ?? "", "\(isOnFront)"]
  }
}
