// Writes the text form of a graph. Printing is a function of the graph alone, and print -> parse -> print is a fixed
// point. Names are printed as they are (the verifier holds them to the alphabet that can be read back), strings are
// escaped.
//
// `=` and ` : ` stand in columns within a section; a line too long for the column goes its own way instead of moving
// it.

extension Graph: CustomStringConvertible {
  /// The graph as `Graph.parse` reads it, with a line feed at the end.
  public var description: String {
    var printer = Printer(graph: self)
    printer.print()
    return printer.text
  }

  /// One node as its line in the text, without indentation.
  public func line(of node: Node) -> String {
    Printer(graph: self).pieces(of: node).joined(resultWidth: 0, operationWidth: 0)
  }
}

/// A node's line in three pieces that are put into columns.
private struct NodePieces {
  /// `%a, %b`, empty without results.
  let results: String
  /// Operation, operands and attributes.
  let operation: String
  /// Types, slots and kernel.
  let types: String

  func joined(resultWidth: Int, operationWidth: Int) -> String {
    var line = results.isEmpty ? operation : padded(results, resultWidth) + " = " + operation
    guard !types.isEmpty else { return line }
    if !results.isEmpty { line = padded(line, resultWidth + 3 + operationWidth) }
    return line + types
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
  }
}

private struct Printer {
  /// Widest results and operations that others are lined up with.
  static let widestResults = 24
  static let widestOperation = 64

  let graph: Graph
  var text = ""

  mutating func print() {
    text.reserveCapacity(256 + 128 * (graph.nodes.count + graph.weights.count))
    text += "graph @\(graph.name) version 1 {\n"
    printPreamble()
    for nodes in graph.sections { printSection(nodes) }
    text += "}\n"
  }

  private mutating func printPreamble() {
    let shape = graph.shape
    text += "  model \(shape.family) {layers \(shape.layers), hidden \(shape.hidden), heads \(shape.heads), "
    text += "intermediate \(shape.intermediate), classes \(shape.classes)"
    text += shape.task == .classification ? "}\n" : ", task \(shape.task.rawValue)}\n"
    for task in shape.tasks {
      text += "  task \(task.name) {classes \(task.classes)"
      text += task.task == .classification ? "}\n" : ", task \(task.task.rawValue)}\n"
    }
    if graph.purpose != .classify { text += "  purpose \(graph.purpose.rawValue)\n" }
    if let checkpoint = graph.checkpoint { text += "  checkpoint \(quoted(checkpoint))\n" }
    if let target = graph.target { text += "  target \(target.rawValue)\n" }
    if !graph.policies.isEmpty {
      text += "  policies {\n"
      for line in graph.policyLines { text += "    \(line)\n" }
      text += "  }\n"
    }
    if let placement = graph.placement {
      let attributes =
        OpAttribute.boundaries("exits", placement.exits) + OpAttribute.boundaries("prunes", placement.prunes)
      text += "  place" + braced(attributes) + "\n"
    }
    for declaration in graph.dims { text += "  \(line(of: declaration))\n" }
    for weight in graph.weights { text += "  \(line(of: weight))\n" }
    for (index, slot) in graph.slots.enumerated() {
      text += "  slot \(index) : \(slot.bytesPerRow) * \(Dim(slot.family, 0))\n"
    }
    for cost in graph.costs {
      text += "  cost \(cost.section) executed \(terms(cost.executed))\n"
      if !cost.paper.isEmpty { text += "  cost \(cost.section) paper \(terms(cost.paper))\n" }
    }
  }

  private func line(of declaration: DimDeclaration) -> String {
    let bound =
      switch declaration.bound {
      case .constant(let count): "\(count)"
      case .dim(let dim): "\(dim)"
      }
    let definition = declaration.definedBy.map { " by \(name($0))" } ?? ""
    return "dim \(declaration.dim) <= \(bound)\(definition)"
  }

