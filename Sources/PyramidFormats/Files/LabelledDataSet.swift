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
    /// What the label stands for.
    public let target: LabelTarget
    /// What it shares with others that are ranked together, where the layout says so.
    public let group: String?
    /// `line 7`, for errors.
    public let place: String
    /// Number of the class, an index into the model's labels; -1 where labels are not one class each.
    public var label: Int { target.index }

    /// The row where class k is called number `numbers[k]`.
    public func renumbered(_ numbers: [Int]) -> Row {
      guard case .one(let index) = target else { return self }
      return Row(text: text, pair: pair, target: .one(numbers[index]), group: group, place: place)
    }
  }

  /// The file's path as it was given, or `standard input`.
  public let file: String
  /// The rows in the order of the file; at least one.
  public let rows: [Row]
  /// How the file names classes, as a whole.
  public let spelling: LabelSpelling

  /// The most bytes of text, and 256 for each row, that are read: a stream that never ends must not fill the memory.
  public static let maximumBytes = 1 << 30

  /// What readers of its numbers should know: where single texts and pairs are mixed, since a stray comma or tab makes a
  /// pair as well.
  public var notes: [String] {
    let pairs = rows.filter { $0.pair?.isEmpty == false }
    guard let first = pairs.first, pairs.count < rows.count else { return [] }
    return ["\(pairs.count) of \(rows.count) rows have a second text, the first of them in \(first.place)"]
  }

  /// Reads the rows of `path`, or of standard input for `-`; labels are those of `labels`, all by name or all by number
  /// from 0. At most `limit` rows are read. Throws at the first row that is malformed, has no label or an unknown one, for
  /// labels that fit in two ways, and for a file without rows or with more than `maximumBytes`.
  public init(
    path: String, labels: [String], kind: LabelKind = .one, limit: Int? = nil, layout: TextLayout = TextLayout(.tsv)
  ) throws(FormatError) {
    try self.init(LabelledRecords(path: path, layout: layout, limit: limit), labels: labels, kind: kind)
  }

  /// Understands the labels of records. Throws at the first label that is unknown, and for labels that fit in two ways.
  public init(_ source: LabelledRecords, labels: [String], kind: LabelKind = .one) throws(FormatError) {
    file = source.file
    var reading = LabelReading(kind, ClassNumbering(labels), spelling: source.spelling)
    for entry in source.records {
      guard let problem = reading.take(entry.record) else { continue }
      throw FormatError(file: source.file, place: entry.place, problem: problem)
    }
    guard let spelling = reading.spelling else {
      throw FormatError(file: source.file, problem: LabelReading.ambiguity)
    }
    self.spelling = spelling
    rows = source.records.compactMap { entry in
      reading.target(of: entry.record, by: spelling).map {
        Row(
          text: entry.record.text, pair: entry.record.pair, target: $0, group: entry.record.group, place: entry.place)
      }
    }
  }
}

/// Texts of a file with their labels as they stand there.
public struct LabelledRecords: Sendable {
  /// One record.
  public struct Record: Sendable {
    /// The record, which has a label.
    public let record: TextRecord
    /// The label as the file has it.
    public let label: String
    /// `line 7`, for errors.
    public let place: String

    /// The text.
    public var text: String { record.text }
  }

  /// The file's path as it was given, or `standard input`.
  public let file: String
  /// The records in the order of the file; at least one.
  public let records: [Record]
  /// How labels are spelled, where the layout says so.
  public let spelling: LabelSpelling?

  /// Reads at most `limit` records; throws at the first that is malformed or has no label, and for a file without any or
  /// with more than `maximumBytes` of text and rows.
  public init(
    path: String, layout: TextLayout, limit: Int? = nil, maximumBytes: Int = LabelledDataSet.maximumBytes
  ) throws(FormatError) {
    let reader = try RecordReader(path: path, layout: layout)
    func failure(_ problem: String) -> FormatError {
      FormatError(file: reader.location.file, place: reader.location.place, problem: problem)
    }
    var records: [Record] = []
    var bytes = 0
    while records.count < limit ?? .max, let record = try reader.next()?.get() {
      guard let label = record.label else { throw failure("has no label, expected \(layout.example)") }
      bytes += record.keptBytes
      guard bytes <= maximumBytes else {
        throw failure("more than \(maximumBytes >> 20) MiB of text and rows so far; use a smaller file")
      }
      records.append(Record(record: record, label: label, place: reader.location.place))
    }
    file = reader.location.file
    spelling = layout.spelling
    guard !records.isEmpty else { throw FormatError(file: file, problem: "has no rows, expected \(layout.example)") }
    self.records = records
  }
}
