// Data sets that are read, and the errors of those that are not.

import PyramidFormats
import Testing

/// Runs `body` with the path of a file that holds `text`.
private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
  let folder = try TemporaryFolder()
  return try withExtendedLifetime(folder) { try body(folder.write("data.tsv", text)) }
}

@Suite("Labelled data sets")
struct LabelledDataSetTests {
  let labels = ["World", "Sports", "1"]

  @Test("Labels are names of classes, and a third column is the second text")
  func rows() throws {
    let mixed = try withFile("World\ta\nSports\tb\tc\nWorld\t\n") { try LabelledDataSet(path: $0, labels: labels) }
    let rows = mixed.rows
    #expect(rows.map(\.label) == [0, 1, 0])
    #expect(rows.map(\.text) == ["a", "b", ""])
    #expect(rows.map(\.pair) == [nil, "c", nil])
    #expect(mixed.notes == ["1 of 3 rows have a second text, the first of them in line 2"])
    for text in ["World\ta\nWorld\tb\n", "World\ta\tb\nWorld\tb\tc\n"] {
      #expect(try withFile(text) { try LabelledDataSet(path: $0, labels: labels).notes }.isEmpty)
    }
  }

  @Test("A limit reads no further, so that what is wrong after it does not matter")
  func limit() throws {
    let rows = try withFile("0\ta\n0\tb\nnonsense\n") { try LabelledDataSet(path: $0, labels: labels, limit: 2).rows }
    #expect(rows.count == 2)
  }

  @Test("Rows count beside their text, so that many short ones are as bounded as few long ones")
  func rowsCount() throws {
    let layout = TextLayout(.tsv)
    let text = String(repeating: "0\ta\tb\n", count: 4)
    // Three bytes of strings a row.
    func count(atMost bytes: Int) throws -> Int {
      try withFile(text) { try LabelledRecords(path: $0, layout: layout, maximumBytes: bytes).records.count }
    }
    #expect(try count(atMost: 4 * 259) == 4)
    let error = #expect(throws: FormatError.self) { try count(atMost: 4 * 259 - 1) }
    #expect(error?.place == "line 4" && error?.problem.contains("of text and rows so far") == true)
  }

  @Test("What a record calls itself counts, by the boxes of its values, and so do lists of labels")
  func idsCount() throws {
    let lines = """
      {"text": "a", "label": "x", "id": 7}
      {"text": "a", "label": "x", "id": [null, true, {"k": "v"}]}
      {"text": "a", "labels": ["x", "y"]}
      """
    func count(atMost bytes: Int) throws -> Int {
      try withFile(lines) {
        try LabelledRecords(path: $0, layout: TextLayout(.jsonl), maximumBytes: bytes).records.count
      }
    }
    let ids = (64 + 1) + (64 + 64 + 64 + 128 + 64 + 1 + 64 + 1)
    let bytes = 3 * 256 + 2 + 2 + ids + 1 + 3 + 2 * (16 + 1)
    #expect(try count(atMost: bytes) == 3)
    #expect(throws: FormatError.self) { try count(atMost: bytes - 1) }
  }

  @Test(
    "A bad row is an error that names the file and the line",
    arguments: [
      ("", ": has no rows, expected label<TAB>text"),
      ("0\ta\njust text\n", ": line 2: has no label, expected label<TAB>text"),
      ("1.5\ta\n", ": line 1: the model has no label '1.5'; it has World, Sports, 1, or 0 to 2"),
      (
        "World\ta\n0\tb\n",
        ": line 2: '0' is a class by its number, and the labels before are names; say --labels-by name if it is wrong, or mend the file"
      ),
      (
        "1\ta\n1\tb\n",
        ": labels fit as names of classes and as their numbers, and mean different ones; say --labels-by name or --labels-by number"
      ),
      ("Film\ta\n", ": line 1: the model has no label 'Film'; it has World, Sports, 1, or 0 to 2"),
      ("3\ta\n", ": line 1: the model has no label '3'; it has World, Sports, 1, or 0 to 2"),
      ("-1\ta\n", ": line 1: the model has no label '-1'; it has World, Sports, 1, or 0 to 2"),
      ("0\ta\tb\tc\n", ": line 1: has 4 columns, expected label, text and perhaps a second text"),
    ])
  func errors(text: String, problem: String) throws {
    try withFile(text) { path in
      let error = #expect(throws: FormatError.self) { try LabelledDataSet(path: path, labels: labels) }
      #expect(error?.description == path + problem)
    }
  }

