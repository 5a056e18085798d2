// From measurements to the report: everything that follows from times and answers is decided in PyramidEvaluation, which
// knows no models.

import MagicPyramid
import PyramidEvaluation

extension ComparisonReport {
  /// The report of a measurement of contenders of `source`. `command` says how to repeat it; `threads` is what was asked
  /// for, nil for the default.
  public init(_ measurement: Measurement, source: ModelSource, command: String, threads: Int?) {
    let model = measurement.contenders[0].classifier.model
    let precision = model.graph.precision
    let kernels = model.instructionSet.rawValue + (precision == .f32 ? "" : ", \(precision.rawValue)")
    let workload = measurement.workload
    var notes = source.notes
    if workload.truncated > 0 {
      notes.append("\(workload.truncated) texts were cut to \(measurement.contenders[0].classifier.tokenLimit) tokens")
    }
    self.init(
      command: command,
      machine: .current(threads: ThreadCount.choose(requested: threads), instructionSet: kernels),
      model: Model(path: source.path, checkpoint: model.header.checkpoint, layers: model.graph.shape.layers),
      data: workload.file, samples: workload.encodings.count, repetitions: measurement.repetitions,
      batch: workload.batch,
      tokenizationMicroseconds: workload.tokenizationMicroseconds, notes: notes, dense: measurement.entry(0),
      policies: measurement.contenders.indices.dropFirst().map { measurement.entry($0) })
  }
}

extension Measurement {
  /// One contender's part of the report; the first contender is dense.
  fileprivate func entry(_ index: Int) -> ComparisonReport.Entry {
    let contender = contenders[index]
    let policies = contender.classifier.policies
    let layers = contender.classifier.model.graph.shape.layers
    return ComparisonReport.Entry(
      name: contender.name, exit: policies.exit?.spec.description, prune: policies.prune?.spec.description,
      answers: AnswerSummary(outcomes[index], expected: workload.labels, layers: layers), timing: timing(index),
      comparison: index == 0 ? nil : comparison(index))
  }

  private func timing(_ index: Int) -> ComparisonReport.Timing {
    let milliseconds = Percentiles(latencies[index].map { $0 * 1e3 })
    let seconds = Percentiles(batchTimes[index].map { $0.reduce(0, +) }).median
    return ComparisonReport.Timing(
      latency: (milliseconds(0.5), milliseconds(0.95), milliseconds(0.99)),
      throughput: Double(workload.encodings.count) / seconds)
  }

  private func comparison(_ index: Int) -> ComparisonReport.Comparison {
    ComparisonReport.Comparison(
      outcomes: outcomes[index], dense: outcomes[0], expected: workload.labels,
      latency: PairedRatio(baseline: singleTimes[0], contender: singleTimes[index]),
      throughput: PairedRatio(baseline: batchTimes[0], contender: batchTimes[index]))
  }
}
