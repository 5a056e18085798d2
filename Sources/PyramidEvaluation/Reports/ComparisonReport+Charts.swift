// The page's charts: accuracy over operations with the front of what is worth choosing, where texts leave, and how long
// tokens live. Points carry the contender's number in the table, since names would run into each other.

import PyramidFormats

extension ComparisonReport {
  var paretoCaption: String {
    let hidden = numbered.count - drawn.count
    return
      "Up is better, left is cheaper; numbers are those of the table below. The line joins the policies that no "
      + "other contender beats." + (candidates.isEmpty ? "" : " Dashed: a bag of words first, then dense.")
      + (hidden > 0 ? " \(hidden) far below are not drawn." : "")
  }

  /// Contenders within the chart: those far below dense would press all others together.
  private var drawn: [(number: Int, entry: Entry)] {
    numbered.filter { $0.entry.answers.quality.value >= dense.answers.quality.value - 0.12 }
  }

  /// Quality over operations.
  var paretoChart: String {
    let shown =
      drawn.map(\.entry) + candidates.filter { $0.answers.quality.value >= dense.answers.quality.value - 0.12 }
    let most = headline.scale
    let values = shown.map { most * $0.answers.quality.value }
    let (lowest, highest) = (values.min() ?? 0, values.max() ?? most)
    let room = max((highest - lowest) * 0.08, 0.002 * most)
    let frame = ChartFrame(
      x: 0...max((shown.map(\.answers.gflop).max() ?? 1) * 1.05, 1e-9),
      y: (lowest - room)...max(min(highest + room, most), highest + room / 8))
    var chart = Chart(frame, x: "GFLOP per text", y: headline.title, title: "\(headline.heading) over operations")
    func point(_ entry: Entry) -> (Double, Double) { (entry.answers.gflop, most * entry.answers.quality.value) }
    let curve = entries.filter { $0.exit?.hasPrefix("bag-then-dense") == true } + candidates
    chart.line(
      curve.filter { entry in shown.contains { $0.name == entry.name } }.map(point).sorted { $0.0 < $1.0 }, "null")
    let front = drawn.filter { $0.entry.isOnFront && $0.entry.role != .null }.map(\.entry)
    chart.line(front.map(point).sorted { $0.0 < $1.0 }, "policy")
    for (number, entry) in drawn {
      chart.mark(point(entry), entry.role.rawValue, label: "\(number)", title: text(entry.name))
    }
    return chart.svg
  }

  /// Mean tokens alive by layer.
  var survivalChart: String {
    let shown = numbered.filter { $0.entry.role != .null }.prefix(9)
    let most = shown.flatMap(\.entry.answers.tokensAlive).max() ?? 1
    let frame = ChartFrame(x: 1...Double(max(layers, 2)), y: 0...max(most * 1.08, 1))
    var chart = Chart(frame, x: "layer", y: "tokens", title: "Tokens alive by layer", wholeX: true)
    for (number, entry) in shown {
      let points = entry.answers.tokensAlive.enumerated().map { (Double($0.offset + 1), $0.element) }
      chart.line(points, entry.role.rawValue)
      // Each number at another layer, so that lines that meet can be told apart.
      let place = points[min(points.count - 1, number % max(points.count, 1))]
      chart.mark(place, entry.role.rawValue, label: "\(number)", title: text(entry.name))
    }
    return chart.svg
  }

  /// A bar for each contender, cut into the places where its texts leave.
  var exitChart: String {
    let (left, right, row, gap) = (40.0, 880.0, 22.0, 8.0)
    let shown = numbered.prefix(24)
    var body = ""
    func shade(_ place: Int) -> String {
      // From light to dark blue, the same in both settings: no text stands on it.
      let share = Double(place) / Double(max(layers, 1))
      return "hsl(\(Int(205 + 25 * share)) 75% \(Int(82 - 48 * share))%)"
    }
    for (line, item) in shown.enumerated() {
      let y = 30 + Double(line) * (row + gap)
      body +=
        "<text x=\"\(decimal(left - 8, 1))\" y=\"\(decimal(y + 15, 1))\" text-anchor=\"end\">\(item.number)</text>\n"
      var x = left
      for (place, count) in item.entry.answers.exitHistogram.enumerated() where count > 0 {
        let width = (right - left) * Double(count) / Double(max(samples, 1))
        let name = place == 0 ? "at the entry" : "after layer \(place)"
        body +=
          "<rect x=\"\(decimal(x, 1))\" y=\"\(decimal(y, 1))\" width=\"\(decimal(max(width, 0.5), 1))\" "
          + "height=\"\(decimal(row, 0))\" fill=\"\(shade(place))\"><title>\(text(item.entry.name)): \(count) \(name)</title></rect>\n"
        x += width
      }
    }
    for place in 0...layers {
      let x = left + Double(place) * (right - left) / Double(layers + 1)
      body +=
        "<rect x=\"\(decimal(x, 1))\" y=\"6\" width=\"12\" height=\"12\" fill=\"\(shade(place))\"/>"
        + "<text x=\"\(decimal(x + 17, 1))\" y=\"16\" class=\"soft\">\(place == 0 ? "entry" : "\(place)")</text>\n"
    }
    return Chart.document(width: 900, height: 34 + Double(shown.count) * (row + gap), title: "Where texts leave", body)
  }
}

