// Records as the one reader hands them out: formats, columns, headers, and what is wrong with a row.

import PyramidFormats
import Testing

/// What comes out of a file that holds `text`: `label|text|pair` of a record, or its error without the file's path.
private func read(_ text: String, _ layout: TextLayout, limit: Int = 1 << 20) throws -> [String] {
  let folder = try TemporaryFolder()
  return try withExtendedLifetime(folder) {
    let path = try folder.write("data", text)
    func short(_ error: FormatError) -> String { "\(error.place): \(error.problem)" }
    var lines: [String] = []
    do {
      let reader = try RecordReader(path: path, layout: layout, limit: limit)
      while let record = try reader.next() {
        switch record {
        case .success(let record):
          let group = layout.group.map { _ in "|\(record.group ?? "-")" } ?? ""
          lines.append("\(record.label ?? "-")|\(record.text)|\(record.pair ?? "-")\(group)")
        case .failure(let error): lines.append(short(error))
        }
      }
    } catch let error as FormatError { lines.append("stopped: \(short(error))") }
    return lines
  }
}

@Suite("Record reader")
struct RecordReaderTests {
  @Test("A line may have 16 MiB unless somebody says otherwise, and one of more is skipped to its end")
  func standardLimit() throws {
    let folder = try TemporaryFolder()
    let most = 16 << 20
    let line = [UInt8](repeating: UInt8(ascii: "x"), count: most)
    let path = try folder.write("long.txt", line + Array("\ny".utf8) + line + Array("\nz\n".utf8))
    let reader = try LineReader(path: path)
    guard case .bytes(let bytes)? = try reader.next() else { throw FormatError(file: path, problem: "no first line") }
    #expect(bytes.count == most)
    #expect(try reader.next() == .tooLong(limit: most))
    #expect(try reader.next() == .bytes([UInt8(ascii: "z")]))
    #expect(try reader.next() == nil && reader.lineNumber == 3)
    // Records keep to it.
    let records = try RecordReader(path: path, layout: TextLayout(.text))
    _ = try records.next()
    guard case .failure(let error)? = try records.next() else { throw FormatError(file: path, problem: "no error") }
    #expect(error.description.contains("16777216"), "\(error)")
  }

