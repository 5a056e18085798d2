// A table that is Markdown and reads as a table in a terminal: columns are padded to their widest cell.

import PyramidFormats

/// Rows of as many cells each, the first being the header, as lines that end in a newline. The first column is text,
/// aligned left, the others are numbers, aligned right.
public func markdownTable(_ rows: [[String]]) -> String {
  let rows = rows.map { $0.map(escaped) }
  let widths = rows[0].indices.map { column in rows.map { $0[column].unicodeScalars.count }.max() ?? 0 }
  var lines = rows.map { row in
    let cells = zip(row, widths).enumerated().map { column, cell in
      let space = String(repeating: " ", count: cell.1 - cell.0.unicodeScalars.count)
      return column == 0 ? cell.0 + space : space + cell.0
    }
    return "| " + cells.joined(separator: " | ") + " |"
  }
  let rule = widths.enumerated().map { column, width in
    let dashes = String(repeating: "-", count: width + 1)
    return column == 0 ? ":" + dashes : dashes + ":"
  }
  lines.insert("|" + rule.joined(separator: "|") + "|", at: 1)
  return lines.map { "\($0)\n" }.joined()
}

/// A cell in which nothing ends the cell or the line.
private func escaped(_ cell: String) -> String {
  cell.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    .split(separator: "\n", omittingEmptySubsequences: false).joined(separator: " ")
}

/// A number with enough decimals to show three digits of it, at most six of them.
func significant(_ value: Double) -> String {
  let decimals = [100.0, 10, 1, 0.1, 0.01, 0.001].firstIndex { abs(value) >= $0 } ?? 6
  return decimal(value, decimals)
}

/// A probability with three digits after the point, or the bound that it is below.
func probability(_ value: Double) -> String { value < 0.001 ? "< 0.001" : decimal(value, 3) }
