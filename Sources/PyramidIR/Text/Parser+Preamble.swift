// Grammar of everything before the first section: model, checkpoint, target, policies, placement, dims, weights, slots
// and costs.

import PyramidPolicy

extension Parser {
  mutating func parseModel() throws(ParseError) {
    let start = token
    try expectWord("model")
    let family = try takeWord("the model's family")
    var attributes = try parseAttributes(of: "model", at: start)
    let task: ModelTask = attributes.has("task") ? try attributes.word("task", self) : .classification
    graph.shape = ModelShape(
      family: family,
      layers: try attributes.integer("layers", self), hidden: try attributes.integer("hidden", self),
      heads: try attributes.integer("heads", self), intermediate: try attributes.integer("intermediate", self),
      classes: try attributes.integer("classes", self), task: task)
    try attributes.finish(self)
  }

  /// Reads one item; false, having read nothing, when a section begins.
  mutating func parsePreambleItem() throws(ParseError) -> Bool {
    let start = token
    let word = text(of: start)
    if hasOpenCost, word != "cost" { hasOpenCost = false }
    switch word {
    case "entry", "embeddings", "layer", "output", "gradients": return false
    case "purpose":
      try advance()
      if graph.purpose != .classify { throw error("a second `purpose`", at: start) }
      let name = token
      let purpose = try takeWord("what the graph is for")
      graph.purpose = try known(purpose, at: name, else: "`\(purpose)` is not a purpose")
    case "task": try parseTask()
    case "checkpoint":
      try advance()
      if graph.checkpoint != nil { throw error("a second `checkpoint`", at: start) }
      graph.checkpoint = try takeString("the checkpoint's digest as a string")
    case "target":
      try advance()
      if graph.target != nil { throw error("a second `target`", at: start) }
      let name = token
      let set = try takeWord("the name of an instruction set")
      graph.target = try known(set, at: name, else: "`\(set)` is not an instruction set") as InstructionSet
    case "policies": try parsePolicies()
    case "place":
      try advance()
      if graph.placement != nil { throw error("a second `place`", at: start) }
      var attributes = try parseAttributes(of: "place", at: start)
      graph.placement = PolicyPlacement(
        exits: try attributes.boundaries("exits", self), prunes: try attributes.boundaries("prunes", self))
      try attributes.finish(self)
    case "dim": try parseDimDeclaration()
    case "weight": try parseWeight()
    case "slot": try parseSlot()
    case "cost": try parseCost()
    default:
      let known = [
        "task", "purpose", "checkpoint", "target", "policies", "place", "dim", "weight", "slot", "cost", "entry",
        "embeddings", "layer", "output", "gradients",
      ]
      throw error("`\(word)` begins nothing in a graph\(suggestion(for: word, among: known))", at: start)
    }
    return true
  }

  private mutating func parseTask() throws(ParseError) {
    let start = token
    try advance()
    guard graph.shape.tasks.count < TaskShape.most else { throw error("more than \(TaskShape.most) tasks", at: start) }
    let name = try takeWord("the task's name")
    var attributes = try parseAttributes(of: "task", at: start)
    let task: ModelTask = attributes.has("task") ? try attributes.word("task", self) : .classification
    graph.shape.tasks.append(
      TaskShape(name: name, classes: try attributes.integer("classes", self), task: task))
    try attributes.finish(self)
  }

  private mutating func parsePolicies() throws(ParseError) {
    try advance()
    try take("{")
    while !isAt("}") {
      let start = token
      let word = try takeWord("`exit` or `prune`")
      guard let kind = PolicyKind(rawValue: word) else {
        throw error("expected `exit` or `prune`, found `\(word)`", at: start)
      }
      guard graph.policies[kind] == nil else { throw error("a second \(word) policy", at: start) }
      lines.numbers[.policy(kind)] = start.line
      graph.policies[kind] = try parsePolicySpec()
    }
    try advance()
  }

  /// `@name(key = value, ...)`: after the `@`, the SDK's grammar.
  private mutating func parsePolicySpec() throws(ParseError) -> PolicySpec {
    guard kind == .policy else { throw unexpected("`@` and the policy's name") }
    var offset = token.start + 1
    let spec: PolicySpec
    do { spec = try PolicySpec.read(from: lexer.bytes, at: &offset) } catch {
      lexer.move(to: error.offset)
      try advance()
      throw unexpected(error.expected)
    }
    lexer.move(to: offset)
    try advance()
    return spec
  }

