// The report as JSON: DESIGN section 9's names, which other programs read. A number with an interval keeps its plain
// number under its name; the interval is `[low, high]` under the same name with `_interval`.

import PyramidFormats

extension ComparisonReport {
  /// The report as a JSON value.
  public var json: JSONValue {
    func entries(_ role: Role) -> JSONValue { .array(policies.filter { $0.role == role }.map(\.json)) }
    return [
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
      "margin": JSONValue(margin),
      "notes": .array(notes.map { JSONValue($0) }),
      "dense": dense.json,
      "policies": .array(policies.filter { $0.role != .null }.map(\.json)),
      "null_models": entries(.null),
      "null_candidates": .array(
        candidates.map {
          [
            "name": JSONValue($0.name), "exit": $0.exit.map { JSONValue($0) } ?? .null,
            headline.key: JSONValue($0.answers.quality.value), "gflop": JSONValue($0.answers.gflop),
          ]
        }),
    ]
  }

  /// The report as indented JSON text with a newline at its end.
  public var jsonText: String { JSONWriter.string(json, style: .pretty) + "\n" }
}

extension ComparisonReport.Entry {
  /// An entry's members; those that compare with dense are missing from dense itself, times where nothing was timed.
  var json: JSONValue {
    var object = JSONObject()
    func set(_ name: String, _ interval: Interval?) {
      guard let interval else { return }
      object[name] = JSONValue(interval.value)
      object["\(name)_interval"] = [JSONValue(interval.low), JSONValue(interval.high)]
    }
    object["name"] = JSONValue(name)
    object["precision"] = JSONValue(precision)
    object["exit"] = exit.map { JSONValue($0) } ?? .null
    object["prune"] = prune.map { JSONValue($0) } ?? .null
    for estimate in [answers.quality.headline] + answers.quality.further {
      object[estimate.measure.key] = JSONValue(estimate.value)
      set(estimate.measure.key, estimate.interval)
    }
    object["difference"] = difference?.json
    if let likeness = comparison?.likeness { object[likeness.measure.key] = JSONValue(likeness.value) }
    object["gflop"] = JSONValue(answers.gflop)
    object["gflop_paper"] = JSONValue(answers.gflopPaper)
    set("speedup_gflop", comparison?.operations)
    set("speedup_gflop_paper", comparison?.paperOperations)
    if let timing {
      object["latency_ms"] = [
        "p50": JSONValue(timing.latency.p50), "p95": JSONValue(timing.latency.p95),
        "p99": JSONValue(timing.latency.p99),
      ]
      object["throughput_per_s"] = JSONValue(timing.throughput)
    }
    set("speedup_latency", comparison?.latency)
    set("speedup_throughput", comparison?.throughput)
    object["time_per_operation_saved"] = comparison?.timePerOperationSaved.map { JSONValue($0) }
    object["mean_exit_layer"] = JSONValue(answers.meanExitLayer)
    object["exit_histogram"] = .array(answers.exitHistogram.map { JSONValue($0) })
    object["tokens_alive"] = .array(answers.tokensAlive.map { JSONValue($0) })
    object["lengths"] = .array(lengths.map { $0.json(answers.quality.headline.measure) })
    object["mcnemar_p"] = comparison?.mcnemar.map { JSONValue($0) }
    object["mcnemar_p_holm"] = comparison?.mcnemarHolm.map { JSONValue($0) }
    object["mcnemar_p_first_holm"] = comparison?.mcnemarFirst.map { JSONValue($0) }
    object["dominated_by"] = dominatedBy.map { JSONValue($0) } ?? .null
    object["on_front"] = .bool(isOnFront)
    return .object(object)
  }
}

extension ComparisonReport.Difference {
  fileprivate var json: JSONValue {
    let interval = interval
    return [
      "against": JSONValue(against), "estimate": JSONValue(interval.value), "low": JSONValue(interval.low),
      "high": JSONValue(interval.high), "verdict": JSONValue(verdict.rawValue),
      "texts_needed": textsNeeded.map { JSONValue($0) } ?? .null,
    ]
  }
}

extension LengthBin {
  fileprivate func json(_ measure: Measure) -> JSONValue {
    var object = JSONObject()
    object["tokens"] = [
      JSONValue(lengths.lowerBound), lengths.upperBound == .max ? .null : JSONValue(lengths.upperBound),
    ]
    object["samples"] = JSONValue(count)
    if measure.isShare { object[measure.key] = accuracy.map { JSONValue($0.value) } ?? .null }
    object["speedup_gflop"] = operations.map { JSONValue($0) } ?? .null
    return .object(object)
  }
}
