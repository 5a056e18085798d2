// The loop of everything that classifies more texts than fit in memory: read records until there are some waves of them,
// classify, hand them out, again. Memory is that of these records however long the input.

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
  private var failure: (any Error)?
  private var isAtEnd = false
  /// How many full waves are classified at once: the last samples of each lot run in narrow ones.
  private static let waves = 8
  /// Bytes of text that are held at most, but for the last record.
  private static let mostBytes = 16 << 20

  /// A stream over a source, which nothing else may read from.
  public init(_ source: any RecordSource, classifier: Classifier) {
    self.source = source
    self.classifier = classifier
  }

  /// The next lot, in the order of the source; nil at the end. A lot ends at some waves of records, and where the source
  /// has to wait for more. Throws what classifying throws, and once everything before is handed out what the source did.
  public func next() throws -> [Element]? {
    if let failure { throw failure }
    if isAtEnd { return nil }
    var lot = Lot()
    let limits = classifier.batchLimits
    while lot.records.count < limits.samples * Self.waves, lot.tokens < limits.tokens * Self.waves,
      lot.bytes < Self.mostBytes, lot.records.isEmpty || !source.mustWait
    {
      do {
        guard let next = try source.next() else {
          isAtEnd = true
          break
        }
        lot.append(next.flatMap(admitted), index: index)
        index += 1
      } catch {
        if lot.records.isEmpty { throw error }
        failure = error
        break
      }
    }
    if lot.records.isEmpty { return nil }
    var answers = try classifier.classify(encodings: lot.encodings).makeIterator()
    return lot.records.map { index, record in
      record.map { Answered(index: index, record: $0.0, encoding: $0.1, classification: answers.next()!) }
    }
  }

  private typealias Admitted = Result<(TextRecord, Encoding), FormatError>

  /// The records that are classified together.
  private struct Lot {
    var records: [(index: Int, record: Admitted)] = []
    var encodings: [Encoding] = []
    var tokens = 0
    var bytes = 0

    mutating func append(_ record: Admitted, index: Int) {
      records.append((index, record))
      guard case .success((let record, let encoding)) = record else { return }
      encodings.append(encoding)
      tokens += encoding.ids.count
      bytes += record.text.utf8.count + (record.pair?.utf8.count ?? 0)
    }
  }

  /// The record with its tokens, unless the model can't take it.
  private func admitted(_ record: TextRecord) -> Admitted {
    let (file, place) = source.location
    if let label = record.label, classifier.labelIndex(label) == nil {
      return .failure(
        FormatError(
          file: file, place: "\(place): label", problem: "the model has no label '\(label.printable(limit: 80))'"))
    }
    if record.pair?.isEmpty == false && !classifier.acceptsPairs {
      return .failure(
        FormatError(file: file, place: place, problem: "is a pair, and the model takes single texts only"))
    }
    return .success((record, classifier.encode(record.text, pair: record.pair)))
  }
}
