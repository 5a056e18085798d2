// A text with its label, and how such records lie in a file: which format, which columns, whether there is a header.

/// One text to classify, or a pair, with the label that the data set gives it.
public struct TextRecord: Sendable, Equatable {
  /// UTF-8 bytes of the text, valid.
  public var text: String
  /// The second text of a pair.
  public var pair: String?
  /// The label as the data has it: a class name or number; of a list its parts between commas.
  public var label: String?
  /// The labels, where the data has a list of them.
  public var labels: [String]?
  /// What the record calls itself, to be given back with its answer.
  public var id: JSONValue?
  /// What the record shares with others that are ranked together; nil where the layout says of no group.
  public var group: String?

  /// Makes a record; most have neither a second text nor a label.
  public init(text: String, pair: String? = nil, label: String? = nil) {
    (self.text, self.pair, self.label) = (text, pair, label)
  }

  /// The bytes that a record which is kept takes, without its text.
  package static let ownBytes = 256
  /// The bytes that it takes with what it holds, roughly: of many short rows the text is the smallest part.
  package var keptBytes: Int {
    let texts = [pair, label, group].compactMap { $0 } + (labels ?? [])
    let own = Self.ownBytes + 16 * (labels?.count ?? 0) + (id?.keptBytes ?? 0)
    return texts.reduce(own + text.utf8.count) { $0 + $1.utf8.count }
  }
}

extension JSONValue {
  /// The bytes that it takes, roughly: each value has a box of its own, and most are much larger than their text.
  fileprivate var keptBytes: Int {
    switch self {
    case .null, .bool: 64
    case .number(let number): 64 + number.text.utf8.count
    case .string(let text): 64 + text.utf8.count
    case .array(let elements): elements.reduce(64) { $0 + $1.keptBytes }
    case .object(let object): object.members.reduce(128) { $0 + 64 + $1.key.utf8.count + $1.value.keptBytes }
    }
  }
}

/// How texts lie in a file.
public enum TextFormat: String, Sendable, CaseIterable {
  /// One text per line.
  case text
  /// Columns between tabs, nothing quoted: `text`, `label<TAB>text` or `label<TAB>text<TAB>second text`, each row by
  /// itself.
  case tsv
  /// One object per line: `text`, optionally `text_pair`, `label` or `labels` (string, number, or an array of them) and
  /// `id`, which comes back with the answer.
  case jsonl
  /// RFC 4180: columns between commas, perhaps in double quotes, where line breaks may stand; else as `tsv`.
  case csv

  /// The format that a path's ending says: `.tsv`, `.csv`, `.jsonl` or `.ndjson`; nil for any other.
  public init?(endingOf path: String) {
    switch path.split(separator: "/").last?.split(separator: ".").last?.lowercased() {
    case "tsv": self = .tsv
    case "csv": self = .csv
    case "jsonl", "ndjson": self = .jsonl
    default: return nil
    }
  }
}

/// A column of a file.
public enum TextColumn: Sendable, Equatable {
  /// By its name in the header, or the key of a JSON object.
  case name(String)
  /// By its number, from 1.
  case number(Int)

  /// Digits are a number, all else is a name; nil for nothing, and for 0.
  public init?(_ text: String) {
    let isNumber = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    if !isNumber {
      self = .name(text)
    } else if let number = Int(text), number > 0 {
      self = .number(number)
    } else {
      return nil
    }
  }
}

extension TextColumn {
  /// As a group: the column of that name, else the first text, so that all pairs with the same first text are one.
  static let firstText = TextColumn.name("text")
}

/// What a reader must know of a file before it reads the first record.
public struct TextLayout: Sendable, Equatable {
  /// The format.
  public var format: TextFormat
  /// The columns of text, label and second text. When none is given a row is `label, text[, second text]`, and an
  /// object has the keys `label`, `text`, `text_pair`, which are looked for in a header as well.
  public var text, label, pair: TextColumn?
  /// The column of what is ranked together, in every record; `text` is the first text where no column is called so.
  public var group: TextColumn?
  /// How labels name classes; nil for what fits all labels of the file.
  public var spelling: LabelSpelling?
  private var saysHeader: Bool

  /// A layout; a header is there when `header` says so or a column is given by its name.
  public init(
    _ format: TextFormat, text: TextColumn? = nil, label: TextColumn? = nil, pair: TextColumn? = nil,
    header: Bool = false
  ) {
    (self.format, self.text, self.label, self.pair, saysHeader) = (format, text, label, pair, header)
  }

  /// Whether the first row names the columns.
  public var hasHeader: Bool {
    guard format == .tsv || format == .csv else { return false }
    return saysHeader || columns.contains { if case .name = $0 { true } else { false } }
  }

  /// Whether nothing is said of the columns.
  var isPlain: Bool { columns.isEmpty && !saysHeader }

  /// The columns that must be there.
  private var columns: [TextColumn] { [text, label, pair, group == .firstText ? nil : group].compactMap { $0 } }

  /// What is wrong with the layout itself; nil when nothing is.
  var problem: String? {
    switch format {
    case .text: return columns.isEmpty && !saysHeader ? nil : "lines of text have no columns; say --input-format"
    case .jsonl:
      let isByNumber = columns.contains { if case .number = $0 { true } else { false } }
      return isByNumber ? "JSON objects have no numbered columns; give their keys" : nil
    case .tsv, .csv:
      return columns.isEmpty || text != nil || hasHeader ? nil : "needs --text-column as well"
    }
  }

  /// A labelled row in words, for errors.
  var example: String {
    guard isPlain else { return "a label in every row" }
    switch format {
    case .jsonl: return "{\"label\": ..., \"text\": ...}"
    case .csv: return "label,text"
    case .text, .tsv: return "label<TAB>text"
    }
  }
}
