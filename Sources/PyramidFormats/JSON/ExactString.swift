// A dictionary key that compares strings byte by byte.
//
// Swift's own `==` on strings is canonical equivalence, under which a precomposed letter equals its decomposed
// spelling and a compatibility ideograph equals the unified one. Vocabularies hold such pairs as different tokens with
// different ids, so every table keyed by text from a file uses this type.

import Glibc

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
    var left = self
    var right = other
    return left.withUTF8 { left in
      right.withUTF8 { right in
        guard left.count == right.count else { return false }
        guard let leftBase = left.baseAddress, let rightBase = right.baseAddress else { return true }
        return memcmp(leftBase, rightBase, left.count) == 0
      }
    }
  }
}
