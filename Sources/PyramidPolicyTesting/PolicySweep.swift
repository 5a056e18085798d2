// Several contenders in one option: `exit=entropy(threshold=0.01...0.8/12)` stands for twelve, two ranges for a grid. A
// range is text in place of a number, so it is taken apart before the policy SDK reads the specification.
//
//   range = number "..." number [ "/" count ]

import Glibc
import PyramidFormats

/// What one `--policy` stands for.
public struct PolicySweep: Sendable {
  /// The contenders, the last range's values changing fastest.
  public let options: [PolicyOption]
  /// How the values of each range lie, a sentence each.
  public let notes: [String]

  /// The most contenders that one option may stand for.
  public static let limit = 400

  /// Reads an option with ranges or without. Without a count both ends are whole numbers and all between them are meant;
  /// with one the values lie in equal steps, or in equal ratios where both ends are above 0 and the upper one is at least
  /// ten times the lower.
  public init(_ text: String) throws(ComparisonError) {
    let frame = try PolicyOption(text)
    var (exits, prunes) = (Pieces(frame.exit), Pieces(frame.prune))
    let ranges = try exits.takeRanges() + prunes.takeRanges()
    notes = ranges.map { "\(frame.name): \($0.note)" }
    let count = ranges.reduce(1) { min($0 * $1.values.count, Self.limit + 1) }
    guard count <= Self.limit else { throw ComparisonError("more than \(Self.limit) settings in one --policy") }
    options = (0..<count).map { number in
      var (rest, values) = (number, [String](repeating: "", count: ranges.count))
      for index in ranges.indices.reversed() {
        values[index] = ranges[index].values[rest % ranges[index].values.count]
        rest /= ranges[index].values.count
      }
      let exit = frame.exit.map { _ in exits.filled(Array(values.prefix(exits.count))) }
      let prune = frame.prune.map { _ in prunes.filled(Array(values.suffix(prunes.count))) }
      let setting = zip(ranges, values).map { "\($0.parameter)=\($1)" }.joined(separator: ", ")
      let name =
        frame.isUnnamed
        ? PolicyOption.name(exit, prune, frame.model) : ranges.isEmpty ? frame.name : "\(frame.name) \(setting)"
      return PolicyOption(name: name, exit: exit, prune: prune, model: frame.model)
    }
  }
}

/// A specification's text between its ranges.
private struct Pieces {
  private var texts: [String]

  /// A whole text, or none.
  init(_ text: String?) { texts = [text ?? ""] }

  /// Places to be filled.
  var count: Int { texts.count - 1 }

  func filled(_ values: [String]) -> String {
    zip(texts, values + [""]).map { $0 + $1 }.joined()
  }

  /// Cuts the text at its ranges, which are returned.
  mutating func takeRanges() throws(ComparisonError) -> [ValueRange] {
    let bytes = Array(texts[0].utf8)
    var (ranges, parts, start, depth): ([ValueRange], [String], Int, Int) = ([], [], 0, 0)
    var place = 0
    while place < bytes.count {
      if bytes[place] == UInt8(ascii: "[") { depth += 1 }
      if bytes[place] == UInt8(ascii: "]") { depth -= 1 }
      guard bytes[place] == UInt8(ascii: "="), depth == 0 else {
        place += 1
        continue
      }
      let end = bytes[place...].firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ")") } ?? bytes.count
      if let range = try ValueRange(bytes[(place + 1)..<end].trimmed, parameter: name(before: place, bytes)) {
        parts.append(String(decoding: bytes[start...place], as: UTF8.self))
        ranges.append(range)
        start = end
      }
      place += 1
    }
    texts = parts + [String(decoding: bytes[start...], as: UTF8.self)]
    return ranges
  }

  private func name(before place: Int, _ bytes: [UInt8]) -> String {
    let start = bytes[..<place].lastIndex { $0 == UInt8(ascii: "(") || $0 == UInt8(ascii: ",") } ?? -1
    return bytes[(start + 1)..<place].trimmed
  }
}

/// The values of one range.
private struct ValueRange {
  let parameter: String
  let values: [String]
  let note: String

  /// Reads a value; nil for one that is not a range.
  init?(_ text: String, parameter: String) throws(ComparisonError) {
    let bytes = Array(text.utf8)
    guard let dots = bytes.indices.dropLast(2).first(where: { bytes[$0...].starts(with: "...".utf8) }) else {
      return nil
    }
    let rest = bytes[(dots + 3)...].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    let lower = bytes[..<dots].trimmed
    guard let low = Double(lower), let upper = rest.first?.trimmed, let high = Double(upper), low.isFinite,
      high.isFinite, low < high, rest.count <= 2
    else {
      throw ComparisonError("\(parameter)=\(text): expected LOW...HIGH/COUNT, LOW below HIGH, such as 0.01...0.8/12")
    }
    // Nothing between such ends, no ratio and no power of ten that is reckoned with leaves what a Double can be.
    guard [low, high].allSatisfy({ $0 == 0 || (1e-100...1e100).contains(abs($0)) }) else {
      throw ComparisonError("\(parameter)=\(text): expected ends that are 0, or from 1e-100 to 1e100 in size")
    }
    self.parameter = parameter
    guard rest.count == 2 else {
      guard low == low.rounded(), high == high.rounded(), high - low < Double(PolicySweep.limit) else {
        throw ComparisonError("\(parameter)=\(text): how many values? say \(lower)...\(upper)/12")
      }
      values = (Int(low)...Int(high)).map(String.init)
      note = "\(parameter): \(values.count) values from \(lower) to \(upper)"
      return
    }
    guard let count = Int(rest[1].trimmed), (2...PolicySweep.limit).contains(count) else {
      throw ComparisonError("\(parameter)=\(text): expected 2 to \(PolicySweep.limit) values after '/'")
    }
    let isGeometric = low > 0 && high >= 10 * low
    values = (0..<count).map { index in
      let share = Double(index) / Double(count - 1)
      if index == 0 { return lower }
      if index == count - 1 { return upper }
      return Self.text(isGeometric ? low * pow(high / low, share) : low + (high - low) * share)
    }
    note = "\(parameter): \(count) values from \(lower) to \(upper) in equal \(isGeometric ? "ratios" : "steps")"
  }

  /// Four significant digits: what differs less is not another setting.
  private static func text(_ value: Double) -> String {
    guard value != 0 else { return "0" }
    let digits = 3 - Int(log10(abs(value)).rounded(.down))
    // A power of ten is exact where it is whole, so that 0.3 stays 0.3.
    let scale = pow(10, Double(abs(digits)))
    let rounded = digits >= 0 ? (value * scale).rounded() / scale : (value / scale).rounded() * scale
    return rounded == rounded.rounded() && abs(rounded) < 1e15 ? String(Int(rounded)) : rounded.description
  }
}
