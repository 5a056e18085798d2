// Grammar of a node, which is one line:
//   [%result, ... =] OP [@policy] [word] [operands] [{attributes}] [: types] [in slots] [by OP.set[.precision]]

extension Parser {
  mutating func parseNode(in section: Section) throws(ParseError) {
    guard graph.nodes.count < Graph.maximumNodes else {
      throw error("more than \(Graph.maximumNodes) nodes", at: token)
    }
    nodeLine = token.line
    lines.nodes.append(nodeLine)
    try parseResultNames()
    let operation = try parseOperation()
    try parseResultTypes()
    try parseSlots()
    let kernel = try parseKernel(of: operation.mnemonic)
    guard kind == .endOfLine || isAt("}") else { throw unexpected("the end of the node") }
    nodeLine = 0
    var results: [ValueID] = []
    for (name, type, slot) in made { results.append(try define(name, type, slot: slot)) }
    var node = graph.makeNode(operation.op, operation.inputs, operation.weights, results: results, in: section)
    node.kernel = kernel
    graph.nodes.append(node)
  }

  /// `by linear.avx512.bf16`: the operation again, an instruction set, and a precision unless it is f32.
  private mutating func parseKernel(of mnemonic: String) throws(ParseError) -> Kernel? {
    guard try skipWord("by") else { return nil }
    let start = try takeToken(.word, "the kernel's name")
    for known in kernels where known.mnemonic == mnemonic {
      if spells(start, lexer.bytes[known.name.start..<known.name.end]) { return known.kernel }
    }
    let name = text(of: start)
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts[0] == mnemonic, parts.count == 2 || parts.count == 3 else {
      throw error("`\(name)` is not a kernel of \(mnemonic), expected \(mnemonic).SET[.PRECISION]", at: start)
    }
    let set: InstructionSet = try known(String(parts[1]), at: start, else: "`\(parts[1])` is not an instruction set")
    let precision: Precision =
      parts.count == 2 ? .f32 : try known(String(parts[2]), at: start, else: "`\(parts[2])` is not a precision")
    kernels.append((start, mnemonic, Kernel(set, precision)))
    return Kernel(set, precision)
  }

  private mutating func parseResultNames() throws(ParseError) {
    made.removeAll(keepingCapacity: true)
    guard kind == .value else { return }
    repeat {
      // No operation has more than four.
      guard made.count < 8 else { throw error("more than 8 results", at: token) }
      let name = try takeToken(.value, "`%` and a result's name")
      made.append((name, TensorType(.f32, []), nil))
    } while try skip(",")
    try take("=", "`,` or `=`")
  }

  private mutating func define(_ token: Token, _ type: TensorType, slot: Int?) throws(ParseError) -> ValueID {
    let value = ValueID(graph.values.count)
    let name = name(of: token)
    guard valueNames.updateValue(value, forKey: name) == nil else {
      throw error("%\(name) is made twice", at: token)
    }
    graph.values.append(Value(name: name, type: type, slot: slot))
    return value
  }

  private mutating func parseResultTypes() throws(ParseError) {
    guard !made.isEmpty else {
      if isAt(":") { throw error("a type without a result", at: token) }
      return
    }
    let start = try take(":", "`:` and the type")
    var count = 0
    repeat {
      let type = try parseType()
      if count < made.count { made[count].type = type }
      count += 1
    } while try skip(",")
    guard count == made.count else { throw error("\(count) types for \(made.count) results", at: start) }
  }

  private mutating func parseSlots() throws(ParseError) {
    let start = token
    guard try skipWord("in") else { return }
    var count = 0
    repeat {
      let slot: Int? = try skip("-") ? nil : try takeCount("a slot's number or `-`")
      if count < made.count { made[count].slot = slot }
      count += 1
    } while try skip(",")
    guard count == made.count else { throw error("\(count) slots for \(made.count) results", at: start) }
  }

  /// `f32[T0, 384]`; one or two axes.
  mutating func parseType() throws(ParseError) -> TensorType {
    let start = try takeToken(.word, "a type")
    guard let element = Element.allCases.first(where: { spells(start, $0.rawValue.utf8) }) else {
      throw error("`\(text(of: start))` is not an element type, expected f32 or i32", at: start)
    }
    try take("[")
    var extents: [Extent] = []
    repeat {
      guard extents.count < 2 else { throw error("more than two axes", at: token) }
      extents.append(try parseExtent())
    } while try skip(",")
    try take("]", "`,` or `]`")
    return TensorType(element, extents)
  }

  private mutating func parseExtent() throws(ParseError) -> Extent {
    guard isWord else { return .fixed(try takeCount("a dim or a size")) }
    let dim = try takeDim()
    guard try skip("+") else { return .dim(dim) }
    let start = token
    guard try takeInteger("1") == 1 else { throw error("only \(dim) + 1 is an axis", at: start) }
    return .dimPlusOne(dim)
  }

  /// Values, then weights.
  mutating func parseOperands() throws(ParseError) -> (inputs: [ValueID], weights: [WeightID]) {
    var inputs: [ValueID] = []
    var weights: [WeightID] = []
    guard kind == .value || kind == .weight else { return ([], []) }
    repeat {
      if kind == .value, weights.isEmpty {
        let (name, start) = try take(.value, "a value")
        guard let value = valueNames[name] else {
          let recent = graph.values.suffix(Self.mostCandidates).map(\.name)
          throw error("no node before makes %\(name)\(suggestion(for: name, among: recent, "%"))", at: start)
        }
        inputs.append(value)
      } else {
        let (name, start) = try take(.weight, weights.isEmpty ? "an operand" : "a weight, after which no value comes")
        guard let weight = weightNames[name] else {
          let known = graph.weights.prefix(Self.mostCandidates).map(\.name)
          throw error("#\(name) is not declared\(suggestion(for: name, among: known, "#"))", at: start)
        }
        weights.append(weight)
      }
    } while try skip(",")
    return (inputs, weights)
  }
}
