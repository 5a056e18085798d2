// A table that is Markdown and reads as a table in a terminal: columns are padded to their widest cell.

/// Rows of cells under a header.
struct MarkdownTable {
  private var rows: [[String]]

  /// A table whose first column is text, aligned left, and whose others are numbers, aligned right.
  init(header: [String]) {
    rows = [header.map(Self.escaped)]
  }

  /// Appends a row of as many cells as the header has.
  mutating func append(_ cells: [String]) {
    precondition(cells.count == rows[0].count, "a row has a cell for each column")
    rows.append(cells.map(Self.escaped))
  }

  /// The lines of the table, each with a newline.
  var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].unicodeScalars.count }.max() ?? 0 }
    var lines = rows.map { row in
      "| " + row.indices.map { pad(row[$0], widths[$0], column: $0) }.joined(separator: " | ") + " |"
    }
    let rule = widths.indices.map { column in
      let dashes = String(repeating: "-", count: widths[column] + 1)
      return column == 0 ? ":" + dashes : dashes + ":"
    }
    lines.insert("|" + rule.joined(separator: "|") + "|", at: 1)
    return lines.map { "\($0)\n" }.joined()
  }

  private func pad(_ cell: String, _ width: Int, column: Int) -> String {
    let space = String(repeating: " ", count: width - cell.unicodeScalars.count)
    return column == 0 ? cell + space : space + cell
  }

  /// A cell in which nothing ends the cell or the line.
  private static func escaped(_ cell: String) -> String {
    cell.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
      .split(separator: "\n", omittingEmptySubsequences: false).joined(separator: " ")
  }
}