  private mutating func parseDimDeclaration() throws(ParseError) {
    lines.numbers[.dim(graph.dims.count)] = token.line
    try advance()
    let start = token
    let dim = try takeDim()
    guard graph.dims.count < Graph.maximumDims else { throw error("more than \(Graph.maximumDims) dims", at: start) }
    guard declaredDims.insert(dim).inserted else { throw error("\(dim) is declared twice", at: start) }
    try take("<", "`<=`")
    let bound: DimBound = isWord ? .dim(try takeDim()) : .constant(try takeCount("a constant or a dim"))
    if try skipWord("by") {
      definitions.append((graph.dims.count, try takeToken(.value, "`%` and the defining value")))
    }
    graph.dims.append(DimDeclaration(dim, bound: bound))
  }

  mutating func takeDim() throws(ParseError) -> Dim {
    let start = try takeToken(.word, "a dim")
    let letter = lexer.bytes[start.start]
    let digits = lexer.bytes[start.start + 1..<start.end]
    guard let family = DimFamily.allCases.first(where: { $0.rawValue.utf8.first == letter }), !digits.isEmpty,
      digits.allSatisfy(Lexer.isDigit), digits.count == 1 || digits.first != UInt8(ascii: "0"),
      let index = integer(digits.startIndex..<digits.endIndex)
    else { throw error("`\(text(of: start))` is not a dim, expected B or T and a number", at: start) }
    return Dim(family, index)
  }

  private mutating func parseWeight() throws(ParseError) {
    lines.numbers[.weight(graph.weights.count)] = token.line
    try advance()
    let (name, start) = try take(.weight, "`#` and the weight's name")
    guard weightNames.updateValue(WeightID(graph.weights.count), forKey: name) == nil else {
      throw error("#\(name) is declared twice", at: start)
    }
    try take(":")
    var weight = Weight(name: name, type: try parseType(), sources: [])
    if try skip("=") {
      repeat { weight.sources.append(try takeString("a tensor's name as a string")) } while try skip(",")
    }
    if try skipWord("packed") { weight.layout = .panels(try takeCount("the width of a panel")) }
    if try skipWord("as") {
      let start = token
      let word = try takeWord("a precision")
      weight.precision = try known(word, at: start, else: "`\(word)` is not a precision")
    }
    graph.weights.append(weight)
  }

  private mutating func parseSlot() throws(ParseError) {
    lines.numbers[.slot(graph.slots.count)] = token.line
    try advance()
    let start = token
    guard try takeInteger("the slot's number") == graph.slots.count else {
      throw error("slots are numbered from 0 in order, expected \(graph.slots.count)", at: start)
    }
    try take(":")
    let bytes = try takeCount("bytes for each row")
    try take("*")
    let dimToken = token
    let dim = try takeDim()
    guard dim.index == 0 else { throw error("a slot scales with B0 or T0, not \(dim)", at: dimToken) }
    graph.slots.append(Slot(family: dim.family, bytesPerRow: bytes))
  }

  private mutating func parseCost() throws(ParseError) {
    let start = token
    try advance()
    guard let section = try takeSection() else {
      throw error("expected `entry`, `embeddings`, `layer`, `output` or `gradients`", at: start)
    }
    let kindToken = token
    switch try takeWord("`executed` or `paper`") {
    case "executed":
      lines.numbers[.cost(graph.costs.count)] = start.line
      graph.costs.append(SectionCost(section: section, executed: try parseTerms(), paper: []))
      hasOpenCost = true
    case "paper":
      let last = graph.costs.count - 1
      guard hasOpenCost, graph.costs[last].section == section else {
        throw error("`paper` must follow the `executed` line of the same section", at: kindToken)
      }
      graph.costs[last].paper = try parseTerms()
      hasOpenCost = false
    default: throw error("expected `executed` or `paper`, found `\(text(of: kindToken))`", at: kindToken)
    }
  }

  /// `COEFFICIENT DIM[^2] + ...`, or `0`.
  private mutating func parseTerms() throws(ParseError) -> [CostTerm] {
    var terms: [CostTerm] = []
    repeat {
      let coefficient = try takeCount("operations for each unit")
      if coefficient == 0, terms.isEmpty, !isDimName { return [] }
      let dim = try takeDim()
      let power = try skip("^") ? try takeCount("a power") : 1
      terms.append(CostTerm(coefficient, dim, power: power))
    } while try skip("+")
    return terms
  }

  /// Whether a dim stands here, not the keyword of the next item.
  private var isDimName: Bool { isWord && Lexer.isDigit(lexer.bytes[token.end - 1]) }
}
