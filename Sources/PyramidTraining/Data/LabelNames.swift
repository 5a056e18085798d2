// Which classes there are and in which order: those of LABELS.txt, of the checkpoint, or of the data itself. The order
// decides what every number in a model means, so that it must not depend on the order of the rows.

import PyramidFormats

/// The classes of a training.
enum LabelNames {
  /// The classes in order. LABELS.txt decides when there is one; then the checkpoint's own, where the data's labels are
  /// among them, or are the numbers 0 to n - 1 of all of them; then what the data has: numbers in their order, names in
  /// the order of their scalars. Throws when a class has no row in `train`, and when there is only one.
  static func names(
    train: LabelledRecords, file: String?, checkpoint: [String]
  ) throws -> [String] {
    let found = Set(train.records.lazy.map { ExactString($0.label) })
    let names = try file.map { try read($0) } ?? matching(checkpoint, found) ?? sorted(found.map(\.text))
    guard names.count > 1 else {
      throw FormatError(file: train.file, problem: "all rows have the label '\(names[0].printable(limit: 80))'")
    }
    let rows = try LabelledDataSet(train, labels: names).rows
    let used = Set(rows.map(\.label))
    if let empty = names.indices.first(where: { !used.contains($0) }) {
      throw FormatError(
        file: train.file, problem: "no row has the label '\(names[empty].printable(limit: 80))' (class \(empty))")
    }
    return names
  }

  private static func matching(_ names: [String], _ found: Set<ExactString>) -> [String]? {
    if !names.isEmpty, found.isSubset(of: names.map(ExactString.init)) { return names }
    let numbers = Set(names.indices.map { ExactString(String($0)) })
    return !names.isEmpty && found == numbers ? names : nil
  }

  private static func sorted(_ found: [String]) -> [String] {
    let numbers = found.map { Int($0) }
    if numbers.contains(nil) { return found.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) } }
    return zip(found, numbers).sorted { ($0.1!, $0.0) < ($1.1!, $1.0) }.map(\.0)
  }

  /// Rows of `number<TAB>name`, the numbers from 0 in order.
  private static func read(_ path: String) throws -> [String] {
    let rows = try LabelledRecords(path: path, layout: TextLayout(.tsv))
    return try rows.records.enumerated().map { index, row in
      guard row.label == String(index) else {
        throw FormatError(file: path, place: row.place, problem: "expected \(index)<TAB>name")
      }
      return row.record.text
    }
  }
}
