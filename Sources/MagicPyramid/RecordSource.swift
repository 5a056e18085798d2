// Where a stream's texts come from: an array, or lines of a file. One record at a time, so that an endless stream is
// fine.

import PyramidFormats

/// Hands out records until there are no more.
public protocol RecordSource: AnyObject {
  /// The file, and the place in it, of the record handed out last.
  var location: (file: String, place: String) { get }
  /// Whether the next record has not arrived yet.
  var mustWait: Bool { get }
  /// The next record, an error of that record alone, or nil at the end. Throws when the whole source fails.
  func next() throws -> Result<TextRecord, FormatError>?
}

/// Texts in memory.
public final class TextArray: RecordSource {
  /// Messages call the source `arguments`, and count from `text 1`.
  public private(set) var location = (file: "arguments", place: "")
  /// Never.
  public let mustWait = false
  private var texts: ArraySlice<String>

  /// A source of these texts.
  public init(_ texts: [String]) { self.texts = texts[...] }

  /// The next text.
  public func next() -> Result<TextRecord, FormatError>? {
    location.place = "text \(texts.startIndex + 1)"
    return texts.popFirst().map { .success(TextRecord(text: $0)) }
  }
}

/// A file, or standard input.
extension RecordReader: RecordSource {}