/// What a chart's plane shows.
private struct ChartFrame {
  let x, y: ClosedRange<Double>
  let left = 58.0, right = 880.0, top = 16.0, bottom = 330.0

  func place(_ point: (Double, Double)) -> (x: Double, y: Double) {
    (
      left + (right - left) * (point.0 - x.lowerBound) / (x.upperBound - x.lowerBound),
      bottom - (bottom - top) * (point.1 - y.lowerBound) / (y.upperBound - y.lowerBound)
    )
  }

  /// Round numbers within a range, four to ten of them.
  static func ticks(_ range: ClosedRange<Double>) -> (values: [Double], decimals: Int) {
    let span = range.upperBound - range.lowerBound
    var (power, decimals) = (1000.0, 0)
    // Steps of 5, 2 and 1 times falling powers of ten.
    while true {
      for factor in [5.0, 2, 1] where span / (factor * power) >= 4 {
        let step = factor * power
        let first = (range.lowerBound / step).rounded(.up)
        let values = stride(from: first, through: (range.upperBound / step).rounded(.down), by: 1).map { $0 * step }
        return (values, decimals)
      }
      power /= 10
      if power < 1 { decimals += 1 }
    }
  }
}

/// A chart in the making, coloured by the page's classes.
private struct Chart {
  private let frame: ChartFrame
  private let title: String
  private var body = ""

  init(_ frame: ChartFrame, x: String, y: String, title: String, wholeX: Bool = false) {
    (self.frame, self.title) = (frame, title)
    let (xs, xDecimals) = ChartFrame.ticks(frame.x)
    for value in wholeX ? Array(Set(xs.map { $0.rounded() })).sorted() : xs {
      let place = frame.place((value, frame.y.lowerBound)).x
      body +=
        "<line class=\"grid\" x1=\"\(decimal(place, 1))\" x2=\"\(decimal(place, 1))\" y1=\"\(decimal(frame.top, 1))\" y2=\"\(decimal(frame.bottom, 1))\"/>"
      body += label(decimal(value, wholeX ? 0 : xDecimals), place, frame.bottom + 18, anchor: "middle", "soft")
    }
    let (ys, yDecimals) = ChartFrame.ticks(frame.y)
    for value in ys {
      let place = frame.place((frame.x.lowerBound, value)).y
      body +=
        "<line class=\"grid\" x1=\"\(decimal(frame.left, 1))\" x2=\"\(decimal(frame.right, 1))\" y1=\"\(decimal(place, 1))\" y2=\"\(decimal(place, 1))\"/>"
      body += label(decimal(value, yDecimals), frame.left - 8, place + 4, anchor: "end", "soft")
    }
    body +=
      label(x, frame.right, frame.bottom + 36, anchor: "end", "soft")
      + label(y, frame.left + 6, frame.top + 12, anchor: "start", "soft")
  }

  mutating func line(_ points: [(Double, Double)], _ kind: String) {
    guard points.count > 1 else { return }
    let places = points.map { point in
      let place = frame.place(point)
      return "\(decimal(place.x, 1)),\(decimal(place.y, 1))"
    }
    body += "<polyline class=\"\(kind)\" points=\"\(places.joined(separator: " "))\"/>\n"
  }

  /// A dot with a number beside it; `title` is escaped.
  mutating func mark(_ point: (Double, Double), _ kind: String, label text: String, title: String) {
    let place = frame.place(point)
    body +=
      "<circle class=\"\(kind)\" cx=\"\(decimal(place.x, 1))\" cy=\"\(decimal(place.y, 1))\" r=\"4.5\"><title>\(title)</title></circle>"
    body += label(text, place.x + 8, place.y - 6, anchor: "start", kind)
  }

  private func label(_ text: String, _ x: Double, _ y: Double, anchor: String, _ kind: String) -> String {
    "<text class=\"\(kind)\" x=\"\(decimal(x, 1))\" y=\"\(decimal(y, 1))\" text-anchor=\"\(anchor)\">\(text)</text>\n"
  }

  var svg: String { Self.document(width: 900, height: 372, title: title, body) }

  static func document(width: Double, height: Double, title: String, _ body: String) -> String {
    let (w, h) = (decimal(width, 0), decimal(height, 0))
    return "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(w) \(h)\" width=\"\(w)\" "
      + "height=\"\(h)\" role=\"img\" aria-label=\"\(title)\">\n\(body)</svg>\n"
  }
}
