// The loop of everything that classifies more texts than fit in memory: read records until there are some waves of
// them, classify, hand them out, again. Memory is that of these records however long the input.

import PyramidFormats
import PyramidText

/// A record that was classified.
public struct AnsweredRecord: Sendable {
  /// Place of the record in the source, from 0; bad records count.
  public let index: Int
  /// The record.
  public let record: TextRecord
  /// The tokens of each of its samples, of which there is one unless the plan makes more.
  public let encodings: [Encoding]
  /// The answers to these.
  public let parts: [Answer]
  /// The answer.
  public let classification: Classification
  /// Its place in its group by the first logit, from 1, the earlier of equals first; nil without groups.
  public var rank: Int?
}

/// Classifies the records of a source in their order.
public final class ClassificationStream {
  /// A record that was classified.
  public typealias Answered = AnsweredRecord
  /// What became of a record: an answer, or an error that names its line.
  public typealias Element = Result<Answered, FormatError>

  private let source: any RecordSource
  private var admission: RecordAdmission
  private var index = 0
  /// How the source ended, once it has.
  private var end: Result<Void, any Error>?
  /// How many full waves are classified at once: the last samples of each lot run in narrow ones.
  static let waves = 8
  /// Bytes of records and errors that are held at most, but for the last one.
  private static let mostBytes = 16 << 20

  /// A stream over a source, which nothing else may read from. Its labels name classes as `spelling` says, or else as all
  /// of them so far fit. Throws `RuntimeError` where the policy compares the samples of a group.
  public init(
    _ source: any RecordSource, classifier: Classifier, plan: RecordPlan = .whole, spelling: LabelSpelling? = nil
  ) throws {
    try classifier.refuseGroupPolicy()
    self.source = source
    admission = RecordAdmission(classifier, plan, spelling: spelling)
  }

  /// What the labels of the records so far say about how the source names classes.
  public var labels: LabelReading { admission.labels }

  /// The next lot, in the order of the source; nil at the end. A lot ends at some waves of records, and where the
  /// source has to wait for more. Throws what classifying throws, and once everything before is handed out what the
  /// source did.
  public func next() throws -> [Element]? {
    var lot: [Result<AdmittedRecord, FormatError>] = []
    var (samples, tokens, bytes) = (0, 0, 0)
    let limits = admission.classifier.batchLimits
    while end == nil, samples < limits.samples * Self.waves, tokens < limits.tokens * Self.waves,
      bytes < Self.mostBytes, lot.isEmpty || !source.mustWait
    {
      do {
        guard let next = try source.next() else {
          end = .success(())
          break
        }
        let admitted = next.flatMap { admission.admit($0, at: source.location) }
        lot.append(admitted)
        bytes += (try? admitted.get())?.record.keptBytes ?? TextRecord.ownBytes
        guard case .success(let record) = admitted else { continue }
        samples += record.encodings.count
        tokens += record.tokens
      } catch {
        end = .failure(error)
      }
    }
    if lot.isEmpty {
      try end?.get()
      return nil
    }
    defer { index += lot.count }
    var answers = try admission.answers(to: lot.compactMap { try? $0.get() }).makeIterator()
    return lot.enumerated().map { offset, record in
      record.flatMap { admission.element($0, answers.next()!, index: index + offset) }
    }
  }
}

/// A record with its tokens.
struct AdmittedRecord {
  let record: TextRecord
  let encodings: [Encoding]
  let location: (file: String, place: String)

  var tokens: Int { encodings.reduce(0) { $0 + $1.ids.count } }
}

/// Which records the model can take, and what its answers make of them.
struct RecordAdmission {
  let classifier: Classifier
  private let plan: RecordPlan
  /// What the labels so far say.
  private(set) var labels: LabelReading

  init(_ classifier: Classifier, _ plan: RecordPlan, spelling: LabelSpelling?) {
    (self.classifier, self.plan) = (classifier, plan)
    let names = ClassNumbering(plan.labels(of: classifier))
    labels = LabelReading(plan.labelKind(of: classifier), names, spelling: spelling)
  }

  /// The record with its tokens, unless the model can't take it.
  mutating func admit(_ record: TextRecord, at location: (file: String, place: String)) -> Result<
    AdmittedRecord, FormatError
  > {
    func failure(_ part: String, _ problem: String) -> Result<AdmittedRecord, FormatError> {
      .failure(FormatError(file: location.file, place: location.place + part, problem: problem))
    }
    if record.label != nil, !classifier.tasks.isEmpty {
      return failure(": label", "is of one task, and the model answers several: leave labels out")
    }
    if let problem = labels.take(record) { return failure(": label", problem) }
    do {
      let encodings = try plan.encodings(of: record, for: classifier)
      return .success(AdmittedRecord(record: record, encodings: encodings, location: location))
    } catch {
      return failure("", error.description)
    }
  }

  /// The answers to the samples of each record. With `groups`, which has a number for each, samples of records of one
  /// number that follow each other are one group.
  func answers(to records: [AdmittedRecord], groups: [Int]? = nil) throws -> [[Answer]] {
    try classifier.answers(to: records.map(\.encodings), groups: groups)
  }

  /// What becomes of a record with the answers to its samples.
  func element(_ record: AdmittedRecord, _ parts: [Answer], index: Int) -> Result<AnsweredRecord, FormatError> {
    let classification = plan.classification(parts, of: record.encodings, by: classifier)
    guard !classification.isBroken else {
      let (file, place) = record.location
      return .failure(FormatError(file: file, place: place, problem: Classifier.brokenAnswer))
    }
    return .success(
      AnsweredRecord(
        index: index, record: record.record, encodings: record.encodings, parts: parts, classification: classification))
  }
}
