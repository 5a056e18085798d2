// The graph as JSON for tools that don't read the text form. Same content, same order, one part of the graph on a line.

/// A JSON value; objects keep the order of their keys.
private indirect enum JSON {
  case null
  case string(String)
  case number(String)
  case array([JSON])
  case object([(String, JSON)])

  static func integer(_ value: Int) -> JSON { .number("\(value)") }

  /// JSON has no infinities and no NaN: those are written as strings.
  static func double(_ value: Double) -> JSON { value.isFinite ? .number(shortest("\(value)")) : .string("\(value)") }

  /// Appends the text; `breaks` more levels put each element on a line of its own.
  func write(to text: inout String, breaks: Int, indent: Int = 0) {
    switch self {
    case .null: text += "null"
    case .string(let string): JSON.write(string, to: &text)
    case .number(let number): text += number
    case .array(let elements):
      JSON.write("[", "]", elements.count, breaks, indent, to: &text) { index, text in
        elements[index].write(to: &text, breaks: breaks - 1, indent: indent + 2)
      }
    case .object(let members):
      JSON.write("{", "}", members.count, breaks, indent, to: &text) { index, text in
        JSON.write(members[index].0, to: &text)
        text += ": "
        members[index].1.write(to: &text, breaks: breaks - 1, indent: indent + 2)
      }
    }
  }

  private static func write(
    _ open: String, _ close: String, _ count: Int, _ breaks: Int, _ indent: Int, to text: inout String,
    element: (Int, inout String) -> Void
  ) {
    let isBroken = breaks > 0 && count > 0
    text += open
    for index in 0..<count {
      if index > 0 { text += isBroken ? "," : ", " }
      if isBroken { text += "\n" + String(repeating: " ", count: indent + 2) }
      element(index, &text)
    }
    if isBroken { text += "\n" + String(repeating: " ", count: indent) }
    text += close
  }

  private static func write(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

extension Graph {
  /// The graph as one JSON object: `name`, `version`, `model`, `checkpoint`, `target`, `policies`, `dims`, `weights`,
  /// `slots`, `costs` and `nodes`; values are named without `%`, weights without `#`. A placement, which no compiled
  /// graph has any more, is left out.
  public var json: String {
    var text = ""
    JSON.object([
      ("name", .string(name)), ("version", .integer(1)), ("model", model),
      ("checkpoint", checkpoint.map(JSON.string) ?? .null), ("target", (target?.rawValue).map(JSON.string) ?? .null),
      ("policies", .array(policies.map(json))), ("dims", .array(dims.map(json))),
      ("weights", .array(weights.map(json))), ("slots", .array(slots.map(json))),
      ("costs", .array(costs.map(json))), ("nodes", .array(nodes.map(json))),
    ]).write(to: &text, breaks: 2)
    return text + "\n"
  }

  private var model: JSON {
    .object([
      ("family", .string(shape.family)), ("layers", .integer(shape.layers)), ("hidden", .integer(shape.hidden)),
      ("heads", .integer(shape.heads)), ("intermediate", .integer(shape.intermediate)),
      ("classes", .integer(shape.classes)),
    ])
  }

  private func json(_ policy: PolicyUse) -> JSON {
    let arguments: [(String, JSON)] = policy.arguments.map { argument in
      switch argument.value {
      case .number(let number): (argument.key, .double(number))
      case .numbers(let numbers): (argument.key, .array(numbers.map(JSON.double)))
      case .word(let word): (argument.key, .string(word))
      case .tensor(let tensor): (argument.key, .object([("tensor", .string(tensor))]))
      }
    }
    return .object([
      ("kind", .string(policy.kind.rawValue)), ("name", .string(policy.name)), ("arguments", .object(arguments)),
    ])
  }

  private func json(_ declaration: DimDeclaration) -> JSON {
    let bound: JSON =
      switch declaration.bound {
      case .constant(let count): .integer(count)
      case .dim(let dim): .string("\(dim)")
      }
    let value = declaration.definedBy.map { JSON.string(self[$0].name) } ?? .null
    return .object([("name", .string("\(declaration.dim)")), ("bound", bound), ("by", value)])
  }

  private func json(_ weight: Weight) -> JSON {
    let panels: JSON = if case .panels(let width) = weight.layout { .integer(width) } else { .null }
    return .object([
      ("name", .string(weight.name)), ("type", json(weight.type)), ("sources", .array(weight.sources.map(JSON.string))),
      ("packed", panels), ("precision", .string(weight.precision.rawValue)),
    ])
  }

  private func json(_ slot: Slot) -> JSON {
    .object([("rows", .string("\(Dim(slot.family, 0))")), ("bytes_per_row", .integer(slot.bytesPerRow))])
  }

  private func json(_ cost: SectionCost) -> JSON {
    func terms(_ terms: [CostTerm]) -> JSON {
      .array(
        terms.map { term in
          .object([
            ("coefficient", .integer(term.coefficient)), ("dim", .string("\(term.dim)")),
            ("power", .integer(term.power)),
          ])
        })
    }
    return .object([
      ("section", .string("\(cost.section)")), ("executed", terms(cost.executed)), ("paper", terms(cost.paper)),
    ])
  }

  private func json(_ type: TensorType) -> JSON {
    let extents: [JSON] = type.extents.map { extent in
      if case .fixed(let size) = extent { .integer(size) } else { .string("\(extent)") }
    }
    return .object([("element", .string(type.element.rawValue)), ("extents", .array(extents))])
  }

  private func json(_ node: Node) -> JSON {
    var attributes: [(String, JSON)] = node.op.attributes.map { attribute in
      switch attribute.spelling {
      case .number(let number): (attribute.key, .number(number))
      case .word(let word): (attribute.key, .string(word))
      case .words(let words): (attribute.key, .array(words.map(JSON.string)))
      }
    }
    if case .input(let kind) = node.op { attributes.append(("kind", .string(kind.rawValue))) }
    if let policy = node.op.policy { attributes.append(("policy", .string(policy))) }
    let results: [JSON] = node.results.map { value in
      .object([
        ("name", .string(self[value].name)), ("type", json(self[value].type)),
        ("slot", self[value].slot.map(JSON.integer) ?? .null),
      ])
    }
    return .object([
      ("section", .string("\(node.section)")), ("op", .string(node.op.mnemonic)),
      ("inputs", .array(node.inputs.map { .string(self[$0].name) })),
      ("weights", .array(node.weights.map { .string(self[$0].name) })), ("attributes", .object(attributes)),
      ("results", .array(results)), ("kernel", node.kernelName.map(JSON.string) ?? .null),
    ])
  }
}
