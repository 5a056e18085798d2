// The loop of everything that classifies more texts than fit in memory: read records until there are some waves of
// them, classify, hand them out, again. Memory is that of these records however long the input.

import PyramidFormats
import PyramidText

/// Classifies the records of a source in their order.
public final class ClassificationStream {
  /// A record that was classified.
  public struct Answered: Sendable {
    /// Place of the record in the source, from 0; bad records count.
    public let index: Int
    /// The record.
    public let record: TextRecord
    /// Its tokens.
    public let encoding: Encoding
    /// Its answer.
    public let classification: Classification
  }

  /// What became of a record: an answer, or an error that names its line.
  public typealias Element = Result<Answered, FormatError>

  private let classifier: Classifier
  private let source: any RecordSource
  private var index = 0
  /// What the labels of the records so far say about how the source names classes.
  public private(set) var labels: LabelReading
  /// How the source ended, once it has.
  private var end: Result<Void, any Error>?
  /// How many full waves are classified at once: the last samples of each lot run in narrow ones.
  private static let waves = 8
  /// Bytes of text that are held at most, but for the last record.
  private static let mostBytes = 16 << 20

  /// A stream over a source, which nothing else may read from. Its labels name classes as `spelling` says, or else as all
  /// of them so far fit.
  public init(_ source: any RecordSource, classifier: Classifier, spelling: LabelSpelling? = nil) {
    self.source = source
    self.classifier = classifier
    labels = LabelReading(classifier.task.labelKind, ClassNumbering(classifier.labels), spelling: spelling)
  }

  /// The next lot, in the order of the source; nil at the end. A lot ends at some waves of records, and where the
  /// source has to wait for more. Throws what classifying throws, and once everything before is handed out what the
  /// source did.
  public func next() throws -> [Element]? {
    var lot: [Admitted] = []
    var encodings: [Encoding] = []
    var (tokens, bytes) = (0, 0)
    let limits = classifier.batchLimits
    while end == nil, lot.count < limits.samples * Self.waves, tokens < limits.tokens * Self.waves,
      bytes < Self.mostBytes, lot.isEmpty || !source.mustWait
    {
      do {
        guard let next = try source.next()?.flatMap(admitted) else {
          end = .success(())
          break
        }
        lot.append(next)
        guard case .success(let (record, encoding, _)) = next else { continue }
        encodings.append(encoding)
        tokens += encoding.ids.count
        bytes += record.text.utf8.count + (record.pair?.utf8.count ?? 0)
      } catch {
        end = .failure(error)
      }
    }
    if lot.isEmpty {
      try end?.get()
      return nil
    }
    defer { index += lot.count }
    var answers = try classifier.answers(to: encodings).makeIterator()
    return lot.enumerated().map { offset, record in
      record.flatMap { record, encoding, place in
        let answer = answers.next()!
        if answer.answer.isBroken {
          return .failure(FormatError(file: place.file, place: place.place, problem: Classifier.brokenAnswer))
        }
        return .success(
          Answered(index: index + offset, record: record, encoding: encoding, classification: answer))
      }
    }
  }

  private typealias Admitted = Result<(TextRecord, Encoding, (file: String, place: String)), FormatError>

  /// The record with its tokens, unless the model can't take it.
  private func admitted(_ record: TextRecord) -> Admitted {
    func failure(_ part: String, _ problem: String) -> Admitted {
      .failure(FormatError(file: source.location.file, place: source.location.place + part, problem: problem))
    }
    if let problem = labels.take(record) { return failure(": label", problem) }
    if record.pair?.isEmpty == false && !classifier.acceptsPairs {
      return failure("", "is a pair, and the model takes single texts only")
    }
    let encoding = classifier.encode(record.text, pair: record.pair)
    if let problem = classifier.problem(of: encoding) { return failure("", problem) }
    return .success((record, encoding, source.location))
  }
}
