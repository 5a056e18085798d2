// The two texts that cross the table: what a policy type says of itself, and the arguments an instance is made from.
// Text and not structs because it is read once, is easy to check, and survives a plugin that gets it wrong.

/// What a policy type says of itself. As text: a line `kind TAB name`, then one line per parameter,
/// `type TAB name TAB default TAB range TAB help`.
struct PolicyDescription: Equatable {
  var kind: PolicyKind
  var name: String
  var parameters: [PolicyParameter]

  var text: String {
    var lines = ["\(kind.rawValue)\t\(oneLine(name))"]
    for parameter in parameters {
      let (type, range): (String, String) =
        switch parameter.kind {
        case .number(_, let range): ("number", "\(range.lowerBound)...\(range.upperBound)")
        case .integer(_, let range): ("integer", "\(range.lowerBound)...\(range.upperBound)")
        case .numbers(_, let range): ("numbers", "\(range.lowerBound)...\(range.upperBound)")
        case .word(_, let choices): ("word", choices.joined(separator: "|"))
        case .flag: ("flag", "")
        }
      let fields = [type, parameter.name, defaultText(parameter), range, parameter.help]
      lines.append(fields.map(oneLine).joined(separator: "\t"))
    }
    return lines.joined(separator: "\n")
  }
}

extension PolicyDescription {
  /// Reads and checks a description; names, ranges and defaults must agree with each other.
  init(_ text: String) throws(PolicyError) {
    let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let head = fields(lines.first ?? "".utf8[...])
    guard head.count == 2, let kind = PolicyKind(rawValue: head[0]) else {
      throw .badDeclaration(policy: "?", reason: "its description cannot be read")
    }
    self.init(kind: kind, name: head[1], parameters: [])
    guard isKebabCase(name) else { throw .badDeclaration(policy: name, reason: "its name is not in kebab-case") }
    guard lines.count <= PolicySpec.Limits.written.arguments + 1 else {
      throw .badDeclaration(policy: name, reason: "it has more than \(PolicySpec.Limits.written.arguments) parameters")
    }
    for line in lines.dropFirst() {
      guard let parameter = PolicyParameter(fields(line)) else {
        throw .badDeclaration(policy: name, reason: "parameter line '\(String(Substring(line)))' cannot be read")
      }
      if let reason = parameter.contradiction { throw .badDeclaration(policy: name, reason: reason) }
      if parameters.contains(where: { $0.name == parameter.name }) {
        throw .badDeclaration(policy: name, reason: "parameter '\(parameter.name)' is declared twice")
      }
      parameters.append(parameter)
    }
  }
}

/// An integer's default is written as such: a `Double` would lose digits beyond 2^53.
private func defaultText(_ parameter: PolicyParameter) -> String {
  if case .integer(let value, _) = parameter.kind { return String(value) }
  return parameter.defaultValue.description
}

extension PolicyParameter {
  /// A parameter from its five fields, `nil` when they cannot be read.
  fileprivate init?(_ fields: [String]) {
    guard fields.count == 5 else { return nil }
    let value = fields[2]
    let kind: Kind
    switch fields[0] {
    case "number":
      guard let number = Double(value), let range: ClosedRange<Double> = bounds(fields[3]) else { return nil }
      kind = .number(default: number, range: range)
    case "integer":
      guard let number = Int(value), let range: ClosedRange<Int> = bounds(fields[3]) else { return nil }
      kind = .integer(default: number, range: range)
    case "numbers":
      let range: ClosedRange<Double>? = bounds(fields[3])
      guard let range, let spec = try? PolicySpec("x(x=\(value))") else { return nil }
      switch spec.arguments[0].value {
      case .numbers(let values): kind = .numbers(default: .values(values), range: range)
      case .learned(let symbol): kind = .numbers(default: .learned(symbol), range: range)
      case .number, .word: return nil
      }
    case "word": kind = .word(default: value, choices: fields[3].split(separator: "|").map { String($0) })
    case "flag": kind = .flag(default: value == "true")
    default: return nil
    }
    self.init(name: fields[1], kind: kind, help: fields[4])
  }

  /// What is wrong with the declaration, `nil` when nothing is.
  fileprivate var contradiction: String? {
    guard isKebabCase(name) else { return "parameter '\(name)' is not in kebab-case" }
    if case .word(_, let choices) = kind,
      let word = choices.first(where: { (try? PolicySpec("x(x=\($0))"))?.arguments.first?.value != .word($0) })
    {
      return "choice '\(word)' of parameter '\(name)' is not a word"
    }
    if case .learned = defaultValue { return nil }
    guard (try? checked(defaultValue, policy: "")) != nil else {
      return "default \(defaultText(self)) of parameter '\(name)' is not \(expectation)"
    }
    return nil
  }
}

/// The text an instance is made from: a line with the model's layers, classes and heads (0 for unknown), then a
/// specification with a value for each parameter.
enum CreationText {
  static func write(_ spec: PolicySpec, model: ModelFacts) -> String {
    "\(model.layers) \(model.classes) \(model.heads ?? 0)\n\(spec)"
  }

  static func read(_ text: String) throws(PolicyError) -> PolicyArguments {
    let lines = text.split(separator: "\n", maxSplits: 1)
    let facts = (lines.first ?? "").split(separator: " ").compactMap { Int($0) }
    guard lines.count == 2, facts.count == 3 else { throw .rejected("the arguments cannot be read") }
    let model = ModelFacts(layers: facts[0], classes: facts[1], heads: facts[2] == 0 ? nil : facts[2])
    return PolicyArguments(
      try PolicySpec(String(lines[1]), limits: .learned), model: model)
  }
}

private func fields(_ line: Substring.UTF8View) -> [String] {
  line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false).map { String(Substring($0)) }
}

/// `text` with a space for each control character, so that columns stay.
func oneLine(_ text: String) -> String {
  String(decoding: text.utf8.map { $0 < 0x20 ? 0x20 : $0 }, as: UTF8.self)
}

/// A range from its bounds, joined by `...`; they are compared before it is formed, as a reversed range would trap.
private func bounds<Bound: Comparable & LosslessStringConvertible>(_ text: String) -> ClosedRange<Bound>? {
  let bytes = Array(text.utf8)
  guard let dots = bytes.indices.dropLast(2).first(where: { bytes[$0..<$0 + 3].elementsEqual("...".utf8) }),
    let lower = Bound(String(decoding: bytes[..<dots], as: UTF8.self)),
    let upper = Bound(String(decoding: bytes[(dots + 3)...], as: UTF8.self)), lower <= upper
  else { return nil }
  return lower...upper
}
