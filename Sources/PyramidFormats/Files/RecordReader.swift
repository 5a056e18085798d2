// Records of a file, one at a time, in whichever of the formats: the one reader of texts and labels that there is. A
// record that is malformed is an error of that record alone; the reader goes on after it.

/// Reads records from a file or from standard input; an endless stream takes no more memory than a short one.
public final class RecordReader {
  private let lines: LineReader
  private let layout: TextLayout
  private let limit: Int
  /// Where the columns are, in a file of columns that are named or numbered.
  private var columns: Columns?
  private var isStarted = false
  /// The line that the record handed out last starts in.
  private var start = 0

  /// Whether no whole line is there and none can be read without waiting.
  public var mustWait: Bool { lines.mustWait }
  /// The file's path, or `standard input`, and the line of the record handed out last, from 1.
  public var location: (file: String, place: String) { (lines.name, "line \(start)") }

  /// Opens `path`, or standard input for `-`. Throws `FormatError` for a folder, for what can't be opened, and for a
  /// layout that the format can't have. A record of more than `limit` bytes is an error of that record.
  public init(path: String, layout: TextLayout, limit: Int = 16 << 20) throws(FormatError) {
    (self.layout, self.limit) = (layout, limit)
    lines = try LineReader(path: path, limit: limit)
    if let problem = layout.problem { throw FormatError(file: lines.name, problem: problem) }
  }

  /// The next record, an error of that record alone, or nil at the end. Throws when reading fails, or when the header
  /// lacks a column.
  public func next() throws(FormatError) -> Result<TextRecord, FormatError>? {
    if !isStarted {
      isStarted = true
      if let encoding = try lines.foreignEncoding() {
        throw FormatError(
          file: lines.name, problem: "is \(encoding), expected UTF-8; convert it with: iconv -f \(encoding) -t UTF-8")
      }
      columns = try firstColumns()
    }
    while let line = try lines.next() {
      start = lines.lineNumber
      // Ends of files that people edit have blank lines; among lines of text a blank one is a text.
      if layout.format != .text, line == .bytes([]) { continue }
      return Result { () throws(FormatError) in
        var record = try record(line)
        if record.group == nil, layout.group == .firstText { record.group = record.text }
        return record
      }
    }
    return nil
  }

  private func failure(_ problem: String) -> FormatError {
    FormatError(file: lines.name, place: location.place, problem: problem)
  }

  private func bytes(_ line: LineReader.Line) throws(FormatError) -> [UInt8] {
    guard case .bytes(let bytes) = line else { throw failure("is longer than \(limit) bytes") }
    // A byte order mark is no part of the first text or label.
    return start == 1 && bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
  }

  private func record(_ line: LineReader.Line) throws(FormatError) -> TextRecord {
    if layout.format == .jsonl { return try jsonRecord(bytes(line)) }
    let row = try row(line)
    guard layout.format != .text else { return TextRecord(text: row[0]) }
    if let columns { return try columns.record(row, failure) }
    if start == 1, row.contains("text"), row.contains("label") {
      throw failure("looks like a header; say --header, or name a column with --text-column")
    }
    switch row.count {
    case 1: return TextRecord(text: row[0])
    case 2: return TextRecord(text: row[1], label: row[0])
    case 3: return TextRecord(text: row[1], pair: row[2], label: row[0])
    default: throw failure("has \(row.count) columns, expected label, text and perhaps a second text")
    }
  }

  /// The fields of a row; of CSV it may take more lines.
  private func row(_ line: LineReader.Line) throws(FormatError) -> [String] {
    if layout.format == .csv {
      var row = CSVRow()
      var bytes = try bytes(line)
      var length = bytes.count
      while true {
        if let problem = row.append(bytes) { throw failure(problem) }
        guard row.isOpen else { break }
        guard length <= limit, let next = try lines.next(), case .bytes(let more) = next else {
          throw failure("a quoted field is not closed")
        }
        length += more.count + 1
        bytes = more
      }
      // Single texts and pairs may be mixed, but who writes `label,a text, with a comma` means one text.
      let blank = UInt8(ascii: " ")
      if layout.isPlain, row.fields.count == 3, !row.endsQuoted, row.fields[2].first == blank,
        row.fields[1].first != blank
      {
        throw failure("has a third column that begins with a blank; a text that has commas is put in double quotes")
      }
      return try row.fields.map(text)
    }
    let bytes = try bytes(line)
    if layout.format == .text { return [try text(bytes)] }
    if bytes.contains(UInt8(ascii: "\r")) { throw failure(CSVRow.loneReturn) }
    return try text(bytes).utf8.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
      .map { String($0)! }
  }

