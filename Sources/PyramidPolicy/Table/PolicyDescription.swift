// The two texts that cross the table: what a policy type says of itself, and the arguments an instance is made from.
// Text and not structs because it is read once, is easy to check, and survives a plugin that gets it wrong.

/// What a policy type says of itself. As text: a line `kind TAB name TAB kinds of answers`, then one line per parameter,
/// `type TAB name TAB default TAB range TAB help`, and one per tensor, `tensor TAB name TAB shape TAB how many TAB`.
struct PolicyDescription: Equatable {
  var kind: PolicyKind
  var name: String
  var parameters: [PolicyParameter]
  var tensors: [PolicyTensor] = []
  /// The answers that it makes sense for; all for a pruning policy.
  var requires = Set(AnswerKind.allCases)

  var text: String {
    let answers = AnswerKind.allCases.filter(requires.contains).map(\.rawValue).joined(separator: " ")
    var lines = ["\(kind.rawValue)\t\(oneLine(name))\t\(answers)"]
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
    for tensor in tensors {
      lines.append("tensor\t\(oneLine(tensor.name))\t\(tensor.text)\t\(tensor.isPerBoundary ? "each" : "one")\t")
    }
    return lines.joined(separator: "\n")
  }
}

extension PolicyDescription {
  init(_ kind: PolicyKind, _ type: any Policy.Type, requires: Set<AnswerKind> = Set(AnswerKind.allCases)) {
    self.init(
      kind: kind, name: type.name, parameters: type.parameters, tensors: type.tensors, requires: requires)
  }

  /// Reads and checks a description; names, ranges and defaults must agree with each other.
  init(_ text: String) throws(PolicyError) {
    let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let head = fields(lines.first ?? "".utf8[...])
    let answers = head.last?.split(separator: " ").map { AnswerKind(rawValue: String($0)) } ?? []
    guard head.count == 3, let kind = PolicyKind(rawValue: head[0]), answers.allSatisfy({ $0 != nil }) else {
      throw .badDeclaration(policy: "?", reason: "its description cannot be read")
    }
    self.init(kind: kind, name: head[1], parameters: [], requires: Set(answers.compactMap { $0 }))
    guard !requires.isEmpty else { throw .badDeclaration(policy: name, reason: "it requires no kind of answers") }
    guard isKebabCase(name) else { throw .badDeclaration(policy: name, reason: "its name is not in kebab-case") }
    guard lines.count <= PolicySpec.Limits.written.arguments + 1 else {
      throw .badDeclaration(policy: name, reason: "it has more than \(PolicySpec.Limits.written.arguments) parameters")
    }
    for line in lines.dropFirst() {
      let parts = fields(line)
      if parts.count == 5, parts[0] == "tensor" {
        guard let tensor = PolicyTensor(parts[1], text: parts[2], isPerBoundary: parts[3] == "each") else {
          throw .badDeclaration(policy: name, reason: "tensor '\(parts[1])' of shape '\(parts[2])' makes no sense")
        }
        tensors.append(tensor)
        continue
      }
      guard let parameter = PolicyParameter(parts) else {
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
  if case .numbers(.learned(let symbol, let numbers?), _) = parameter.kind {
    return "#\(symbol)|\(PolicySpec.Value.numbers(numbers))"
  }
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
      let values = value.utf8.split(separator: UInt8(ascii: "|"), maxSplits: 1).map {
        (try? PolicySpec("x(x=\(Substring($0)))"))?.arguments.first?.value
      }
      guard let range else { return nil }
      switch (values.first, values.dropFirst().first) {
      case (.numbers(let values), nil): kind = .numbers(default: .values(values), range: range)
      case (.learned(let symbol), nil): kind = .numbers(default: .learned(symbol), range: range)
      case (.learned(let symbol), .numbers(let numbers)):
        kind = .numbers(default: .learned(symbol, orElse: numbers), range: range)
      default: return nil
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
    if case .learned(let symbol) = defaultValue {
      guard let numbers = numbers(without: symbol) else { return nil }
      if (try? checked(.numbers(numbers), policy: "")) != nil { return nil }
    } else if (try? checked(defaultValue, policy: "")) != nil {
      return nil
    }
    return "default \(defaultText(self)) of parameter '\(name)' is not \(expectation)"
  }
}

/// The text an instance is made from: a line with the model's layers, classes, heads and width (0 for unknown) and its kind of answers, one with
/// the shapes of its weights, then a specification with a value for each parameter. The weights' values are beside it,
/// one tensor after the other in the order declared.
enum CreationText {
  static func write(_ spec: PolicySpec, model: ModelFacts, shapes: [[Int]]) -> String {
    let shapes = shapes.map { $0.map(String.init).joined(separator: "x") }.joined(separator: " ")
    return "\(model.layers) \(model.classes) \(model.heads ?? 0) \(model.hidden ?? 0) \(model.answers.rawValue)\n"
      + "\(shapes)\n\(spec)"
  }

  static func read(
    _ text: String, _ values: UnsafeBufferPointer<Float>, for description: PolicyDescription
  ) throws(PolicyError) -> PolicyArguments {
    let lines = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
    let words = (lines.first ?? "").split(separator: " ")
    let (facts, answers) = (words.compactMap { Int($0) }, words.last.flatMap { AnswerKind(rawValue: String($0)) })
    guard lines.count == 3, facts.count == 4, words.count == 5, let answers else {
      throw .rejected("the arguments cannot be read")
    }
    let model = ModelFacts(
      layers: facts[0], classes: facts[1], heads: facts[2] == 0 ? nil : facts[2],
      hidden: facts[3] == 0 ? nil : facts[3], answers: answers)
    let shapes = lines[1].split(separator: " ").map { $0.split(separator: "x").compactMap { Int($0) } }
    let names = description.tensors.flatMap { $0.names(model) }
    guard names.count == shapes.count, shapes.reduce(0, { $0 + $1.reduce(1, *) }) == values.count else {
      throw .rejected("the weights cannot be read")
    }
    var start = 0
    let tensors = zip(names, shapes).map { name, shape in
      defer { start += shape.reduce(1, *) }
      return (name, LearnedTensor(shape: shape, values: Array(values[start..<start + shape.reduce(1, *)])))
    }
    return PolicyArguments(try PolicySpec(String(lines[2]), limits: .learned), model: model, tensors: tensors)
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
