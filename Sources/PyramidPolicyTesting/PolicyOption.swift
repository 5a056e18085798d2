// Reads what `--policy` is given: a name and up to two policy specifications in one string. Only the frame is read
// here; what follows `exit=` and `prune=` is the policy SDK's syntax, in which spaces, commas and `=` stand
// inside parentheses and brackets.
//
//   option = [ name ":" ] { ( "exit" | "prune" ) "=" specification | "model" "=" path }

import PyramidEvaluation
import PyramidFormats

/// One contender as the user wrote it.
public struct PolicyOption: Sendable, Equatable {
  /// Its name in the report.
  public let name: String
  /// Text of the exit policy's specification; nil for none.
  public let exit: String?
  /// Text of the pruning policy's specification; nil for none.
  public let prune: String?

  /// Path of a model of its own, without policies unless they are given; nil for the model of the comparison.
  public let model: String?

  /// A contender from its parts.
  public init(name: String, exit: String? = nil, prune: String? = nil, model: String? = nil) {
    (self.name, self.exit, self.prune, self.model) = (name, exit, prune, model)
  }

  /// Whether the name was made of the parts.
  var isUnnamed: Bool { name == Self.name(exit, prune, model) }

  static func name(_ exit: String?, _ prune: String?, _ model: String?) -> String {
    [model, exit, prune].compactMap { $0 }.joined(separator: " + ")
  }

  /// Reads `NAME: exit=SPEC prune=SPEC model=PATH` with any part left out but one, or the parts without a name, which
  /// then is made of them. A path ends where another part begins.
  public init(_ text: String) throws(ComparisonError) {
    let bytes = Array(text.utf8)
    let keys = Self.keys(in: bytes)
    guard let first = keys.first else {
      throw ComparisonError("expected 'NAME: exit=SPEC prune=SPEC model=PATH', parts of which may be left out")
    }
    var values: [String: String] = [:]
    for (key, next) in zip(keys, keys.dropFirst().map(\.range.lowerBound) + [bytes.count]) {
      let value = bytes[key.range.upperBound..<next].trimmed
      guard !value.isEmpty else { throw ComparisonError("nothing after \(key.kind)=") }
      guard values.updateValue(value, forKey: key.kind) == nil else {
        throw ComparisonError("\(key.kind)= is given twice")
      }
    }
    (exit, prune, model) = (values["exit"], values["prune"], values["model"])
    let head = Array(bytes[..<first.range.lowerBound].trimmed.utf8)
    if head.isEmpty {
      name = Self.name(exit, prune, model)
      return
    }
    guard head.last == UInt8(ascii: ":") else {
      throw ComparisonError("expected ':' between the name and \(first.kind)=")
    }
    name = head.dropLast().trimmed.printable(limit: 80)
    guard !name.isEmpty else { throw ComparisonError("the name before ':' is empty") }
  }

  /// Each `exit=`, `prune=` and `model=` outside of parentheses with the bytes that it takes.
  private static func keys(in bytes: [UInt8]) -> [(kind: String, range: Range<Int>)] {
    var depth = 0
    return bytes.indices.compactMap { start in
      if "([".utf8.contains(bytes[start]) { depth += 1 }
      if ")]".utf8.contains(bytes[start]) { depth -= 1 }
      let isWordStart = start == 0 || bytes[start - 1].isSpace || bytes[start - 1] == UInt8(ascii: ":")
      guard depth == 0, isWordStart,
        let kind = ["exit", "prune", "model"].first(where: { bytes[start...].starts(with: $0.utf8) })
      else { return nil }
      let rest = bytes[(start + kind.utf8.count)...].drop(while: \.isSpace)
      return rest.first == UInt8(ascii: "=") ? (kind, start..<(rest.startIndex + 1)) : nil
    }
  }
}
