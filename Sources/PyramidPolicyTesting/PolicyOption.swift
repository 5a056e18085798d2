// Reads what `--policy` is given: a name and up to two policy specifications in one string. Only the frame is read
// here; what follows `exit=` and `prune=` is the policy SDK's syntax, in which spaces, commas and `=` stand
// inside parentheses and brackets.
//
//   option = [ name ":" ] { ( "exit" | "prune" ) "=" specification }

import PyramidFormats

/// One contender as the user wrote it.
public struct PolicyOption: Sendable, Equatable {
  /// Its name in the report.
  public let name: String
  /// Text of the exit policy's specification; nil for none.
  public let exit: String?
  /// Text of the pruning policy's specification; nil for none.
  public let prune: String?

  /// Reads `NAME: exit=SPEC prune=SPEC` with either part left out, or the parts without a name, which then is made of
  /// them.
  public init(_ text: String) throws(PolicyOptionError) {
    func failure(_ problem: String) -> PolicyOptionError { PolicyOptionError(description: problem) }
    let bytes = Array(text.utf8)
    let keys = Self.keys(in: bytes)
    guard let first = keys.first else {
      throw failure("expected 'NAME: exit=SPEC prune=SPEC', either part of which may be left out")
    }
    var values: [Key.Kind: String] = [:]
    for (key, next) in zip(keys, keys.dropFirst().map(\.start) + [bytes.count]) {
      let value = Self.trimmed(bytes[key.end..<next])
      guard !value.isEmpty else { throw failure("nothing after \(key.kind.rawValue)=") }
      guard values.updateValue(value, forKey: key.kind) == nil else {
        throw failure("\(key.kind.rawValue)= is given twice")
      }
    }
    (exit, prune) = (values[.exit], values[.prune])
    let head = Self.trimmed(bytes[..<first.start])
    if head.isEmpty {
      name = [values[.exit], values[.prune]].compactMap { $0 }.joined(separator: " + ")
      return
    }
    guard head.utf8.last == UInt8(ascii: ":") else {
      throw failure("expected ':' between the name and \(first.kind.rawValue)=")
    }
    name = Self.trimmed(Array(head.utf8.dropLast())[...]).printable(limit: 80)
    guard !name.isEmpty else { throw failure("the name before ':' is empty") }
  }

  /// `exit=` or `prune=` outside of parentheses, as a range of bytes.
  private struct Key {
    enum Kind: String, CaseIterable { case exit, prune }
    let kind: Kind
    let start: Int
    let end: Int
  }

  private static func keys(in bytes: [UInt8]) -> [Key] {
    var keys: [Key] = []
    var depth = 0
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
      default:
        let isWordStart = index == 0 || isSpace(bytes[index - 1]) || bytes[index - 1] == UInt8(ascii: ":")
        if depth == 0, isWordStart, let key = key(at: index, in: bytes) { keys.append(key) }
      }
    }
    return keys
  }

  private static func key(at start: Int, in bytes: [UInt8]) -> Key? {
    for kind in Key.Kind.allCases where bytes[start...].starts(with: kind.rawValue.utf8) {
      var end = start + kind.rawValue.utf8.count
      while end < bytes.count, isSpace(bytes[end]) { end += 1 }
      if end < bytes.count, bytes[end] == UInt8(ascii: "=") { return Key(kind: kind, start: start, end: end + 1) }
    }
    return nil
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
    let kept = bytes.drop(while: isSpace)
    let end = kept.lastIndex { !isSpace($0) } ?? kept.startIndex - 1
    return String(decoding: kept[kept.startIndex..<(end + 1)], as: UTF8.self)
  }
}

/// What is wrong with the text of a `--policy`, in one line; the option and its text are for the caller to name.
public struct PolicyOptionError: Error, CustomStringConvertible, Equatable {
  /// What was expected.
  public let description: String
}