  private func line(of weight: Weight) -> String {
    var line = "weight #\(weight.name) : \(weight.type)"
    if !weight.sources.isEmpty { line += " = " + weight.sources.map(quoted).joined(separator: ", ") }
    if case .panels(let width) = weight.layout { line += " packed \(width)" }
    if weight.precision != .f32 { line += " as \(weight.precision.rawValue)" }
    return line
  }

  private func terms(_ terms: [CostTerm]) -> String {
    terms.isEmpty ? "0" : terms.map(\.description).joined(separator: " + ")
  }

  private mutating func printSection(_ nodes: ArraySlice<Node>) {
    let lines = nodes.map(pieces)
    let withResults = lines.filter { !$0.results.isEmpty }
    let resultWidth = withResults.map(\.results.utf8.count).filter { $0 <= Self.widestResults }.max() ?? 0
    let operationWidth = withResults.map(\.operation.utf8.count).filter { $0 <= Self.widestOperation }.max() ?? 0
    text += "\n  \(nodes.first!.section) {\n"
    for line in lines { text += "    \(line.joined(resultWidth: resultWidth, operationWidth: operationWidth))\n" }
    text += "  }\n"
  }

  func pieces(of node: Node) -> NodePieces {
    var operation = node.op.head
    let operands = node.inputs.map(name) + node.weights.map { "#" + graph[$0].name }
    if !operands.isEmpty { operation += " " + operands.joined(separator: ", ") }
    operation += braced(node.op.attributes)
    var types = ""
    if !node.results.isEmpty {
      types = " : " + node.results.map { graph[$0].type.description }.joined(separator: ", ")
      if node.results.contains(where: { graph[$0].slot != nil }) {
        types += " in " + node.results.map { graph[$0].slot.map(String.init) ?? "-" }.joined(separator: ", ")
      }
    }
    if let kernel = node.kernelName { types += " by \(kernel)" }
    return NodePieces(results: node.results.map(name).joined(separator: ", "), operation: operation, types: types)
  }

  private func braced(_ attributes: [OpAttribute]) -> String {
    attributes.isEmpty ? "" : " {" + attributes.map(\.description).joined(separator: ", ") + "}"
  }

  private func name(_ value: ValueID) -> String { "%" + graph[value].name }
}

/// A string literal of the text form.
private func quoted(_ string: String) -> String {
  var text = "\""
  for scalar in string.unicodeScalars {
    switch scalar {
    case "\"": text += "\\\""
    case "\\": text += "\\\\"
    case "\n": text += "\\n"
    case "\t": text += "\\t"
    case _ where scalar.value < 0x20 || scalar.value == 0x7f: text += "\\u{\(String(scalar.value, radix: 16))}"
    default: text.unicodeScalars.append(scalar)
    }
  }
  return text + "\""
}

extension OpAttribute: CustomStringConvertible {
  /// `heads 12`, `reads position token-id`.
  public var description: String { "\(key) \(value)" }
}

extension OpAttribute.Value: CustomStringConvertible {
  /// The text after the key; floats have the fewest digits that read back equal, without a trailing `.0`.
  public var description: String {
    switch self {
    case .integer(let number): "\(number)"
    case .float(let number): "\(number)".hasSuffix(".0") ? String("\(number)".dropLast(2)) : "\(number)"
    case .word(let word): word
    case .words(let words): words.joined(separator: " ")
    }
  }
}

extension Op {
  /// What stands before the operands: `linear`, `input token-ids`, `decide_exit @entropy`.
  var head: String {
    let facts = facts
    let input = facts.input.map { " \($0.rawValue)" } ?? ""
    let policy = policy.map { " @\($0)" } ?? ""
    return facts.mnemonic + input + policy
  }
}

extension Graph {
  /// The policies as the preamble has them: `exit @entropy(threshold = 0.1)`.
  var policyLines: [String] {
    policies.all.map { kind, spec in "\(kind.rawValue) @\(spec.text(assigning: " = "))" }
  }
}

extension CostTerm: CustomStringConvertible {
  /// `1536 T0^2`.
  public var description: String { power == 1 ? "\(coefficient) \(dim)" : "\(coefficient) \(dim)^\(power)" }
}
