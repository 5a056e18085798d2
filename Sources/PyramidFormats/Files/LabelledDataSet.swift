// Reads the rows that a comparison is measured on. It is apart from mp-run's reading because a comparison is worth
// nothing with rows left out: here a bad row ends the run, labels are required, and everything is in memory before the
// clock starts.

/// Labelled texts of a TSV file, checked against a model's classes.
public struct LabelledDataSet: Sendable {
  /// One row.
  public struct Row: Sendable, Equatable {
    /// The text.
    public let text: String
    /// The second text of a pair.
    public let pair: String?
    /// Number of the class, an index into the model's labels.
    public let label: Int
  }

  /// The file's path as it was given, or `standard input`.
  public let file: String
  /// The rows in the order of the file; at least one.
  public let rows: [Row]

  /// The most bytes of text that are read without a limit: a stream that never ends must not fill the memory.
  public static let maximumBytes = 1 << 30

  /// Reads `label<TAB>text` or `label<TAB>text<TAB>second text` rows from `path`, or from standard input for `-`; a
  /// label is one of `labels` by name, or else its number from 0. At most `limit` rows are read. Throws at the first
  /// row that is malformed, has no label or an unknown one, and for a file without rows or with more than
  /// `maximumBytes` of text.
  public init(path: String, labels: [String], limit: Int? = nil) throws(FormatError) {
    let reader = try LineReader(path: path)
    let numbers = Dictionary(labels.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    func failure(_ problem: String) -> FormatError {
      FormatError(file: reader.name, place: "line \(reader.lineNumber)", problem: problem)
    }
    func record(_ line: LineReader.Line) throws(FormatError) -> TextRecord {
      switch line {
      case .bytes(let bytes):
        try TextFormat.tsv.record(bytes, file: reader.name, place: "line \(reader.lineNumber)")
      case .tooLong(let limit): throw failure("is longer than \(limit) bytes")
      }
    }
    var rows: [Row] = []
    var bytes = 0
    while rows.count < limit ?? .max, let line = try reader.next() {
      let record = try record(line)
      guard let label = record.label else { throw failure("has no label, expected label<TAB>text") }
      guard let number = numbers[label] ?? Int(label), labels.indices.contains(number) else {
        let known = labels.prefix(20).map { $0.printable(limit: 40) }.joined(separator: ", ")
        throw failure(
          "the model has no label '\(label.printable(limit: 80))'; it has \(known)"
            + (labels.count > 20 ? ", ..." : "") + ", or 0 to \(labels.count - 1)")
      }
      bytes += record.text.utf8.count + (record.pair?.utf8.count ?? 0)
      guard bytes <= Self.maximumBytes else {
        throw failure("more than \(Self.maximumBytes >> 20) MiB of text so far; use a smaller file or --limit")
      }
      rows.append(Row(text: record.text, pair: record.pair, label: number))
    }
    guard !rows.isEmpty else { throw FormatError(file: reader.name, problem: "has no rows, expected label<TAB>text") }
    file = reader.name
    self.rows = rows
  }
}