  private func text(_ bytes: [UInt8]) throws(FormatError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw failure("is not valid UTF-8") }
    return text
  }

  private func jsonRecord(_ bytes: [UInt8]) throws(FormatError) -> TextRecord {
    func key(_ column: TextColumn?, _ usual: String) -> String {
      if case .name(let name) = column { name } else { usual }
    }
    let object: JSONField
    do {
      object = JSONField(try JSONReader.read(bytes, file: lines.name), file: lines.name, place: location.place)
    } catch {
      throw failure("\(error.place): \(error.problem)")
    }
    var record = TextRecord(text: try object.required(key(layout.text, "text")).string())
    record.pair = try object.optional(key(layout.pair, "text_pair"))?.string()
    let usual = try object.optional(key(layout.label, "label"))
    let found = usual == nil && layout.label == nil ? try object.optional("labels") : usual
    if let label = found {
      if case .array = label.value {
        var labels: [String] = []
        for element in try label.elements() { labels.append(try self.label(element)) }
        (record.labels, record.label) = (labels, labels.joined(separator: ","))
      } else {
        record.label = try self.label(label)
      }
    }
    record.id = try object.optional("id")?.value
    if layout.group == .firstText {
      record.group = try object.optional("text").map { field throws(FormatError) in try text(field, "a string") }
    } else if case .name(let key) = layout.group {
      record.group = try text(object.required(key), "a string or number")
    }
    return record
  }

  private func label(_ field: JSONField) throws(FormatError) -> String {
    try text(field, "a class name or number")
  }

  private func text(_ field: JSONField, _ expected: String) throws(FormatError) -> String {
    switch field.value {
    case .string(let name): return name
    case .number(let number): return number.text
    default: throw field.failure("expected \(expected), found \(field.found)")
    }
  }

  /// Reads the header, if there is one; nil where rows are read by their shape.
  private func firstColumns() throws(FormatError) -> Columns? {
    guard layout.hasHeader else { return Columns(numbersOf: layout) }
    guard let line = try lines.next() else {
      throw FormatError(file: lines.name, problem: "is empty, expected a header")
    }
    start = lines.lineNumber
    return try Columns(header: row(line), layout, failure)
  }
}

/// Where the fields of a record are in a row, from 0.
private struct Columns {
  let text: Int
  var label, pair, group: Int?
  /// Fields of every row, when a header says so.
  var count: Int?

  /// Columns that are given by numbers; nil when none is.
  init?(numbersOf layout: TextLayout) {
    func index(_ column: TextColumn?) -> Int? { if case .number(let number) = column { number - 1 } else { nil } }
    guard let text = index(layout.text) else { return nil }
    (self.text, label, pair, group) = (text, index(layout.label), index(layout.pair), index(layout.group))
  }

  /// Columns that are named in a header, by the usual names where nothing is said.
  init(
    header: [String], _ layout: TextLayout, _ failure: (String) -> FormatError
  ) throws(FormatError) {
    let names = "its columns are " + header.map { $0.printable(limit: 40) }.joined(separator: ", ")
    func index(_ column: TextColumn?, _ usual: String) throws(FormatError) -> Int? {
      if case .number(let number) = column {
        guard number <= header.count else { throw failure("has no column \(number); \(names)") }
        return number - 1
      }
      let name = if case .name(let name) = column { name } else { usual }
      let places = header.indices.filter { header[$0].hasSameBytes(as: name) }
      guard places.count < 2 else { throw failure("has the column '\(name.printable(limit: 80))' twice") }
      if places.isEmpty && column != nil { throw failure("has no column '\(name.printable(limit: 80))'; \(names)") }
      return places.first
    }
    guard let text = try index(layout.text, "text") else {
      throw failure("has no column 'text'; say which with --text-column: \(names)")
    }
    (self.text, label, pair) = (text, try index(layout.label, "label"), try index(layout.pair, "text_pair"))
    if let column = layout.group { group = try index(column == .firstText ? nil : column, "text") }
    count = header.count
  }

  func record(_ row: [String], _ failure: (String) -> FormatError) throws(FormatError) -> TextRecord {
    if let count, row.count != count { throw failure("has \(row.count) columns, the header \(count)") }
    let last = max(text, label ?? 0, pair ?? 0, group ?? 0)
    guard last < row.count else { throw failure("has \(row.count) columns, expected at least \(last + 1)") }
    var record = TextRecord(text: row[text], pair: pair.map { row[$0] }, label: label.map { row[$0] })
    record.group = group.map { row[$0] }
    return record
  }
}
