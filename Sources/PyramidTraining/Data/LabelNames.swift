// Which classes there are and in which order: those of LABELS.txt, of the checkpoint, or of the data itself. The order
// decides what every number in a model means, so that it must not depend on the order of the rows.

import PyramidFormats

/// The classes of a training.
struct LabelNames {
  /// The classes in order.
  let names: [String]
  /// The names by the numbers that files give classes.
  private let numbered: [String]

  /// LABELS.txt decides which classes there are when there is one; then the checkpoint, where the data's labels are among
  /// its own, or are the numbers 0 to n - 1 of all of them; then the data: numbers in their order, names in the order of
  /// their scalars. Where the classes are the checkpoint's, their order is its own. Throws when a class has no row in
  /// `train`, which lies as `layout` says, when there is only one, and for labels that are no classes.
  init(train: LabelledRecords, layout: TextLayout, file: String?, checkpoint: [String]) throws {
    try Self.check(train)
    let found = Set(train.records.lazy.map { ExactString($0.label) })
    let known = try file.map { try Self.read($0) } ?? Self.matching(checkpoint, found)
    // Where the classes are known, a header is a label that is none of them.
    if known == nil { try Self.checkHeader(train, layout) }
    numbered = try known ?? Self.sorted(found, train)
    names = Self.areSame(numbered, checkpoint) ? checkpoint : numbered
    guard names.count > 1 else {
      throw FormatError(file: train.file, problem: "all rows have the label '\(names[0].printable(limit: 80))'")
    }
    let used = Set(try rows(of: train).map(\.label))
    if let empty = names.indices.first(where: { !used.contains($0) }) {
      throw FormatError(
        file: train.file, problem: "no row has the label '\(names[empty].printable(limit: 80))' (class \(empty))")
    }
  }

  /// The rows with the numbers of their classes. Throws for a label that is none of them.
  func rows(of records: LabelledRecords) throws(FormatError) -> [LabelledDataSet.Row] {
    try Self.check(records)
    let rows = try LabelledDataSet(records, labels: numbered).rows
    if names == numbered { return rows }
    let places = ClassNumbering(names)
    let numbers = numbered.map { places.index(of: $0, by: .name)! }
    return rows.map { $0.renumbered(numbers) }
  }

  /// Whether names say what classes are: not LABEL_0, LABEL_1 and so on, nor their numbers.
  static func areReal(_ names: [String]) -> Bool {
    !names.isEmpty && names != names.indices.map { "LABEL_\($0)" } && names != names.indices.map { String($0) }
  }

  /// Whether the names are the same ones, each once, in whatever order.
  static func areSame(_ names: [String], _ others: [String]) -> Bool {
    let (one, other) = (Set(names.map { ExactString($0) }), Set(others.map { ExactString($0) }))
    return one == other && names.count == one.count && others.count == one.count
  }

  /// Names of classes for an error.
  static func list(_ names: [String]) -> String {
    names.prefix(20).map { $0.printable(limit: 40) }.joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
  }

  private static func check(_ records: LabelledRecords) throws(FormatError) {
    guard let wrong = records.records.first(where: { $0.label.isEmpty || $0.record.labels != nil }) else { return }
    let problem = wrong.record.labels == nil ? "has an empty label" : "has a list of labels, and training is for one"
    throw FormatError(file: records.file, place: wrong.place, problem: problem)
  }

  private static func matching(_ names: [String], _ found: Set<ExactString>) -> [String]? {
    if !names.isEmpty, found.isSubset(of: names.map(ExactString.init)) { return names }
    let numbers = Set(names.indices.map { ExactString(String($0)) })
    return !names.isEmpty && found == numbers ? names : nil
  }

  private static func sorted(_ found: Set<ExactString>, _ train: LabelledRecords) throws(FormatError) -> [String] {
    if found.count > 50, found.count > train.records.count / 2 {
      throw FormatError(
        file: train.file,
        problem: "\(found.count) different labels in \(train.records.count) rows: is the label where the text is? "
          + "--label-column and --text-column say which column is which")
    }
    let found = found.map(\.text)
    let numbers = found.map { Int($0) }
    if numbers.contains(nil) { return found.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) } }
    return zip(found, numbers).sorted { ($0.1!, $0.0) < ($1.1!, $1.0) }.map(\.0)
  }

  /// A first row of a class of its own, where all other classes have more rows, names columns.
  private static func checkHeader(_ train: LabelledRecords, _ layout: TextLayout) throws(FormatError) {
    guard let first = train.records.first, layout.format != .jsonl, !layout.hasHeader else { return }
    var counts: [ExactString: Int] = [:]
    for row in train.records { counts[ExactString(row.label), default: 0] += 1 }
    let isAlone = counts[ExactString(first.label)] == 1 && counts.values.count(where: { $0 == 1 }) == 1
    guard isAlone, counts.count > 1 else { return }
    throw FormatError(
      file: train.file, place: first.place,
      problem: "is the only one with the label '\(first.label.printable(limit: 80))': is it a header? Then say "
        + "--header; else move it, or give its class more rows")
  }

  /// Rows of `number<TAB>name`, the numbers from 0 in order.
  private static func read(_ path: String) throws -> [String] {
    let rows = try LabelledRecords(path: path, layout: TextLayout(.tsv))
    return try rows.records.enumerated().map { index, row in
      guard row.label == String(index), !row.text.isEmpty else {
        throw FormatError(file: path, place: row.place, problem: "expected \(index)<TAB>name")
      }
      return row.text
    }
  }
}