  @Test("A file names classes in one way, which all of its labels decide")
  func spelling() throws {
    let stars = ["1", "2", "3", "4", "5"]
    let numbers = try withFile("4\ta\n1.0\tb\n0\tc\n\n\n") { try LabelledDataSet(path: $0, labels: stars) }
    #expect(numbers.spelling == .number && numbers.rows.map(\.label) == [4, 1, 0])
    let names = try withFile("5\ta\n1\tb\n") { try LabelledDataSet(path: $0, labels: stars) }
    #expect(names.spelling == .name && names.rows.map(\.label) == [4, 0])
    var layout = TextLayout(.tsv)
    layout.spelling = .number
    let said = try withFile("4\ta\n1\tb\n") { try LabelledDataSet(path: $0, labels: stars, layout: layout) }
    #expect(said.rows.map(\.label) == [4, 1])
    // Where both readings mean the same there is nothing to decide.
    #expect(
      try withFile("1\ta\n0\tb\n") { try LabelledDataSet(path: $0, labels: ["0", "1"]).rows.map(\.label) } == [1, 0])
  }

  @Test("A name that classes share names none of them, and their numbers do")
  func sharedName() throws {
    let labels = ["same", "other", "same"]
    for kind in [LabelKind.one, .several] {
      let error = #expect(throws: FormatError.self) {
        try withFile("other\ta\nsame\tb\n") { try LabelledDataSet(path: $0, labels: labels, kind: kind) }
      }
      #expect(error?.description.hasSuffix(": line 2: 'same' names 2 classes; label rows by number") == true)
    }
    #expect(try withFile("2\ta\n0\tb\n") { try LabelledDataSet(path: $0, labels: labels).rows.map(\.label) } == [2, 0])
    #expect(try withFile("other\ta\n") { try LabelledDataSet(path: $0, labels: labels).rows.map(\.label) } == [1])
  }

  @Test("Several labels are written with commas, as an array, or as zeros and ones; values are numbers")
  func otherKinds() throws {
    let lines = """
      {"text": "a", "labels": ["Sports", "World"]}
      {"text": "b", "label": [1.0, 0.0, 1.0]}
      {"text": "c", "label": []}
      {"text": "d", "label": "World, Sports"}
      """
    let rows = try withFile(lines) {
      try LabelledDataSet(path: $0, labels: labels, kind: .several, layout: TextLayout(.jsonl)).rows
    }
    #expect(rows.map(\.target) == [.several([0, 1]), .several([0, 2]), .several([]), .several([0, 1])])
    let values = try withFile("0.5\ta\n-3\tb\n") { try LabelledDataSet(path: $0, labels: ["x"], kind: .value).rows }
    #expect(values.map(\.target) == [.value(0.5), .value(-3)])
    #expect(throws: FormatError.self) {
      try withFile("good\ta\n") { try LabelledDataSet(path: $0, labels: ["x"], kind: .value) }
    }
  }

  @Test("A file in UTF-16 is refused as a whole, with the command that converts it", arguments: [true, false])
  func foreign(hasMark: Bool) throws {
    let folder = try TemporaryFolder()
    try withExtendedLifetime(folder) {
      let path = try folder.write("data.txt", (hasMark ? [0xFF, 0xFE] : []) + [0x67, 0, 0x6F, 0, 0x0A, 0])
      let reader = try RecordReader(path: path, layout: TextLayout(.text))
      let error = #expect(throws: FormatError.self) { try reader.next() }
      #expect(error?.problem.contains("iconv -f UTF-16") == true)
    }
  }

  @Test("A missing file and a folder are errors")
  func noFile() {
    #expect(throws: FormatError.self) { try LabelledDataSet(path: "/tmp/no/such/file.tsv", labels: labels) }
    #expect(throws: FormatError.self) { try LabelledDataSet(path: "/tmp", labels: labels) }
  }
}
