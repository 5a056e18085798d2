// What the labels of a file stand for: one class, several, or a number, and in which spelling. Everything that compares
// answers with a file's labels reads them through this, so that a label means the same in every tool.

/// What a model's answers are compared with.
public enum LabelKind: Sendable {
  /// One class.
  case one
  /// Any number of classes: names or numbers between commas, a JSON array of them, or an array of as many zeros and ones
  /// as there are classes.
  case several
  /// A number.
  case value
}

/// A record's label, understood.
public enum LabelTarget: Sendable, Equatable {
  /// Number of the class.
  case one(Int)
  /// Numbers of the classes, rising.
  case several([Int])
  /// The number.
  case value(Double)

  /// Number of the class; -1 where there is not one.
  public var index: Int { if case .one(let index) = self { index } else { -1 } }
}

/// Finds out, record by record, how a file names classes, and understands its labels.
public struct LabelReading: Sendable {
  /// What labels are compared with.
  public let kind: LabelKind
  /// The spellings that all labels so far fit.
  public private(set) var possible: [LabelSpelling]
  private let classes: ClassNumbering
  /// Whether some label would mean another class by name than by number.
  private var differs = false

  /// A reading of labels of these classes; `spelling` is the one to read by, where that is known.
  public init(_ kind: LabelKind, _ classes: ClassNumbering, spelling: LabelSpelling? = nil) {
    (self.kind, self.classes, possible) = (kind, classes, spelling.map { [$0] } ?? LabelSpelling.allCases)
  }

  /// How the labels are to be read; nil when names and numbers both fit and mean different classes.
  public var spelling: LabelSpelling? { possible.count == 2 && differs ? nil : possible.first }

  /// What to say where `spelling` is nil.
  public static let ambiguity =
    "labels fit as names of classes and as their numbers, and mean different ones; say --labels-by name or "
    + "--labels-by number"

  /// Takes a record's label in; returns what is wrong with it, nil when nothing is or there is none. A label that is wrong
  /// changes nothing.
  public mutating func take(_ record: TextRecord) -> String? {
    guard let label = record.label else { return nil }
    if kind == .one, record.labels != nil { return "is a list, and the model gives one label" }
    if kind == .value {
      return Self.number(label) == nil ? "'\(label.printable(limit: 80))' is not a number, which the model gives" : nil
    }
    let fitting = possible.filter { target(of: record, by: $0) != nil }
    guard fitting.isEmpty else {
      differs = differs || fitting.count == 2 && target(of: record, by: .name) != target(of: record, by: .number)
      possible = fitting
      return nil
    }
    let wrong = words(of: record).first { word in possible.allSatisfy { classes.index(of: word, by: $0) == nil } }
    let shown = "'\((wrong ?? label).printable(limit: 80))'"
    if let only = possible.first, possible.count == 1,
      classes.index(of: wrong ?? label, by: only == .name ? .number : .name) != nil
    {
      return "\(shown) is a class by its \(only == .name ? "number" : "name"), and the labels before are "
        + "\(only.rawValue)s; say --labels-by \(only.rawValue) if it is wrong, or mend the file"
    }
    let sharing = classes.count(of: wrong ?? label)
    if sharing > 1 { return "\(shown) names \(sharing) classes; label rows by number" }
    return "the model has no label \(shown); \(classes.list)"
  }

  /// What a record's label is when classes are spelled so; nil without a label, and for one that is none.
  public func target(of record: TextRecord, by spelling: LabelSpelling) -> LabelTarget? {
    guard let label = record.label else { return nil }
    switch kind {
    case .one: return record.labels == nil ? classes.index(of: label, by: spelling).map { .one($0) } : nil
    case .value: return Self.number(label).map { .value($0) }
    case .several:
      let words = words(of: record)
      if let flags = flags(words, isArray: record.labels != nil) { return .several(flags) }
      let numbers = words.compactMap { classes.index(of: $0, by: spelling) }
      return numbers.count == words.count ? .several(Set(numbers).sorted()) : nil
    }
  }

  /// The parts of a label of several classes.
  private func words(of record: TextRecord) -> [String] {
    if kind == .one { return record.label.map { [$0] } ?? [] }
    if let labels = record.labels { return labels }
    return (record.label ?? "").unicodeScalars.split(separator: ",").map { part in
      let start = part.drop { $0 == " " }
      return String(start[..<(start.lastIndex { $0 != " " }.map { start.index(after: $0) } ?? start.startIndex)])
    }.filter { !$0.isEmpty }
  }

  private func flags(_ words: [String], isArray: Bool) -> [Int]? {
    guard isArray, words.count == classes.names.count else { return nil }
    let values = words.map(Self.number)
    guard values.allSatisfy({ $0 == 0 || $0 == 1 }) else { return nil }
    return values.indices.filter { values[$0] == 1 }
  }

  private static func number(_ text: String) -> Double? { Double(text).flatMap { $0.isFinite ? $0 : nil } }
}
