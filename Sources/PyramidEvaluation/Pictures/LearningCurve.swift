// A training as a picture: the loss as it falls, and the accuracy of heads on dev as it rises, over the updates of all
// stages one after the other.

import PyramidFormats

/// What a training's curve shows.
public struct LearningCurve: Sendable {
  /// Points with a name, in the order of their updates.
  public struct Series: Sendable {
    /// What the legend calls it.
    public let name: String
    /// Updates since the start of the training, and values.
    public var points: [(update: Double, value: Double)]

    /// A series.
    public init(name: String, points: [(update: Double, value: Double)]) { (self.name, self.points) = (name, points) }
  }

  /// Loss, one series a stage; drawn from 0 to the largest value.
  public let losses: [Series]
  /// Accuracies from 0 to 1, one series a head; drawn from just below the smallest value to 1.
  public let accuracies: [Series]
  /// Where each stage starts, with its title.
  public let stages: [(update: Double, title: String)]

  /// A curve. Values that are not finite are left out.
  public init(losses: [Series], accuracies: [Series], stages: [(update: Double, title: String)]) {
    func finite(_ series: [Series]) -> [Series] {
      series.map { Series(name: $0.name, points: $0.points.filter { $0.value.isFinite }) }
    }
    (self.losses, self.accuracies, self.stages) = (finite(losses), finite(accuracies), stages)
  }

  private static let width = 900.0, plotHeight = 220.0, left = 60.0, right = 130.0, gap = 70.0, top = 50.0
  private static let colours = [
    "#1d4ed8", "#c2410c", "#15803d", "#7e22ce", "#be123c", "#0e7490", "#a16207", "#334155",
  ]

  /// The curve as a self-contained SVG document.
  public var svg: String {
    var drawing = SVGText()
    let last = (losses + accuracies).flatMap(\.points).map(\.update).max() ?? 0
    let highest = losses.flatMap(\.points).map(\.value).max() ?? 0
    let lowest = accuracies.flatMap(\.points).map(\.value).min() ?? 0
    let second = Self.top + Self.plotHeight + Self.gap
    draw(losses, "loss", from: 0, to: max(highest, 1e-9), last: last, top: Self.top, named: false, &drawing)
    draw(
      accuracies, "accuracy on dev", from: min((lowest * 20).rounded(.down) / 20, 0.95), to: 1, last: last, top: second,
      named: true, &drawing)
    drawing.text(
      "\(decimal(last, 0)) updates", x: Self.width - Self.right, y: second + Self.plotHeight + 24, size: 12,
      colour: "#334155", anchor: "end")
    return drawing.document(width: Self.width, height: second + Self.plotHeight + 40, title: "Learning curve")
  }

  private func draw(
    _ series: [Series], _ title: String, from low: Double, to high: Double, last: Double, top: Double, named: Bool,
    _ drawing: inout SVGText
  ) {
    let (left, right, bottom) = (Self.left, Self.width - Self.right, top + Self.plotHeight)
    func x(_ update: Double) -> Double { left + (right - left) * update / max(last, 1) }
    func y(_ value: Double) -> Double { bottom - Self.plotHeight * (value - low) / (high - low) }
    drawing.text(title, x: left, y: top - 26, size: 14, colour: "#0f172a", weight: 600)
    for step in 0...4 {
      let value = low + (high - low) * Double(step) / 4
      drawing.line([(left, y(value)), (right, y(value))], colour: "#e2e8f0", width: 1)
      drawing.text(decimal(value, 3), x: left - 8, y: y(value) + 4, size: 11, colour: "#475569", anchor: "end")
    }
    for stage in stages {
      drawing.line([(x(stage.update), top), (x(stage.update), bottom)], colour: "#94a3b8", width: 1)
      drawing.text(stage.title, x: x(stage.update) + 4, y: top - 6, size: 11, colour: "#475569")
    }
    for (number, series) in series.enumerated() {
      let colour = named ? Self.colours[number % Self.colours.count] : Self.colours[0]
      drawing.line(series.points.map { (x($0.update), y($0.value)) }, colour: colour, width: 2)
      guard named else { continue }
      // A head that was judged once is a point.
      for point in series.points {
        drawing.rectangle(x: x(point.update) - 2, y: y(point.value) - 2, width: 4, height: 4, radius: 2, fill: colour)
      }
      drawing.text(series.name, x: right + 10, y: top + 14 + 16 * Double(number), size: 12, colour: colour)
    }
  }
}
