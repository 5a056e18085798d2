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

  @Test("Labels are names first and numbers else, and a third column is the second text")
  func rows() throws {
    let rows = try withFile("World\ta\n1\tb\tc\n0\t\n") { try LabelledDataSet(path: $0, labels: labels).rows }
    #expect(rows.map(\.label) == [0, 2, 0])
    #expect(rows.map(\.text) == ["a", "b", ""])
    #expect(rows.map(\.pair) == [nil, "c", nil])
  }

  @Test("A limit reads no further, so that what is wrong after it does not matter")
  func limit() throws {
    let rows = try withFile("0\ta\n0\tb\nnonsense\n") { try LabelledDataSet(path: $0, labels: labels, limit: 2).rows }
    #expect(rows.count == 2)
  }

  @Test(
    "A bad row is an error that names the file and the line",
    arguments: [
      ("", ": has no rows, expected label<TAB>text"),
      ("0\ta\njust text\n", ": line 2: has no label, expected label<TAB>text"),
      ("0\ta\n\n", ": line 2: has no label, expected label<TAB>text"),
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

  @Test("A missing file and a folder are errors")
  func noFile() {
    #expect(throws: FormatError.self) { try LabelledDataSet(path: "/tmp/no/such/file.tsv", labels: labels) }
    #expect(throws: FormatError.self) { try LabelledDataSet(path: "/tmp", labels: labels) }
  }
}
