// Latency by length as a picture: one panel for each model and number of threads, one line for each runtime, its speed
// against ONNX Runtime f32. Both axes are logarithmic, so that twice as fast and half as fast are equally far from 1.
// Engines differ in colour, precisions in dashes, and this project's lines are the thick ones.

import PyramidFormats

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The chart of a benchmark's latency ratios.
public struct BenchmarkChart: Sendable {
  private struct Line {
    let runtime: BenchmarkResults.Runtime
    let points: [(tokens: Int, ratio: Double)]
  }

  private let panels: [(name: String, lines: [Line])]
  private let runtimes: [BenchmarkResults.Runtime]
  private let tokens: ClosedRange<Double>
  private let ratios: ClosedRange<Double>

  /// The chart of the lengths at which the baseline was measured, too; nil when there are none.
  public init?(_ results: BenchmarkResults) {
    panels = distinct(results.latency.map(\.setting)).map { setting in
      let rows = results.latency.filter { $0.setting == setting }
      let lines = distinct(rows.map(\.runtime)).map { Line(runtime: $0, points: Self.points($0, rows)) }
      return (setting.name, lines.filter { !$0.points.isEmpty })
    }.filter { !$0.1.isEmpty }
    let lines = panels.flatMap(\.lines)
    let points = lines.flatMap(\.points)
    guard let shortest = points.map(\.tokens).min(), let longest = points.map(\.tokens).max(),
      let lowest = points.map(\.ratio).min(), let highest = points.map(\.ratio).max()
    else { return nil }
    runtimes = distinct(lines.map(\.runtime))
    // A single length gets room on both sides; ratios get whole powers of two.
    tokens = shortest < longest ? Double(shortest)...Double(longest) : Double(shortest) / 2...Double(shortest) * 2
    ratios = exp2(min(log2(lowest).rounded(.down), -1))...exp2(max(log2(highest).rounded(.up), 1))
  }

  private static func points(
    _ runtime: BenchmarkResults.Runtime, _ rows: [BenchmarkResults.Latency]
  ) -> [(tokens: Int, ratio: Double)] {
    rows.filter { $0.runtime == runtime }.compactMap { row in
      rows.first { $0.runtime == .baseline && $0.tokens == row.tokens }.map {
        (tokens: row.tokens, ratio: row.speed(against: $0).median)
      }
    }.sorted { $0.tokens < $1.tokens }
  }

  /// The chart as a self-contained SVG document with a white ground.
  public var svg: String {
    let columns = min(panels.count, 2)
    let rows = (panels.count + columns - 1) / columns
    let legendRows = (runtimes.count + columns * 2 - 1) / (columns * 2)
    let top = 64 + Double(legendRows) * 20
    var drawing = SVGText()
    let title = "Batch-1 latency: speed against ONNX Runtime f32, by tokens"
    drawing.open(
      width: max(Double(columns) * Panel.width, Panel.leastPicture), height: top + Double(rows) * Panel.height,
      title: title)
    drawing.text(title, x: 20, y: 30, size: 16, colour: "#0f172a", weight: 600)
    for (index, runtime) in runtimes.enumerated() {
      let x = 20 + Double(index % (columns * 2)) * (Panel.width - 10) / 2
      let y = 56 + Double(index / (columns * 2)) * 20
      drawing.line([(x, y - 4), (x + 34, y - 4)], stroke(of: runtime))
      drawing.text(runtime.name, x: x + 42, y: y, size: 12, colour: "#334155", weight: runtime.isOurs ? 700 : 400)
    }
    for (index, panel) in panels.enumerated() {
      let frame = Panel(
        left: Double(index % columns) * Panel.width, top: top + Double(index / columns) * Panel.height, tokens: tokens,
        ratios: ratios)
      draw(panel.name, panel.lines, in: frame, &drawing)
    }
    drawing.close()
    return drawing.text
  }

  private func draw(_ name: String, _ lines: [Line], in panel: Panel, _ drawing: inout SVGText) {
    drawing.text(name, x: panel.plotLeft, y: panel.plotTop - 10, size: 13, colour: "#0f172a", weight: 600)
    var ratio = ratios.lowerBound
    while ratio <= ratios.upperBound {
      let y = panel.y(ratio)
      let grid = SVGText.Stroke(colour: ratio == 1 ? "#94a3b8" : "#e2e8f0", width: 1)
      drawing.line([(panel.plotLeft, y), (panel.plotRight, y)], grid)
      let label = ratio < 1 ? "1/\(decimal(1 / ratio, 0))x" : "\(decimal(ratio, 0))x"
      drawing.text(label, x: panel.plotLeft - 8, y: y + 4, size: 11, colour: "#64748b", anchor: "end")
      ratio *= 2
    }
    for tokens in Set(lines.flatMap(\.points).map(\.tokens)).sorted() {
      drawing.text(
        "\(tokens)", x: panel.x(tokens), y: panel.plotBottom + 16, size: 11, colour: "#64748b", anchor: "middle")
    }
    // This project's lines come last, on top of the others.
    for line in lines.filter({ !$0.runtime.isOurs }) + lines.filter(\.runtime.isOurs) {
      let stroke = stroke(of: line.runtime)
      let points = line.points.map { (panel.x($0.tokens), panel.y($0.ratio)) }
      drawing.line(points, stroke)
      for point in points { drawing.dot(x: point.0, y: point.1, radius: stroke.width, fill: stroke.colour) }
    }
  }

  private func stroke(of runtime: BenchmarkResults.Runtime) -> SVGText.Stroke {
    let colours = [
      "magic-pyramid": "#ea580c", "onnxruntime": "#475569", "openvino": "#2563eb", "pytorch": "#a21caf",
    ]
    let dashes = ["bf16": "7 4", "int8": "2 3", "int8+bf16": "8 3 2 3"]
    return SVGText.Stroke(
      colour: colours[runtime.engine] ?? "#0d9488", width: runtime.isOurs ? 3 : 1.5, dashes: dashes[runtime.precision])
  }
}

/// Where things are in one panel, in pixels.
private struct Panel {
  static let width = 480.0
  static let height = 320.0
  /// What the title needs.
  static let leastPicture = 600.0
  let left: Double
  let top: Double
  let tokens: ClosedRange<Double>
  let ratios: ClosedRange<Double>

  var plotLeft: Double { left + 56 }
  var plotRight: Double { left + Self.width - 24 }
  var plotTop: Double { top + 32 }
  var plotBottom: Double { top + Self.height - 36 }

  func x(_ count: Int) -> Double { plotLeft + share(Double(count), of: tokens) * (plotRight - plotLeft) }
  func y(_ ratio: Double) -> Double { plotBottom - share(ratio, of: ratios) * (plotBottom - plotTop) }

  private func share(_ value: Double, of range: ClosedRange<Double>) -> Double {
    log2(value / range.lowerBound) / log2(range.upperBound / range.lowerBound)
  }
}
