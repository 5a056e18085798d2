// How the labels of a file name a model's classes: by their names or by their numbers, the whole file in one way. A file
// that is read partly by name and partly by number gives a false accuracy where classes are called "1" to "5".

/// The two ways to write a class.
public enum LabelSpelling: String, Sendable, CaseIterable {
  /// The class's name.
  case name
  /// Its number, from 0.
  case number
}

/// Class names, and which number each has.
public struct ClassNumbering: Sendable {
  /// The names in order.
  public let names: [String]
  private let numbers: [ExactString: [Int]]

  /// A numbering of names; a name that several classes have names none of them.
  public init(_ names: [String]) {
    self.names = names
    numbers = Dictionary(grouping: names.indices) { ExactString(names[$0]) }
  }

  /// How many classes have the name.
  func count(of name: String) -> Int { numbers[ExactString(name)]?.count ?? 0 }

  /// The class that a label means when it is read so; nil when there is none. A number may be written `1.0`.
  public func index(of label: String, by spelling: LabelSpelling) -> Int? {
    switch spelling {
    case .name: return count(of: label) == 1 ? numbers[ExactString(label)]?.first : nil
    case .number:
      guard let number = Int(label) ?? Double(label).flatMap({ Int(exactly: $0) }) else { return nil }
      return names.indices.contains(number) ? number : nil
    }
  }

  /// The classes, for errors: `it has A, B, or 0 to 1`.
  public var list: String {
    let known = names.prefix(20).map { $0.printable(limit: 40) }.joined(separator: ", ")
    return "it has " + known + (names.count > 20 ? ", ..." : "") + ", or 0 to \(names.count - 1)"
  }
}
