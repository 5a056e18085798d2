// What a well-formed graph is, completely:
//
//  1. Names have the alphabet of the text form, and no two living values, weights or argument keys share one.
//  2. Sizes are positive and small enough that products of them are exact: fixed axes to 2^24, weights to 2^40
//     elements, admitted rows and bytes per row to 2^31 - 1. Types have one or two axes.
//  3. Declared policies can be read back from their text and are asked by a node, and nodes ask declared ones of their
//     kind (decide_exit C5, decide_prune C5). A placement names boundaries only.
//  4. `B0` and `T0` are declared first, with constant bounds. Every other dim is declared once, bounded by an earlier
//     dim of its family that holds what it selects from, `by` the one value that defines it; that value is a result of
//     decide_exit, decide_prune or keep_samples over exactly that dim, and every such result has a declaration. There
//     are at most 4096.
//  5. Sections follow each other in order and the layers are 0 ..< layers of the model, none missing unless the graph
//     trains.
//  6. Each value is made once, before it is read. Each kind of input, targets and features are brought in at most once.
//  7. Operands keep the numbered constraints of the operation (`Op.resultTypes`), declared types equal the inferred
//     ones, and types use only dims that are declared and already defined.
//  8. Offsets and tokens agree: attention, first_rows, bag_logits, decide_prune, keep_samples and compact_segments see rows of the
//     very token dim that their %segments counts. An index selects from the dim of the rows that it is applied to, and
//     offsets are compacted with the samples that the kept tokens belong to. Sample numbers come from `input samples`.
//  9. decide_exit and decide_prune stand in the section they name: a layer, or the entry.
// 10. A graph that classifies has exactly one classify, the last node, in the output section, and neither operations
//     nor a section of gradients. One that trains answers nothing; its backward operations stand in gradients.
// 11. Packed weights are matrices that only linear layers read as #w; a graph that trains packs and rounds none.
// 12. Slots exist, fit family and row of the value in them, hold no input, and never two values that live at the same
//     time; an elementwise result may replace an operand that dies there. Losses live to the end.
// 13. Costs are of sections that exist, one each, over declared dims; powers are 1, or 2 for tokens.
// 14. A node's kernel is one that exists: `Op.kernelPrecisions`.
//
// The rules are apart: 1-5 in Verifier+Preamble.swift, 6-7, 9-10 and 14 in Verifier+Nodes.swift, 8 in
// Verifier+Tokens.swift, 11-13 in Verifier+Memory.swift. The first 100 issues are collected; a node whose operands are
// broken is checked no further.

import PyramidPolicy

/// A place in a graph.
public enum GraphLocation: Hashable, Sendable {
  /// The graph as a whole, or its header.
  case graph
  /// The policy of a kind.
  case policy(PolicyKind)
  /// Index into the table of the same name.
  case dim(Int), weight(Int), slot(Int), cost(Int), node(Int)
}

/// One broken rule.
public struct VerifierIssue: Equatable, Sendable, CustomStringConvertible {
  /// Where.
  public let location: GraphLocation
  /// The part as the text form names it: `layer 0, %h0`, `dim T1`, `graph`.
  public let subject: String
  /// What is wrong: `linear C2: #w is f32[384, 768], expected f32[_, 384]`.
  public let message: String

  /// `layer 0, %h0: linear C3: ...`.
  public var description: String { "\(subject): \(message)" }
}

/// The rules that a graph breaks; never empty.
public struct VerifierError: Error, Equatable, CustomStringConvertible {
  /// The first 100 in the order found: preamble, then program order, then memory.
  public let issues: [VerifierIssue]

  /// One line for each issue.
  public var description: String { issues.map(\.description).joined(separator: "\n") }
}

extension Graph {
  /// Checks every rule of Verifier.swift; throws those that are broken, the first 100 of them.
  public func verify() throws(VerifierError) {
    var verifier = Verifier(self)
    verifier.checkPreamble()
    verifier.checkNodes()
    verifier.checkLayouts()
    verifier.checkSlots()
    verifier.checkCosts()
    if !verifier.issues.isEmpty { throw VerifierError(issues: verifier.issues) }
  }
}

/// The state of one verification.
struct Verifier {
  static let largestAxis = 1 << 24
  static let largestWeight = 1 << 40
  static let largestCount = Int(Int32.max)
  static let mostIssues = 100

  let graph: Graph
  /// By node: all checks read them.
  let facts: [OpFacts]
  var issues: [VerifierIssue] = []
  /// Node that makes each value, by value index; nil before its node is reached.
  var producer: [Int?]
  /// First node that makes each value, by value index, known from the start.
  var maker: [Int?]
  /// The dim that each value defines, from the declarations.
  var definedDim: [ValueID: Dim] = [:]
  /// Index of each dim's first declaration.
  var declaration: [Dim: Int] = [:]
  /// By declaration, that of the dim which bounds it.
  var bounds: [Int?] = []
  /// Dims that values may use so far in program order.
  var definedDims: Set<Dim> = [.admittedSamples, .admittedTokens]
  /// The dim that a value used last, declared and defined, as most of the next ones use it too.
  var lastDim: Dim?
  /// Values that have no usable type.
  var broken: Set<ValueID> = []
  /// What rule 8 knows of each value.
  var rowFacts: [RowFact?]

  init(_ graph: Graph) {
    self.graph = graph
    facts = graph.nodes.map(\.op.facts)
    producer = Array(repeating: nil, count: graph.values.count)
    rowFacts = Array(repeating: nil, count: graph.values.count)
    maker = producer
    // Walks take nodes by index where they can: a copy of one counts four references.
    for index in graph.nodes.indices {
      for result in graph.nodes[index].results where isKnown(result) && maker[result.index] == nil {
        maker[result.index] = index
      }
    }
    for (index, entry) in graph.dims.enumerated() {
      if declaration[entry.dim] == nil { declaration[entry.dim] = index }
      if let value = entry.definedBy, definedDim[value] == nil { definedDim[value] = entry.dim }
    }
    bounds = graph.dims.map { if case .dim(let bound) = $0.bound { declaration[bound] } else { nil } }
  }

  mutating func report(_ location: GraphLocation, _ message: String) {
    if issues.count == Self.mostIssues { return }
    issues.append(VerifierIssue(location: location, subject: subject(location), message: message))
  }

  func isKnown(_ value: ValueID) -> Bool { graph.values.indices.contains(value.index) }

  func isKnown(_ weight: WeightID) -> Bool { graph.weights.indices.contains(weight.index) }

  func name(_ value: ValueID) -> String { isKnown(value) ? "%" + graph[value].name : "%?\(value.index)" }

  private func subject(_ location: GraphLocation) -> String {
    switch location {
    case .graph: return "graph"
    case .policy(let kind): return "policy @\(graph.policies[kind]?.name ?? "")"
    case .dim(let index): return "dim \(graph.dims[index].dim)"
    case .weight(let index): return "weight #\(graph.weights[index].name)"
    case .slot(let index): return "slot \(index)"
    case .cost(let index): return "cost of \(graph.costs[index].section)"
    case .node(let index):
      let node = graph.nodes[index]
      return "\(node.section), \(node.results.first.map(name) ?? node.op.mnemonic)"
    }
  }
}
