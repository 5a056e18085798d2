// A calibration for people: the settings around the one chosen, and, where none was, what is lacking.

import PyramidFormats

extension Calibration {
  /// The settings as a table, the chosen one marked, and a sentence on it.
  public var markdown: String {
    let around = chosen ?? 0
    let shown = max(around - 6, 0)..<min(around + 4, settings.count)
    let exits = goal.perExit ? places.map { $0 == 0 ? "entry" : "layer \($0)" } : []
    let rows = shown.map { index in
      let setting = settings[index]
      return [
        setting.exit + (index == chosen ? " <" : ""), "\(setting.whole.losses)/\(setting.whole.count)",
        decimal(100 * setting.whole.upperBound(confidence: goal.confidence), 2), significant(setting.gflop),
      ] + (goal.perExit ? places.map { "\(setting.exits[$0].losses)/\(setting.exits[$0].count)" } : [])
    }
    let table = markdownTable([["setting", "lost", "at most %, alone", "GFLOP"] + exits] + rows)
    guard let chosen else { return table }
    return table + "\nChosen: `\(settings[chosen].exit)`\n\n"
  }

  /// Why no setting was chosen, in a line.
  public var objection: String {
    let all = settings.first?.whole.count ?? 0
    let places = lacking.map { place, found, needed in
      guard let needed else { return "too many of the \(found) texts \(place) are lost" }
      let whole = found > 0 ? (Double(needed) / Double(found) * Double(all)).rounded(.up) : 0
      return "\(found) texts \(place), it takes about \(needed)"
        + (goal.perExit && whole > 0 ? " (\(decimal(whole, 0)) in all)" : "")
    }
    let bound =
      "no setting is proven to lose at most \(decimal(100 * goal.maxDrop, 2))% with a confidence of "
      + "\(decimal(100 * goal.confidence, 1))%"
    return places.isEmpty ? "\(bound): give safer settings" : "\(bound): \(places.joined(separator: "; "))"
  }
}
