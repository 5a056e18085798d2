// From measurements to the report: everything that follows from times and answers is decided in PyramidEvaluation,
// which knows no models.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats

extension ComparisonReport {
  /// The report of a measurement of contenders of `source`. `command` says how to repeat it; `threads` is what was
  /// asked for, nil for the default; verdicts are about a loss of `margin` against the contender called `baseline`.
  /// Throws `ComparisonError` when there is none of that name.
  public init(
    _ measurement: Measurement, source: ModelSource, command: String, threads: Int?, margin: Double = 0.005,
    baseline: String = "dense"
  ) throws {
    let (workload, dense) = (measurement.workload, measurement.contenders[0].classifier)
    let model = dense.model
    let precisions = measurement.contenders.reduce(into: [Precision]()) { found, contender in
      if !found.contains(contender.source.precision) { found.append(contender.source.precision) }
    }
    let kernels = model.instructionSet.rawValue + (precisions == [.f32] ? "" : ", \(Self.list(precisions))")
    var notes = source.notes
    if let note = workload.note(limit: dense.tokenLimit) { notes.append(note) }
    if let note = measurement.disturbances.note { notes.append(note) }
    if workload.key.kind == .several {
      notes.append("A label is answered where its probability is at least \(source.labelThreshold)")
    }
    if let groups = workload.key.groups {
      notes.append(
        "\(groups.groups.count) groups are ranked; a request, in the latencies, is a group"
          + (groups.leftOut > 0 ? "; \(groups.leftOut) without a relevant text are left out" : ""))
    }
    let names = measurement.contenders.map(\.name)
    guard let reference = names.firstIndex(of: baseline) else {
      throw ComparisonError("there is no contender '\(baseline)'; there are \(names.joined(separator: ", "))")
    }
    let rows = measurement.contenders.indices.map { number in
      let (contender, measured) = (measurement.contenders[number], measurement.measured[number])
      let policies = contender.classifier.policies
      return ComparisonTable.Row(
        name: contender.name, role: contender.role, precision: contender.source.precision.rawValue,
        exit: policies.exit?.spec.description, prune: policies.prune?.spec.description, measured,
        isListed: measurement.isListed(number))
    }
    let layers = measurement.contenders.map { $0.classifier.model.graph.shape.layers }.max() ?? 0
    let entries = ComparisonTable(
      rows, workload.key, layers: layers, margin: margin, baseline: reference
    ).entries
    self.init(
      command: command,
      machine: .current(
        cores: ThreadCount.allowedCPUs(), threads: ThreadCount.choose(requested: threads), instructionSet: kernels),
      model: source.path,
      checkpoint: model.header.checkpoint, layers: layers, data: workload.file, samples: workload.texts.count,
      repetitions: measurement.repetitions, batch: workload.batch,
      tokenizationMicroseconds: workload.tokenizationMicroseconds, notes: notes, margin: margin, dense: entries[0],
      policies: entries.indices.dropFirst().filter(measurement.isListed).map { entries[$0] })
    candidates = entries.indices.filter { !measurement.isListed($0) }.map { entries[$0] }
  }

  private static func list(_ precisions: [Precision]) -> String { precisions.map(\.rawValue).joined(separator: ", ") }
}

extension Workload {
  /// What became of the texts over the limit of `limit` tokens; nil when there are none.
  fileprivate func note(limit: Int) -> String? {
    guard long > 0 else { return nil }
    if case .windows(let windows) = plan {
      return "\(long) texts were read in windows of \(windows.length) tokens, \(windows.overlap) of them shared, and "
        + "answered by the \(windows.aggregation == .mean ? "mean" : "largest") of their logits"
    }
    return "\(long) texts were cut to \(limit) tokens"
  }
}

extension Measurement {
  /// Whether a contender has a row in the tables: all but those settings of a null model that were not chosen.
  func isListed(_ contender: Int) -> Bool { !contenders[contender].isCandidate || contender == chosen }

  /// Hands every answer of every row to `write`, as a line of JSON.
  public func writeAnswers(_ write: (String) throws -> Void) rethrows {
    let labels = contenders[0].classifier.labels
    for number in contenders.indices.filter(isListed) {
      let contender = contenders[number]
      for (index, outcome) in measured[number].outcomes.enumerated() {
        let expected = workload.key.targets[index]
        let place = workload.places[index]
        try write(outcome.line(index: place, policy: contender.name, expected: expected, labels: labels))
      }
    }
  }

  /// The ways of some texts through the layers under the first policy that can tell of one text: of a few lengths, spread
  /// over the data; of texts in windows that of the first.
  public func pictures(_ count: Int = 3) throws -> [PyramidPicture] {
    let policy = contenders.first {
      $0.role == .policy && $0.classifier.policies.exit?.exitSignals.contains(.groupLogits) != true
    }
    guard let policy else { return [] }
    let classifier = try policy.recordingPositions()
    let byLength = workload.texts.indices.sorted {
      measured[0].outcomes[$0].tokensAlive[0] < measured[0].outcomes[$1].tokensAlive[0]
    }
    let shares = count == 1 ? [0.5] : (0..<count).map { 0.2 + 0.6 * Double($0) / Double(count - 1) }
    return try shares.map { share in
      let row = workload.texts[byLength[Int(share * Double(byLength.count - 1))]]
      let encoding = try workload.plan.encodings(of: TextRecord(row), for: classifier)[0]
      let result = try classifier.classify(encodings: [encoding])[0]
      let exitLayer = result.answer.exitLayer
      let place = exitLayer == 0 ? "at the entry" : "after layer \(exitLayer)"
      return PyramidPicture(
        tokens: classifier.tokens(of: encoding.ids), alive: result.answer.alivePositions ?? [],
        scores: result.answer.scores ?? [], exitLayer: exitLayer, layers: result.layers,
        caption: "\(policy.name): \(Self.words(result)), left \(place)")
    }
  }

  /// An answer in a caption.
  private static func words(_ result: Classification) -> String {
    let score = decimal(Double(result.score), 3)
    return switch result.target {
    case .one: "\(result.label), \(score)"
    case .several: result.labels.flatMap { $0.isEmpty ? nil : $0.joined(separator: "; ") } ?? "no label"
    case .value: score
    }
  }
}
