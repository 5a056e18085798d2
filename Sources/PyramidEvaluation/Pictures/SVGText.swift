// SVG text, element by element. The one place that escapes: every string from outside passes through `escaped` on its
// way in.

import PyramidFormats

/// An SVG document in the making.
struct SVGText {
  private var text = ""

  /// The document of what was drawn; `title` is what screen readers say.
  func document(width: Double, height: Double, title: String) -> String {
    let (w, h) = (decimal(width, 0), decimal(height, 0))
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(w) \(h)" width="\(w)" height="\(h)" role="img" \
      font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif">
      <title>\(Self.escaped(title))</title>
      <rect width="100%" height="100%" fill="#ffffff"/>
      \(text)</svg>

      """
  }

  /// A rectangle with round corners, and around it dashes of the colour `stroke`, if any; `hint` is shown to those who
  /// point at it.
  mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, radius: Double, fill: String, stroke: String? = nil,
    hint: String? = nil
  ) {
    text += "<rect x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(width))\" height=\"\(number(height))\""
    text += " rx=\"\(number(radius))\" fill=\"\(fill)\""
    if let stroke { text += " stroke=\"\(stroke)\" stroke-dasharray=\"5 4\"" }
    text += hint.map { "><title>\(Self.escaped($0))</title></rect>\n" } ?? "/>\n"
  }

  /// A line through points.
  mutating func line(_ points: [(x: Double, y: Double)], colour: String, width: Double) {
    let places = points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
    text += "<polyline points=\"\(places)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"\(number(width))\"/>\n"
  }

  /// A line of text whose baseline starts, or with the anchor `end` ends and with `middle` is centred, at a point;
  /// vertical text runs upwards.
  mutating func text(
    _ string: String, x: Double, y: Double, size: Double, colour: String, weight: Int = 400, anchor: String = "start",
    isVertical: Bool = false
  ) {
    text += "<text x=\"\(number(x))\" y=\"\(number(y))\" font-size=\"\(number(size))\" fill=\"\(colour)\""
    if weight != 400 { text += " font-weight=\"\(weight)\"" }
    if anchor != "start" { text += " text-anchor=\"\(anchor)\"" }
    if isVertical { text += " transform=\"rotate(-90 \(number(x)) \(number(y)))\"" }
    text += ">\(Self.escaped(string))</text>\n"
  }

  /// Text with XML's five special characters escaped and what XML 1.0 can't hold replaced by U+FFFD.
  static func escaped(_ string: String) -> String {
    var result = ""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\t", "\n", "\r": result += " "
      case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private func number(_ value: Double) -> String { decimal(value, 1) }
}
