// Draws a pyramid as SVG. Columns narrow as the text grows, and a text of more than 128 tokens is drawn in bands below
// each other, so that labels stay readable. Colours and sizes stand together in `Geometry`.

import PyramidFormats

extension PyramidPicture {
  /// The picture as a self-contained SVG document with a white ground.
  public var svg: String {
    var drawing = SVGText()
    let geometry = Geometry(tokens: tokens, layers: layers, caption: caption)
    drawing.text(caption, x: geometry.margin, y: 30, size: Geometry.captionSize, colour: "#0f172a", weight: 600)
    for band in 0..<geometry.bands {
      let positions = (band * geometry.columns)..<min((band + 1) * geometry.columns, max(tokens.count, 1))
      draw(positions, top: geometry.top(ofBand: band), geometry, &drawing)
    }
    return drawing.document(width: geometry.width, height: geometry.height, title: caption)
  }

  private func draw(_ positions: Range<Int>, top: Double, _ geometry: Geometry, _ drawing: inout SVGText) {
    let left = geometry.gutter
    let right = left + Double(geometry.columns) * geometry.columnWidth
    for layer in 1...layers {
      let y = top + Double(layers - layer) * geometry.rowHeight
      let middle = y + geometry.rowHeight / 2 + 4
      let isRun = layer <= exitLayer
      drawing.text(
        "layer \(layer)", x: left - 12, y: middle, size: 12, colour: isRun ? "#334155" : "#64748b", anchor: "end")
      if isRun {
        drawRow(layer, positions, y: y, geometry, &drawing)
      } else {
        drawing.rectangle(
          x: left, y: y + 3, width: right - left, height: geometry.rowHeight - 6, radius: 4, fill: "none",
          stroke: "#cbd5e1")
      }
      let count = isRun ? "\(alive[layer - 1].count) alive" : "not run"
      drawing.text(
        layer == exitLayer ? "\(count), left here" : count, x: right + 12, y: middle, size: 12,
        colour: layer == exitLayer ? "#c2410c" : isRun ? "#334155" : "#64748b", weight: layer == exitLayer ? 700 : 400)
    }
    if exitLayer == 0 {
      drawing.text(
        "left at the entry", x: right + 12, y: top + Double(layers) * geometry.rowHeight + 14, size: 12,
        colour: "#c2410c", weight: 700)
    }
    drawLabels(positions, baseline: top + Double(layers) * geometry.rowHeight + 6, geometry, &drawing)
  }

  private func drawRow(_ layer: Int, _ positions: Range<Int>, y: Double, _ geometry: Geometry, _ drawing: inout SVGText)
  {
    let gap = min(geometry.columnWidth * 0.15, 2)
    for position in alive[layer - 1] where positions.contains(position) {
      let score = scores[layer - 1][position]
      let shade = shades[layer - 1][position].map(Geometry.colour) ?? Geometry.colour(layer: layer, of: layers)
      let colour = layer == exitLayer ? "#f97316" : shade
      drawing.rectangle(
        x: geometry.gutter + Double(position - positions.lowerBound) * geometry.columnWidth + gap / 2, y: y + 2,
        width: geometry.columnWidth - gap, height: geometry.rowHeight - 4, radius: min(3, geometry.columnWidth / 5),
        fill: colour, hint: score.map { "\(tokens[position]): \(decimal(Double($0), 4))" })
    }
  }

  /// The base: tokens that reached the last layer run, all at the entry, are dark, the others grey.
  private func drawLabels(_ positions: Range<Int>, baseline: Double, _ geometry: Geometry, _ drawing: inout SVGText) {
    let last = Set(alive.last ?? Array(tokens.indices))
    for position in positions where tokens.indices.contains(position) {
      let isLast = last.contains(position)
      let x = geometry.gutter + (Double(position - positions.lowerBound) + 0.5) * geometry.columnWidth
      drawing.text(
        Geometry.shortened(tokens[position]), x: x + geometry.fontSize * 0.35, y: baseline, size: geometry.fontSize,
        colour: isLast ? "#0f172a" : "#5f6b7e", weight: isLast ? 600 : 400, anchor: "end", isVertical: true)
    }
  }
}

/// Sizes of a picture, in pixels.
private struct Geometry {
  let columns: Int
  let bands: Int
  let columnWidth: Double
  let fontSize: Double
  let labelHeight: Double
  let captionWidth: Double
  let layers: Int
  let margin = 20.0
  let gutter = 78.0
  let rowHeight = 26.0
  static let maximumColumns = 128
  static let captionSize = 16.0
  private let header = 48.0
  private let rightGutter = 150.0
  private let bandGap = 24.0

  init(tokens: [String], layers: Int, caption: String) {
    let count = max(tokens.count, 1)
    bands = (count - 1) / Self.maximumColumns + 1
    columns = (count - 1) / bands + 1
    columnWidth = min(max(1260 / Double(columns), 11), 26)
    fontSize = min(max(columnWidth * 0.62, 9.5), 13)
    let longest = tokens.lazy.map { Self.width(of: Self.shortened($0)) }.max() ?? 0
    labelHeight = longest * fontSize + 8
    captionWidth = Self.width(of: caption) * Self.captionSize
    self.layers = layers
  }

  var width: Double { max(gutter + Double(columns) * columnWidth + rightGutter, captionWidth + 2 * margin) }
  var height: Double { top(ofBand: bands) - bandGap + margin }

  func top(ofBand band: Int) -> Double {
    header + Double(band) * (Double(layers) * rowHeight + labelHeight + bandGap)
  }

  /// From a light blue on the first layer to a dark one on the last.
  static func colour(layer: Int, of layers: Int) -> String {
    let share = layers > 1 ? Double(layer - 1) / Double(layers - 1) : 0
    return mix([147, 197, 253], [30, 64, 175], share)
  }

  /// From a pale blue for the lowest score to a dark one for the highest.
  static func colour(shade: Double) -> String { mix([219, 234, 254], [30, 58, 138], shade) }

  private static func mix(_ low: [Double], _ high: [Double], _ share: Double) -> String {
    "rgb(" + zip(low, high).map { "\(Int($0 + share * ($1 - $0)))" }.joined(separator: ",") + ")"
  }

  /// At most 16 scalars of a token.
  static func shortened(_ token: String) -> String {
    let scalars = token.unicodeScalars
    return scalars.count <= 16 ? token : String(String.UnicodeScalarView(scalars.prefix(15))) + "…"
  }

  /// A text's width in units of its font size, by a generous guess: letters above U+1100 are mostly square.
  static func width(of text: String) -> Double {
    text.unicodeScalars.reduce(0) { $0 + ($1.value < 0x1100 ? 0.62 : 1.05) }
  }
}
