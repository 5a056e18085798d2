// What a plugin's source hands over: the list `policies`, or else the type that has the file's name, whatever the case
// and whatever `-` and `_` are in the file's name. The text is only skimmed for names, as the compiler has the last
// word on whether they are at the top level, visible and policies.

struct PluginEntry {
  /// Expressions for the list of policies, the first to be tried first; none when the source names nothing to try.
  let candidates: [String]
  /// What a source needs, for an error: the name that was looked for, and the names that were found instead.
  let expected: String

  init(source: [UInt8], file: String) {
    let stem = Self.stem(of: file)
    let words = Self.words(of: source)
    var types: [String] = []
    var hasList = false
    for (introducer, name) in zip(words, words.dropFirst()) {
      switch introducer {
      case "let", "var": hasList = hasList || name == "policies"
      case "struct", "class", "enum", "actor", "typealias": if !types.contains(name) { types.append(name) }
      default: break
      }
    }
    let named = types.filter { Self.folded($0) == Self.folded(stem) }
    let others = types.filter { $0.utf8.first.map { $0 < UInt8(ascii: "a") } == true }
    candidates = (hasList ? ["policies"] : []) + named.map { "[\($0).self]" }
    expected = """
      a policy named like the file (\(named.first.map { "'\($0)'" } ?? "'\(stem)' in any case, without '-' and '_'")), \
      at the top level and not private, or a line `public let policies: [any Policy.Type] = [...]`\
      \(named.isEmpty && !others.isEmpty ? "; it declares \(others.joined(separator: ", "))" : "")
      """
  }

  /// The last component of a path without `.swift`.
  private static func stem(of file: String) -> String {
    let name = file.utf8.split(separator: UInt8(ascii: "/")).last ?? file.utf8[...]
    return String(decoding: name.dropLast(".swift".utf8.count), as: UTF8.self)
  }

  /// Runs of letters, digits and underscores; every byte beyond ASCII counts as a letter.
  private static func words(of source: [UInt8]) -> [String] {
    source.split { !isWordByte($0) }.map { String(decoding: $0, as: UTF8.self) }
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...0xFF: true
    default: false
    }
  }

  /// A name in lower case without hyphens and underscores.
  private static func folded(_ name: String) -> [UInt8] {
    name.utf8.compactMap { byte in
      switch byte {
      case UInt8(ascii: "-"), UInt8(ascii: "_"): nil
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
      default: byte
      }
    }
  }
}
