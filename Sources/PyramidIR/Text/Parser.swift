// Reads the text form of a graph. The parser checks spelling and names only and keeps the types that the text declares;
// what makes a graph meaningful is the verifier's business. Grammar: the preamble is in Parser+Preamble.swift, nodes in
// Parser+Nodes.swift, payloads of operations in Parser+Ops.swift, tokens and literals in Parser+Tokens.swift.
//
// Work and memory are linear in the text, which is at most 16 MiB; nothing nests deeper than the grammar.

import PyramidPolicy

/// Why a text is not a graph, and where.
public struct ParseError: Error, Equatable, CustomStringConvertible {
  /// The file as the caller named it.
  public let file: String
  /// Line from 1; column from 1, in Unicode scalars.
  public let line, column: Int
  /// What was found and what was expected.
  public let message: String

  /// `file:line:column: message`.
  public var description: String { "\(file):\(line):\(column): \(message)" }
}

/// The line of each part of a parsed graph, so that verifier issues can be shown where they are.
public struct SourceLines: Sendable {
  var numbers: [GraphLocation: Int] = [:]
  /// Of nodes, of which there are many.
  var nodes: [Int] = []

  /// The line, from 1, of a location of the graph as it was parsed; the graph's first line for one that is unknown.
  public func line(of location: GraphLocation) -> Int {
    if case .node(let index) = location, nodes.indices.contains(index) { return nodes[index] }
    return numbers[location] ?? numbers[.graph] ?? 1
  }
}

extension Graph {
  /// Largest text accepted, in bytes.
  static let maximumTextBytes = 16 << 20
  /// Most nodes accepted: 100 layers with exits and pruning have 5,000, and a graph of this many opens in a fifth of a second.
  static let maximumNodes = 16_384
  /// Most dims accepted, here and by the verifier, which follows their bounds.
  static let maximumDims = 4096

  /// Reads a graph; `file` is for errors only. Throws the first error of spelling or naming.
  public static func parse(_ text: String, file: String = "<graph>") throws(ParseError) -> Graph {
    try parseWithLines(text, file: file).graph
  }

  /// Reads a graph and remembers on which line each part stands.
  public static func parseWithLines(
    _ text: String, file: String = "<graph>"
  ) throws(ParseError) -> (graph: Graph, lines: SourceLines) {
    guard text.utf8.count <= maximumTextBytes else {
      throw ParseError(
        file: file, line: 1, column: 1,
        message: "\(text.utf8.count) bytes of text, at most \(maximumTextBytes) are read")
    }
    var parser = try Parser(text, file: file)
    try parser.parseGraph()
    return (parser.graph, parser.lines)
  }
}

/// The state of one parse.
struct Parser {
  var lexer: Lexer
  /// The token under consideration.
  var token: Token
  /// Where the token before it ends.
  var previousEnd = 0
  /// The line that the node being read must end on; 0 outside nodes.
  var nodeLine = 0

  /// The results of the node being read, in memory that all nodes share.
  var made: [(name: Token, type: TensorType, slot: Int?)] = []

  var graph: Graph
  var lines = SourceLines()
  var valueNames: [String: ValueID] = [:]
  var weightNames: [String: WeightID] = [:]
  /// The kernels found so far, a few that graphs repeat, with their spelling and the mnemonic that it begins with.
  var kernels: [(name: Token, mnemonic: String, kernel: Kernel)] = []
  /// Names after `by` in dim declarations, resolved when all nodes are read.
  var definitions: [(dim: Int, name: Token)] = []
  var declaredDims: Set<Dim> = []
  /// An executed cost whose paper line may follow.
  var hasOpenCost = false

  init(_ text: String, file: String) throws(ParseError) {
    lexer = Lexer(text, file: file)
    token = Token(kind: .endOfText, start: 0, end: 0, line: 1)
    graph = Graph(
      name: "", shape: ModelShape(family: "", layers: 0, hidden: 0, heads: 0, intermediate: 0, classes: 0),
      samples: 0, tokens: 0)
    graph.dims = []
    try advance()
  }

  mutating func parseGraph() throws(ParseError) {
    lines.numbers[.graph] = token.line
    try expectWord("graph")
    graph.name = try take(.policy, "`@` and the graph's name").name
    try expectWord("version")
    let version = token
    guard try takeInteger("the version") == 1 else {
      throw error("version \(text(of: version)) is not known, expected 1", at: version)
    }
    try take("{")
    try parseModel()
    while isWord, try parsePreambleItem() {}
    while !isAt("}") { try parseSection() }
    try advance()
    guard token.kind == .endOfText else { throw unexpected("the end of the text") }
    try resolveDefinitions()
  }

  private mutating func parseSection() throws(ParseError) {
    let start = token
    guard let section = try takeSection() else {
      throw error(
        "expected `entry`, `embeddings`, `layer`, `output`, `gradients` or `}`, found `\(text(of: start))`", at: start)
    }
    try take("{")
    while !isAt("}") { try parseNode(in: section) }
    try advance()
  }

  /// The section that a word names, with its number; nil for another word.
  mutating func takeSection() throws(ParseError) -> Section? {
    switch try takeWord("a section") {
    case "entry": .entry
    case "embeddings": .embeddings
    case "layer": .layer(try takeCount("the layer's number"))
    case "output": .output
    case "gradients": .gradients
    default: nil
    }
  }

  private mutating func resolveDefinitions() throws(ParseError) {
    for (index, token) in definitions {
      guard let value = valueNames[name(of: token)] else {
        throw error("no node makes %\(name(of: token)), which should define \(graph.dims[index].dim)", at: token)
      }
      graph.dims[index].definedBy = value
    }
  }
}
