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
  /// How the source ended, once it has.
  private var end: Result<Void, any Error>?
  /// How many full waves are classified at once: the last samples of each lot run in narrow ones.
  private static let waves = 8
  /// Bytes of text that are held at most, but for the last record.
  private static let mostBytes = 16 << 20

  /// A stream over a source, which nothing else may read from.
  public init(_ source: any RecordSource, classifier: Classifier) {
    self.source = source
    self.classifier = classifier
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
        guard case .success((let record, let encoding)) = next else { continue }
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
    var answers = try classifier.classify(encodings: encodings).makeIterator()
    return lot.enumerated().map { offset, record in
      record.map {
        Answered(index: index + offset, record: $0.0, encoding: $0.1, classification: answers.next()!)
      }
    }
  }

  private typealias Admitted = Result<(TextRecord, Encoding), FormatError>

  /// The record with its tokens, unless the model can't take it.
  private func admitted(_ record: TextRecord) -> Admitted {
    func failure(_ part: String, _ problem: String) -> Admitted {
      .failure(FormatError(file: source.location.file, place: source.location.place + part, problem: problem))
    }
    if let label = record.label, classifier.labelIndex(label) == nil {
      return failure(": label", "the model has no label '\(label.printable(limit: 80))'")
    }
    if record.pair?.isEmpty == false && !classifier.acceptsPairs {
      return failure("", "is a pair, and the model takes single texts only")
    }
    return .success((record, classifier.encode(record.text, pair: record.pair)))
  }
}
