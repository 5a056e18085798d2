// The report as JSON: DESIGN section 9's names, which other programs read. A number with an interval keeps its plain
// number under its name; the interval is `[low, high]` under the same name with `_interval`.

import PyramidFormats

extension ComparisonReport {
  /// The report as a JSON value.
  public var json: JSONValue {
    [
      "command": JSONValue(command),
      "machine": [
        "cpu": JSONValue(machine.cpu), "cores": JSONValue(machine.cores), "threads": JSONValue(machine.threads),
        "instruction_set": JSONValue(machine.instructionSet),
      ],
      "model": ["path": JSONValue(model), "checkpoint": JSONValue(checkpoint), "layers": JSONValue(layers)],
      "data": JSONValue(data),
      "samples": JSONValue(samples),
      "repetitions": JSONValue(repetitions),
      "batch": JSONValue(batch),
      "tokenization_us": JSONValue(tokenizationMicroseconds),
      "notes": .array(notes.map { JSONValue($0) }),
      "dense": dense.json,
      "policies": .array(policies.map(\.json)),
    ]
  }

  /// The report as indented JSON text with a newline at its end.
  public var jsonText: String { JSONWriter.string(json, style: .pretty) + "\n" }
}

extension ComparisonReport.Entry {
  /// An entry's members; those that compare with dense are missing from dense itself.
  var json: JSONValue {
    var object = JSONObject()
    func set(_ name: String, _ interval: Interval?) {
      guard let interval else { return }
      object[name] = JSONValue(interval.value)
      object["\(name)_interval"] = [JSONValue(interval.low), JSONValue(interval.high)]
    }
    object["name"] = JSONValue(name)
    object["exit"] = exit.map { JSONValue($0) } ?? .null
    object["prune"] = prune.map { JSONValue($0) } ?? .null
    set("accuracy", answers.accuracy)
    object["agreement"] = comparison.map { JSONValue($0.agreement) }
    object["gflop"] = JSONValue(answers.gflop)
    object["gflop_paper"] = JSONValue(answers.gflopPaper)
    set("speedup_gflop", comparison?.operations)
    set("speedup_gflop_paper", comparison?.paperOperations)
    object["latency_ms"] = [
      "p50": JSONValue(timing.latency.p50), "p95": JSONValue(timing.latency.p95), "p99": JSONValue(timing.latency.p99),
    ]
    object["throughput_per_s"] = JSONValue(timing.throughput)
    set("speedup_latency", comparison?.latency)
    set("speedup_throughput", comparison?.throughput)
    object["mean_exit_layer"] = JSONValue(answers.meanExitLayer)
    object["exit_histogram"] = .array(answers.exitHistogram.map { JSONValue($0) })
    object["tokens_alive"] = .array(answers.tokensAlive.map { JSONValue($0) })
    object["mcnemar_p"] = comparison.map { JSONValue($0.mcnemar) }
    return .object(object)
  }
}
