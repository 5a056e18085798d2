// JSON out: the one place where this project turns values into JSON text.
//
// Separate so that every report, line and header escapes alike and every number reads back as the number that was
// written.

/// Turns a value into JSON text, compact or pretty.
public struct JSONWriter {
  /// How the text is laid out.
  public enum Style: Sendable, Equatable {
    /// No space at all; one line.
    case compact
    /// Two spaces per level; an array without containers stays on one line. Ends without a newline.
    case pretty
    /// Two spaces a level; containers of this many outer levels break into lines, inner ones stay on one line.
    case lines(Int)
  }

  /// The text of a value. Object members keep their order.
  public static func string(_ value: JSONValue, style: Style = .compact) -> String {
    var writer = JSONWriter(style: style)
    writer.append(value, level: 0)
    return writer.text
  }

  private let style: Style
  private var text = ""

  private init(style: Style) { self.style = style }

  private mutating func append(_ value: JSONValue, level: Int) {
    switch value {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let number): text += number.text
    case .string(let string): append(string)
    case .array(let elements):
      let isNested = elements.contains { $0.isContainer }
      append(elements.map { (nil, $0) }, "[", "]", breaks: breaks(isNested, elements.count, level), level)
    case .object(let object):
      append(object.members.map { ($0.key, $0.value) }, "{", "}", breaks: breaks(true, object.count, level), level)
    }
  }

  private mutating func append(
    _ members: [(key: String?, value: JSONValue)], _ opening: String, _ closing: String, breaks: Bool, _ level: Int
  ) {
    text += opening
    for (index, member) in members.enumerated() {
      if index > 0 { text += style == .compact || breaks ? "," : ", " }
      if breaks { newLine(level + 1) }
      if let key = member.key {
        append(key)
        text += style == .compact ? ":" : ": "
      }
      append(member.value, level: level + 1)
    }
    if breaks { newLine(level) }
    text += closing
  }

  /// Whether a container of `count` elements breaks into lines; `isNested` when a pretty one would.
  private func breaks(_ isNested: Bool, _ count: Int, _ level: Int) -> Bool {
    switch style {
    case .compact: false
    case .pretty: isNested && count > 0
    case .lines(let levels): level < levels && count > 0
    }
  }

  private mutating func newLine(_ level: Int) { text += "\n" + String(repeating: "  ", count: level) }

  /// U+2028 and U+2029 are escaped although JSON allows them: reports are embedded in HTML pages, where scripts may
  /// not.
  private mutating func append(_ string: String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{0}"..."\u{1F}", "\u{7F}", "\u{2028}", "\u{2029}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

extension JSONValue {
  fileprivate var isContainer: Bool {
    switch self {
    case .array, .object: true
    default: false
    }
  }
}
