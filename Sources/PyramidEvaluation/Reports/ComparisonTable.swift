// From measured contenders to the entries of a report. What an entry says of itself needs its own measurements only, how
// it stands among the others needs all of them: both are worked out here, in one place and for every kind of report.

/// Contenders of one workload, dense first, as the report's entries are made of them.
public struct ComparisonTable {
  /// One contender with what was measured of it.
  public struct Row {
    /// What the report calls it, and what it is there for.
    public var name: String, role: ComparisonReport.Role
    /// Number format of its model.
    public var precision: String
    /// Its policies as they ran; nil for none.
    public var exit, prune: String?
    /// Answers and times.
    public var measured: MeasuredContender
    /// Whether it stands in the table: a setting of a null model that was not chosen is in no family of tests.
    public var isListed: Bool

    /// A row from its parts.
    public init(
      name: String, role: ComparisonReport.Role, precision: String = "f32", exit: String?, prune: String?,
      _ measured: MeasuredContender, isListed: Bool = true
    ) {
      (self.name, self.role, self.precision) = (name, role, precision)
      (self.exit, self.prune, self.measured, self.isListed) = (exit, prune, measured, isListed)
    }
  }

  private let rows: [Row]
  private let key: AnswerKey
  private let layers: Int
  private let margin: Double
  private let baseline: Int

  /// A table of rows, dense first, which `key` judges; `baseline` is the number of the row that differences are taken
  /// against.
  public init(_ rows: [Row], _ key: AnswerKey, layers: Int, margin: Double, baseline: Int = 0) {
    (self.rows, self.key, self.layers) = (rows, key, layers)
    (self.margin, self.baseline) = (margin, baseline)
  }

  /// An entry for each row.
  public var entries: [ComparisonReport.Entry] {
    var entries = rows.indices.map(entry)
    let others = entries.indices.dropFirst().filter {
      rows[$0].isListed && entries[$0].comparison?.mcnemar != nil
    }
    let holm = holm(others.compactMap { entries[$0].comparison?.mcnemar })
    for (index, p) in zip(others, holm) { entries[index].comparison!.mcnemarHolm = p }
    if let first = rows.firstIndex(where: { $0.role == .policy }) {
      let rest = others.filter { $0 != first }
      let adjusted = PyramidEvaluation.holm(rest.compactMap { difference($0, against: first).counts?.mcnemar })
      for (index, p) in zip(rest, adjusted) { entries[index].comparison!.mcnemarFirst = p }
    }
    for index in entries.indices {
      let dominating = entries.indices.filter { dominates(entries[$0], entries[index]) }
      entries[index].isOnFront = dominating.isEmpty
      if rows[index].role == .policy {
        // Of several the cheapest: it says most about what was gained.
        entries[index].dominatedBy =
          dominating.filter { rows[$0].role == .null }.min { entries[$0].answers.gflop < entries[$1].answers.gflop }
          .map { rows[$0].name }
      }
    }
    return entries
  }

  private func dominates(_ one: ComparisonReport.Entry, _ other: ComparisonReport.Entry) -> Bool {
    let (a, b) = (one.answers, other.answers)
    guard a.quality.value >= b.quality.value, a.gflop <= b.gflop else { return false }
    return a.quality.value > b.quality.value || a.gflop < b.gflop
  }

  private func difference(_ row: Int, against other: Int) -> QualityDifference {
    key.difference(rows[row].measured.outcomes, from: rows[other].measured.outcomes)
  }

  private func entry(_ index: Int) -> ComparisonReport.Entry {
    let (row, measured, dense) = (rows[index], rows[index].measured, rows[0].measured)
    let answers = AnswerSummary(measured.outcomes, key, layers: layers)
    var entry = ComparisonReport.Entry(
      name: row.name, role: row.role, precision: row.precision, exit: row.exit, prune: row.prune, answers: answers)
    entry.lengths = LengthBin.usual.map {
      LengthBin($0, measured.outcomes, dense: dense.outcomes, key)
    }
    if measured.isTimed { entry.timing = .init(measured, texts: key.targets.count) }
    if index > 0 { entry.comparison = .init(measured, against: dense, key) }
    if index != baseline {
      entry.difference = .init(
        against: rows[baseline].name, quality: difference(index, against: baseline), margin: margin)
    }
    return entry
  }
}

extension ComparisonReport.Timing {
  fileprivate init(_ measured: MeasuredContender, texts: Int) {
    let milliseconds = Percentiles(measured.latencies.map { $0 * 1e3 })
    let seconds = Percentiles(measured.batches.map { $0.reduce(0, +) }).median
    self.init(
      latency: (milliseconds(0.5), milliseconds(0.95), milliseconds(0.99)), throughput: Double(texts) / seconds)
  }
}

extension ComparisonReport.Comparison {
  fileprivate init(_ measured: MeasuredContender, against dense: MeasuredContender, _ key: AnswerKey) {
    func ratio(_ count: (SampleOutcome) -> Int) -> Interval {
      let counts = [dense, measured].map { [$0.outcomes.map { Double(max(count($0), 1)) }] }
      return PairedRatio(baseline: counts[0], contender: counts[1]).interval()
    }
    /// Over the repetitions that both took part in.
    func speedUp(_ times: (MeasuredContender) -> [[Double]]) -> Interval? {
      guard measured.isTimed, dense.isTimed else { return nil }
      let contender = times(measured)
      return PairedRatio(baseline: Array(times(dense).prefix(contender.count)), contender: contender).interval()
    }
    self.init(
      likeness: key.likeness(measured.outcomes, dense.outcomes),
      mcnemar: key.kind == .value ? nil : key.difference(measured.outcomes, from: dense.outcomes).counts?.mcnemar,
      operations: ratio(\.operations), paperOperations: ratio(\.paperOperations), latency: speedUp(\.singles),
      throughput: speedUp(\.batches))
  }
}
