// The three input formats of texts: plain lines, TSV and JSONL. A record that is malformed is an error of that line
// alone; the reader goes on after it.

/// One text to classify, or a pair, with the label that the data set gives it.
public struct TextRecord: Sendable, Equatable {
  /// UTF-8 bytes of the text, valid.
  public var text: String
  /// The second text of a pair.
  public var pair: String?
  /// The label as the data has it: a class name or number.
  public var label: String?

  /// Makes a record; most have neither a second text nor a label.
  public init(text: String, pair: String? = nil, label: String? = nil) {
    (self.text, self.pair, self.label) = (text, pair, label)
  }
}

/// How texts lie in a file.
public enum TextFormat: String, Sendable, CaseIterable {
  /// One text per line.
  case text
  /// `text`, `label<TAB>text` or `label<TAB>text<TAB>second text`.
  case tsv
  /// One object per line: `text`, optionally `text_pair` and `label` (string or number).
  case jsonl
}

extension TextFormat {
  /// Reads one line. `place` names it in errors.
  public func record(_ bytes: [UInt8], file: String, place: String) throws(FormatError) -> TextRecord {
    if self == .jsonl { return try jsonRecord(bytes, file: file, place: place) }
    guard let line = String(validating: bytes, as: UTF8.self) else {
      throw FormatError(file: file, place: place, problem: "is not valid UTF-8")
    }
    if self == .text { return TextRecord(text: line) }
    let fields = line.utf8.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false).map { String($0)! }
    switch fields.count {
    case 1: return TextRecord(text: fields[0])
    case 2: return TextRecord(text: fields[1], label: fields[0])
    case 3: return TextRecord(text: fields[1], pair: fields[2], label: fields[0])
    default:
      throw FormatError(
        file: file, place: place, problem: "has \(fields.count) columns, expected label, text and perhaps a second text"
      )
    }
  }

  private func jsonRecord(_ bytes: [UInt8], file: String, place: String) throws(FormatError) -> TextRecord {
    let object: JSONField
    do { object = JSONField(try JSONReader.read(bytes, file: file), file: file, place: place) } catch {
      throw FormatError(file: file, place: place, problem: "\(error.place): \(error.problem)")
    }
    var record = TextRecord(text: try object.required("text").string())
    record.pair = try object.optional("text_pair")?.string()
    if let label = try object.optional("label") {
      switch label.value {
      case .string(let name): record.label = name
      case .number(let number): record.label = number.text
      default: throw label.failure("expected a class name or number, found \(label.found)")
      }
    }
    return record
  }
}
