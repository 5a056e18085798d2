// Where mp-run's texts come from: arguments or a stream of lines. One record at a time, so that an endless stream is
// fine.

import MagicPyramid

/// Hands out records until there are no more.
protocol RecordSource: AnyObject {
  /// The file, and the place in it, of the record handed out last.
  var location: (file: String, place: String) { get }
  /// Whether the next record is still to be written by somebody.
  var mustWait: Bool { get }
  /// The next record, an error of that record alone, or nil at the end. Throws when the whole source fails.
  func next() throws -> Result<TextRecord, FormatError>?
}

/// Texts given as arguments.
final class ArgumentRecords: RecordSource {
  private(set) var location = (file: "arguments", place: "")
  let mustWait = false
  private var texts: ArraySlice<String>

  init(texts: [String]) { self.texts = texts[...] }

  func next() -> Result<TextRecord, FormatError>? {
    location.place = "text \(texts.startIndex + 1)"
    return texts.popFirst().map { .success(TextRecord(text: $0)) }
  }
}

/// Lines of a file or of standard input.
final class FileRecords: RecordSource {
  private let reader: LineReader
  private let format: TextFormat
  var mustWait: Bool { reader.mustWait }
  var location: (file: String, place: String) { (reader.name, "line \(reader.lineNumber)") }

  init(path: String, format: TextFormat) throws {
    reader = try LineReader(path: path)
    self.format = format
  }

  func next() throws -> Result<TextRecord, FormatError>? {
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
