// Pairs that are ranked together: the pairs of a group are computed in one batch, whatever their places in the source, so
// that a policy can compare them. The whole source is read first, since a group may go on at its end.

import PyramidFormats
import PyramidText

/// Classifies the records of a source group by group, in the order of each group's first record.
public final class GroupStream {
  private let source: any RecordSource
  private var admission: RecordAdmission
  private let topCount: Int?
  private let maximumBytes: Int
  private var failures: [FormatError] = []
  /// Admitted records with their places in the source.
  private var groups: [[(index: Int, record: AdmittedRecord)]] = []
  private var isRead = false
  private var position = 0

  /// Groups of a source, which nothing else may read from; its records tell their groups (`TextLayout.group`). With
  /// `topCount` only so many of each are handed out, the best first; else all, in the order of the source. A source of
  /// more than `maximumBytes` of texts and rows is not read to its end. Throws `RuntimeError` for a model that answers
  /// with more than one logit.
  public init(
    _ source: any RecordSource, classifier: Classifier, topCount: Int? = nil, spelling: LabelSpelling? = nil,
    maximumBytes: Int = LabelledDataSet.maximumBytes
  ) throws {
    try classifier.model.requireOneTask(for: "groups are")
    guard classifier.model.graph.shape.classes == 1 else {
      throw RuntimeError("groups are ranked by one logit, and the model has \(classifier.model.graph.shape.classes)")
    }
    (self.source, self.topCount, self.maximumBytes) = (source, topCount, maximumBytes)
    admission = RecordAdmission(classifier, .whole, spelling: spelling)
  }

  /// What the labels say about how the source names classes.
  public var labels: LabelReading { admission.labels }

  /// The next groups; nil at the end. Errors of records come first. Throws what classifying and the source throw.
  public func next() throws -> [ClassificationStream.Element]? {
    if !isRead {
      isRead = true
      try read()
      if !failures.isEmpty { return failures.map { .failure($0) } }
    }
    guard position < groups.count else { return nil }
    let limits = admission.classifier.batchLimits
    var lot: [(index: Int, record: AdmittedRecord)] = []
    var (numbers, elements): ([Int], [ClassificationStream.Element]) = ([], [])
    var tokens = 0
    while position < groups.count, lot.count < limits.samples * ClassificationStream.waves,
      tokens < limits.tokens * ClassificationStream.waves
    {
      let group = groups[position]
      let size = group.reduce(0) { $0 + $1.record.tokens }
      if group.count > limits.samples || size > limits.tokens {
        let (file, place) = group[0].record.location
        let problem =
          "the group that begins here has \(group.count) pairs of \(size) tokens together, and a batch has room for "
          + "\(limits.samples) and \(limits.tokens)"
        elements.append(.failure(FormatError(file: file, place: place, problem: problem)))
      } else {
        lot += group
        numbers += Array(repeating: position, count: group.count)
        tokens += size
      }
      groups[position] = []
      position += 1
    }
    let answers = try admission.answers(to: lot.map(\.record), groups: numbers)
    var first = 0
    while first < lot.count {
      let end = numbers[first...].firstIndex { $0 != numbers[first] } ?? lot.count
      elements += ranked((first..<end).map { admission.element(lot[$0].record, answers[$0], index: lot[$0].index) })
      first = end
    }
    return elements
  }

  private func read() throws {
    var places: [ExactString: Int] = [:]
    var (index, bytes) = (0, 0)
    while let next = try source.next() {
      defer { index += 1 }
      let location = source.location
      let admitted = next.flatMap { admission.admit($0, at: location) }
      // A token is two numbers of 32 bits.
      bytes += (try? admitted.get()).map { $0.record.keptBytes + 8 * $0.tokens } ?? TextRecord.ownBytes
      guard bytes <= maximumBytes else {
        throw FormatError(
          file: location.file, place: location.place,
          problem: "more than \(maximumBytes >> 20) MiB of text and rows so far, and groups are read as a whole")
      }
      switch admitted {
      case .failure(let error): failures.append(error)
      case .success(let record):
        let key = ExactString(record.record.group ?? record.record.text)
        if let place = places[key] {
          groups[place].append((index, record))
        } else {
          places[key] = groups.count
          groups.append([(index, record)])
        }
      }
    }
  }

  /// A group's elements with their ranks.
  private func ranked(_ group: [ClassificationStream.Element]) -> [ClassificationStream.Element] {
    func logit(_ element: ClassificationStream.Element) -> Float {
      (try? element.get())?.classification.answer.logits[0] ?? -.infinity
    }
    let order = group.indices.sorted { (-logit(group[$0]), $0) < (-logit(group[$1]), $1) }
    var ranked = group
    for (rank, index) in order.enumerated() {
      ranked[index] = group[index].map { answered in
        var answered = answered
        answered.rank = rank + 1
        return answered
      }
    }
    guard let topCount else { return ranked }
    // An error is told whatever its place.
    return order.enumerated().compactMap { rank, index in
      if case .success = ranked[index], rank >= topCount { return nil }
      return ranked[index]
    }
  }
}
