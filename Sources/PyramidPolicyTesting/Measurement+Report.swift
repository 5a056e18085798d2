// From measurements to the report: everything that follows from times and answers is decided in PyramidEvaluation,
// which knows no models.

import MagicPyramid
import PyramidEvaluation

extension ComparisonReport {
  /// The report of a measurement of contenders of `source`. `command` says how to repeat it; `threads` is what was
  /// asked for, nil for the default.
  public init(_ measurement: Measurement, source: ModelSource, command: String, threads: Int?) {
    let (workload, dense) = (measurement.workload, measurement.contenders[0].classifier)
    let (model, precision) = (dense.model, dense.model.graph.precision)
    let kernels = model.instructionSet.rawValue + (precision == .f32 ? "" : ", \(precision.rawValue)")
    let layers = model.graph.shape.layers
    var notes = source.notes
    if workload.truncated > 0 { notes.append("\(workload.truncated) texts were cut to \(dense.tokenLimit) tokens") }
    let entries = measurement.contenders.indices.map { index in
      let (contender, measured) = (measurement.contenders[index], measurement.measured)
      let policies = contender.classifier.policies
      return Entry(
        name: contender.name, exit: policies.exit?.spec.description, prune: policies.prune?.spec.description,
        measured[index], against: index == 0 ? nil : measured[0], expected: workload.labels, layers: layers)
    }
    self.init(
      command: command,
      machine: .current(
        cores: ThreadCount.allowedCPUs(), threads: ThreadCount.choose(requested: threads), instructionSet: kernels),
      model: source.path,
      checkpoint: model.header.checkpoint, layers: layers, data: workload.file, samples: workload.texts.count,
      repetitions: measurement.repetitions, batch: workload.batch,
      tokenizationMicroseconds: workload.tokenizationMicroseconds, notes: notes, dense: entries[0],
      policies: Array(entries.dropFirst()))
  }
}