  @Test("A line without end is an error of the file, after which nothing comes")
  func endlessLine() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("holes", [UInt8](repeating: 0, count: 1 << 17) + Array("\nx\n".utf8))
    let reader = try LineReader(path: path, limit: 10, skipLimit: 1 << 16)
    let error = #expect(throws: FormatError.self) { try reader.next() }
    #expect(error?.place == "line 1" && error?.problem.contains("more than 65536 bytes and no end") == true)
    #expect(try reader.next() == nil)
    #expect(try LineReader(path: path, limit: 10, skipLimit: 1 << 17).next() == .tooLong(limit: 10))
  }

  @Test(
    "Without columns a row is label, text, second text in TSV and CSV alike",
    arguments: [(TextFormat.tsv, "\t"), (.csv, ",")])
  func shape(format: TextFormat, comma: String) throws {
    let text = ["a", "1\(comma)b", "x\(comma)c\(comma)d"].joined(separator: "\r\n")
    #expect(try read(text, TextLayout(format)) == ["-|a|-", "1|b|-", "x|c|d"])
  }

  @Test("A comma of a text that is not quoted makes no pair where a blank follows it")
  func strayComma() throws {
    let text = "1,a b\n0,a, b\n0,\"a, b\"\n0,a,\" b\"\n0, a, b\n"
    let problem = "line 2: has a third column that begins with a blank; a text that has commas is put in double quotes"
    #expect(try read(text, TextLayout(.csv)) == ["1|a b|-", problem, "0|a, b|-", "0|a| b", "0| a| b"])
    let columns = TextLayout(.csv, text: .number(2), pair: .number(3))
    #expect(try read("0,a, b\n", columns) == ["-|a| b"])
  }

  @Test("A carriage return inside a row is an error of the row, in quotes and in lines of text a character")
  func loneReturn() throws {
    let problem = "line 1: has a carriage return inside a row; rows end in LF or CRLF"
    #expect(try read("1\ta\r0\tb\n1\tc\r\n", TextLayout(.tsv)) == [problem, "1|c|-"])
    #expect(try read("1,a\r0,b\n1,\"c\rd\"\r\n", TextLayout(.csv)) == [problem, "1|c\rd|-"])
    #expect(try read("a\rb\r\n", TextLayout(.text)) == ["-|a\rb|-"])
  }

  @Test("Columns are found by number, and the first row is data unless a header is said to be there")
  func numbers() throws {
    let text = "id,review,stars\n7,good,5\n"
    let layout = TextLayout(.csv, text: .number(2), label: .number(3))
    #expect(try read(text, layout) == ["stars|review|-", "5|good|-"])
    #expect(try read(text, TextLayout(.csv, text: .number(2), label: .number(3), header: true)) == ["5|good|-"])
    #expect(try read("a,b\n", layout) == ["line 1: has 2 columns, expected at least 3"])
  }

  @Test("Columns are found by name in the header, the usual names by themselves")
  func names() throws {
    let text = "sentence\tlabel\tother\nfine\tx\ty\nshort\tz\n"
    let layout = TextLayout(.tsv, text: .name("sentence"), pair: .name("other"))
    #expect(try read(text, layout) == ["x|fine|y", "line 3: has 2 columns, the header 3"])
    #expect(try read("label,text\n1,a\n", TextLayout(.csv, header: true)) == ["1|a|-"])
  }

  @Test(
    "A header without the column, or with two of that name, ends the reading",
    arguments: [
      ("a,b\n", TextLayout(.csv, text: .name("c")), "line 1: has no column 'c'; its columns are a, b"),
      ("a,a\n", TextLayout(.csv, text: .name("a")), "line 1: has the column 'a' twice"),
      ("a,b\n", TextLayout(.csv, text: .number(3), header: true), "line 1: has no column 3; its columns are a, b"),
      (
        "a,b\n", TextLayout(.csv, header: true),
        "line 1: has no column 'text'; say which with --text-column: its columns are a, b"
      ),
      ("", TextLayout(.csv, header: true), ": is empty, expected a header"),
      ("x", TextLayout(.text, text: .number(1)), ": lines of text have no columns; say --input-format"),
      ("x", TextLayout(.tsv, label: .number(1)), ": needs --text-column as well"),
      ("x", TextLayout(.jsonl, text: .number(1)), ": JSON objects have no numbered columns; give their keys"),
    ])
  func header(text: String, layout: TextLayout, problem: String) throws {
    #expect(try read(text, layout) == ["stopped: \(problem)"])
  }

  @Test(
    "A group is a column or a key, and text the first text unless a column is called so",
    arguments: [
      ("1\ta\tb\n2\tc\td\n", TextFormat.tsv, nil, "text", ["1|a|b|a", "2|c|d|c"]),
      ("q,text,label\nx,a,1\n", .csv, nil, "q", ["1|a|-|x"]),
      ("x,a,1\n", .csv, TextColumn.number(2), "1", ["-|a|-|x"]),
      ("text,s\na,b\n", .csv, .name("s"), "text", ["-|b|-|a"]),
      ("x,a\n", .csv, .number(2), "3", ["line 1: has 2 columns, expected at least 3"]),
      ("x,a\n", .csv, nil, "1", ["stopped: : needs --text-column as well"]),
      (#"{"text": "a", "q": 7}"# + "\n" + #"{"text": "a"}"#, .jsonl, nil, "q", ["-|a|-|7", "line 2.q: missing"]),
      (#"{"s": "a"}"#, .jsonl, .name("s"), "text", ["-|a|-|a"]),
      (#"{"text": "a", "q": [7]}"#, .jsonl, nil, "q", ["line 1.q: expected a string or number, found an array"]),
    ])
  func groups(text: String, format: TextFormat, column: TextColumn?, group: String, lines: [String]) throws {
    var layout = TextLayout(format, text: column)
    layout.group = TextColumn(group)
    #expect(try read(text, layout) == lines)
  }

  @Test("A header that nobody announced is not taken for data")
  func unannouncedHeader() throws {
    #expect(
      try read("text,label\na,b\n", TextLayout(.csv)) == [
        "line 1: looks like a header; say --header, or name a column with --text-column", "a|b|-",
      ])
  }

  @Test("Quoted fields of CSV hold commas, doubled quotes and line breaks, and a row's place is its first line")
  func quoting() throws {
    let text = "x,\"a, \"\"b\"\"\n\nc\",\"\"\r\ny,5\" pipe\n\nz,\"d\"e\n"
    #expect(
      try read(text, TextLayout(.csv)) == [
        "x|a, \"b\"\n\nc|", "y|5\" pipe|-", "line 6: text follows a closing quote",
      ])
  }

  @Test("A quote that is never closed is an error of its row, however much follows")
  func openQuote() throws {
    #expect(try read("x,\"a\nb\n", TextLayout(.csv)) == ["line 1: a quoted field is not closed"])
    let lines = try read("x,\"a\n" + String(repeating: "y,b\n", count: 9), TextLayout(.csv), limit: 10)
    #expect(lines.first == "line 1: a quoted field is not closed" && lines.dropFirst().allSatisfy { $0 == "y|b|-" })
  }

  @Test("Keys of JSONL objects can be named, blank lines are passed over")
  func json() throws {
    let text = "{\"review\":\"a\",\"stars\":5,\"title\":\"b\"}\n\n{\"text\":\"c\"}\n"
    let layout = TextLayout(.jsonl, text: .name("review"), label: .name("stars"), pair: .name("title"))
    #expect(try read(text, layout) == ["5|a|b", "line 3.review: missing"])
  }

  @Test("A byte order mark is no part of the first field", arguments: [TextFormat.tsv, .csv, .text])
  func byteOrderMark(format: TextFormat) throws {
    #expect(try read("\u{FEFF}a\n\u{FEFF}b\n", TextLayout(format)) == ["-|a|-", "-|\u{FEFF}b|-"])
  }

  @Test("A line over the limit is an error of that line alone", arguments: [TextFormat.tsv, .csv, .jsonl, .text])
  func longLine(format: TextFormat) throws {
    let short = format == .jsonl ? "{\"text\":\"a\"}" : "a"
    let lines = try read(String(repeating: "x", count: 100) + "\n\(short)\n", TextLayout(format), limit: 50)
    #expect(lines == ["line 1: is longer than 50 bytes", "-|a|-"])
  }

  @Test("Digits are a column's number, anything else its name, and a path's ending a format")
  func words() {
    #expect(TextColumn("2") == .number(2) && TextColumn("2a") == .name("2a"))
    #expect(TextColumn("0") == nil && TextColumn("") == nil)
    #expect(TextFormat(endingOf: "/a.b/c.CSV") == .csv && TextFormat(endingOf: "x.ndjson") == .jsonl)
    #expect(TextFormat(endingOf: "a.tsv/b") == nil && TextFormat(endingOf: "-") == nil)
  }
}
