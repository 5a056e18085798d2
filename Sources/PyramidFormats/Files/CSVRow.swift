// One row of CSV by RFC 4180, fed line by line: a field in double quotes may hold commas, doubled quotes and line
// breaks. A quote inside a field that does not start with one is a character like any other, as in other readers.

/// The fields of a row, of which more lines may come.
struct CSVRow {
  /// The fields so far.
  private(set) var fields: [[UInt8]] = []
  /// Whether a quoted field goes on in the next line.
  private(set) var isOpen = false
  /// Whether the last field is in quotes.
  private(set) var endsQuoted = false

  /// Adds a line without its line break; inside a quoted field the break counts as `\n`. Returns what is wrong with it.
  mutating func append(_ line: [UInt8]) -> String? {
    let (quote, comma) = (UInt8(ascii: "\""), UInt8(ascii: ","))
    var position = 0
    var field: [UInt8] = []
    if isOpen { field = fields.removeLast() + [UInt8(ascii: "\n")] }
    while true {
      endsQuoted = isOpen || position < line.count && line[position] == quote
      if endsQuoted {
        if !isOpen { position += 1 }
        guard let end = Self.quoted(line, &position, into: &field) else {
          isOpen = true
          fields.append(field)
          return nil
        }
        (isOpen, position) = (false, end)
        if position < line.count && line[position] != comma { return "text follows a closing quote" }
      } else {
        let end = line[position...].firstIndex(of: comma) ?? line.count
        field = Array(line[position..<end])
        if field.contains(UInt8(ascii: "\r")) { return Self.loneReturn }
        position = end
      }
      fields.append(field)
      if position == line.count { return nil }
      position += 1
      field = []
    }
  }

  /// What is wrong with a line that was two in a file of older conventions: its second row would be lost.
  static let loneReturn = "has a carriage return inside a row; rows end in LF or CRLF"

  /// Appends what stands between `position` and the closing quote; nil when the line ends first.
  private static func quoted(_ line: [UInt8], _ position: inout Int, into field: inout [UInt8]) -> Int? {
    let quote = UInt8(ascii: "\"")
    while let end = line[position...].firstIndex(of: quote) {
      field += line[position..<end]
      guard end + 1 < line.count, line[end + 1] == quote else { return end + 1 }
      field.append(quote)
      position = end + 2
    }
    field += line[position...]
    return nil
  }
}
