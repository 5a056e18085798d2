// A dictionary key that compares strings byte by byte.
//
// Swift's own `==` on strings is canonical equivalence, under which a precomposed letter equals its decomposed
// spelling and a compatibility ideograph equals the unified one. Vocabularies hold such pairs as different tokens with
// different ids, so every table keyed by text from a file uses this type.

/// A string whose equality and hash are those of its UTF-8 bytes.
public struct ExactString: Hashable, Sendable {
  /// The string itself.
  public let text: String

  /// Wraps a string; no copy is made.
  public init(_ text: String) { self.text = text }

  public static func == (left: ExactString, right: ExactString) -> Bool { left.text.hasSameBytes(as: right.text) }

  public func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension String {
  /// Whether both strings are the same sequence of UTF-8 bytes.
  public func hasSameBytes(as other: String) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }
}

extension ExactString {
  /// Places of equal names, group by group, in the order of each group's first.
  package static func groups(_ names: [String]) -> [[Int]] {
    var numbers: [ExactString: Int] = [:]
    var groups: [[Int]] = []
    for (place, name) in names.enumerated() {
      let name = ExactString(name)
      if let number = numbers[name] {
        groups[number].append(place)
      } else {
        numbers[name] = groups.count
        groups.append([place])
      }
    }
    return groups
  }
}
