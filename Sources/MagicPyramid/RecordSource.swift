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

/// Lines of a file or of standard input.
public final class TextLines: RecordSource {
  private let reader: LineReader
  private let format: TextFormat
  /// Whether no whole line is there and none can be read without waiting.
  public var mustWait: Bool { reader.mustWait }
  /// The file and the line, from 1.
  public var location: (file: String, place: String) { (reader.name, "line \(reader.lineNumber)") }

  /// Opens `path`, or standard input for `-`. Throws `FormatError` for a folder and for what can't be opened.
  public init(path: String, format: TextFormat) throws {
    reader = try LineReader(path: path)
    self.format = format
  }

  /// The record of the next line. Throws `FormatError` when reading fails.
  public func next() throws -> Result<TextRecord, FormatError>? {
    guard let line = try reader.next() else { return nil }
    let place = location.place
    switch line {
    case .tooLong(let limit):
      return .failure(FormatError(file: reader.name, place: place, problem: "is longer than \(limit) bytes"))
    case .bytes(let bytes):
      return Result { () throws(FormatError) in try format.record(bytes, file: reader.name, place: place) }
    }
  }
}
