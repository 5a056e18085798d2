// Reads the rows that a comparison is measured on or a model is trained on. It is apart from mp-run's reading because
// neither is worth anything with rows left out: here a bad row ends the run, labels are required, and everything is in
// memory before the clock starts.

/// Labelled texts of a file, checked against a model's classes.
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

  /// Reads the rows of `path`, or of standard input for `-`; a label is one of `labels` by name, or else its number from
  /// 0. At most `limit` rows are read. Throws at the first row that is malformed, has no label or an unknown one, and
  /// for a file without rows or with more than `maximumBytes` of text.
  public init(
    path: String, labels: [String], limit: Int? = nil, layout: TextLayout = TextLayout(.tsv)
  ) throws(FormatError) {
    try self.init(LabelledRecords(path: path, layout: layout, limit: limit), labels: labels)
  }

  /// Gives records the numbers of their classes. Throws at the first label that is unknown.
  public init(_ source: LabelledRecords, labels: [String]) throws(FormatError) {
    let numbers = Dictionary(labels.enumerated().map { (ExactString($1), $0) }, uniquingKeysWith: { first, _ in first })
    file = source.file
    rows = try source.records.map { record throws(FormatError) in
      guard let number = numbers[ExactString(record.label)] ?? Int(record.label), labels.indices.contains(number) else {
        let known = labels.prefix(20).map { $0.printable(limit: 40) }.joined(separator: ", ")
        throw FormatError(
          file: source.file, place: record.place,
          problem: "the model has no label '\(record.label.printable(limit: 80))'; it has \(known)"
            + (labels.count > 20 ? ", ..." : "") + ", or 0 to \(labels.count - 1)")
      }
      return Row(text: record.text, pair: record.pair, label: number)
    }
  }
}

/// Texts of a file with their labels as they stand there.
public struct LabelledRecords: Sendable {
  /// One record.
  public struct Record: Sendable {
    /// The text.
    public let text: String
    /// The second text of a pair.
    public let pair: String?
    /// The label as the file has it.
    public let label: String
    /// `line 7`, for errors.
    public let place: String
  }

  /// The file's path as it was given, or `standard input`.
  public let file: String
  /// The records in the order of the file; at least one.
  public let records: [Record]

  /// Reads at most `limit` records; throws at the first that is malformed or has no label, and for a file without any or
  /// with more than `LabelledDataSet.maximumBytes` of text.
  public init(path: String, layout: TextLayout, limit: Int? = nil) throws(FormatError) {
    let reader = try RecordReader(path: path, layout: layout)
    func failure(_ problem: String) -> FormatError {
      FormatError(file: reader.location.file, place: reader.location.place, problem: problem)
    }
    var records: [Record] = []
    var bytes = 0
    while records.count < limit ?? .max, let record = try reader.next()?.get() {
      guard let label = record.label else { throw failure("has no label, expected \(layout.example)") }
      bytes += record.text.utf8.count + (record.pair?.utf8.count ?? 0)
      guard bytes <= LabelledDataSet.maximumBytes else {
        throw failure(
          "more than \(LabelledDataSet.maximumBytes >> 20) MiB of text so far; use a smaller file or --limit")
      }
      records.append(Record(text: record.text, pair: record.pair, label: label, place: reader.location.place))
    }
    file = reader.location.file
    guard !records.isEmpty else { throw FormatError(file: file, problem: "has no rows, expected \(layout.example)") }
    self.records = records
  }
}
