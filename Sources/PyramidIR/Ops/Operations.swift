// How many operations a node takes, as polynomials over the dims, and the counts of published papers beside them.
// Separate from the pass that stores the sums in the graph because tests and the pass both call it.
//
// Executed operations: a multiply-add is 2; an addition, multiplication, division, comparison or elementary function
// (exp, erf, tanh, square root) is 1; a moved element is 1. Paper operations: LTP's and Magic Pyramid's formula, matrix
// products only.

/// One term: `coefficient * dim ^ power`. For power 2 the term is the sum of squared sample lengths, since attention
/// stays within a sample.
public struct CostTerm: Hashable, Sendable {
  /// Operations for each unit.
  public let coefficient: Int
  /// What it scales with.
  public let dim: Dim
  /// 1, or 2 for token dims.
  public let power: Int

  /// A term.
  public init(_ coefficient: Int, _ dim: Dim, power: Int = 1) {
    self.coefficient = coefficient
    self.dim = dim
    self.power = power
  }
}

/// What one section costs by both counts.
public struct SectionCost: Hashable, Sendable {
  /// The section.
  public let section: Section
  /// Everything that runs.
  public let executed: [CostTerm]
  /// 2 (4 d^2 n_a + 2 d n_a^2 + 2 d d_ff n_f) for tokens n_a that enter the layer and n_f that outlive its pruning. A
  /// sample that leaves after the layer is not pruned there: for it n_f = n_a.
  public internal(set) var paper: [CostTerm]

  /// The costs of a section.
  public init(section: Section, executed: [CostTerm], paper: [CostTerm]) {
    self.section = section
    self.executed = executed
    self.paper = paper
  }
}

extension Activation {
  /// Operations for one element.
  public var operations: Int {
    switch self {
    case .none: 0
    case .relu, .tanh: 1
    case .sigmoid: 3
    case .gelu: 5
    case .geluTanh: 9
    }
  }
}

extension Graph {
  /// Operations of one normalised element: mean, centre, square and add, scale, gamma, beta.
  static let normOperations = 7
  /// Operations of one softmax element: maximum, difference, exp, sum, division.
  static let softmaxOperations = 5

  /// Executed operations of a node.
  public func executedOperations(of node: Node) -> [CostTerm] {
    func rows(_ value: ValueID, _ perRow: Int) -> [CostTerm] {
      guard perRow > 0, let dim = self[value].type.rows.dim else { return [] }
      return [CostTerm(perRow, dim)]
    }
    func linear(_ activation: Activation) -> Int {
      let type = self[node.weights[0]].type
      guard case .fixed(let columns) = type.rows else { return 0 }
      return columns * (2 * type.columns + 1 + activation.operations)
    }
    // What has no result is counted by the rows that it adds up: its last operand.
    guard let result = node.results.first ?? node.inputs.last else { return [] }
    func elements(_ perElement: Int) -> [CostTerm] { rows(result, perElement * self[result].type.columns) }
    switch node.op {
    case .input, .classify: return []
    case .embed: return elements(node.weights.count - 1)
    case .linear(let activation): return rows(result, linear(activation))
    case .linearAddNorm: return rows(result, linear(.none) + self[result].type.columns * (1 + Self.normOperations))
    case .activate(let activation): return elements(activation.operations)
    case .gate(let activation): return elements(activation.operations + 1)
    case .rotate(let rotation): return rows(result, 3 * rotation.columns)
    case .add, .firstRows, .concat, .compact: return elements(1)
    case .segmentMean: return rows(node.inputs[0], self[result].type.columns) + elements(1)
    case .layerNorm: return elements(Self.normOperations)
    case .softmax: return elements(Self.softmaxOperations)
    case .bagLogits:
      // Tokens that are skipped count like any other; then a division and the bias.
      let classes = self[result].type.columns
      return rows(node.inputs[0], (node.weights.count - 1) * classes) + rows(result, 2 * classes)
    case .attention(let heads, let emits), .attentionQKV(let heads, let emits):
      return attentionOperations(node, heads: heads, emits: emits)
        + (node.sizes == nil ? [] : self[node.results[0]].type.rows.dim.map { [CostTerm(heads, $0, power: 2)] } ?? [])
    case .relativeAttention(let relative, let emits): return relativeOperations(node, relative, emits)
    case .firstAttention(let heads, let emits):
      let (width, depth) = (self[node.inputs[0]].type.columns, self[node.inputs[1]].type.columns)
      let emitted = (emits.isEmpty ? 0 : heads + 1) + (node.sizes == nil ? 0 : heads)
      return rows(result, width * (4 * depth + 1))
        + rows(node.inputs[1], heads * (4 * depth + 1 + Self.softmaxOperations) + emitted)
    case .rowNorm(_, let count): return rows(result, 2 * count + 1)
    case .headMean(_, let count, _): return rows(result, count)
    case .pool: return rows(node.inputs[0], 2 * self[result].type.columns)
    case .decideExit: return ExitDecision(node).map { rows($0.logits, self[$0.logits].type.columns) } ?? []
    case .decidePrune:
      return PruneDecision(node)?.signals.flatMap { rows($0.operand, self[$0.operand].type.columns) } ?? []
    case .keepSamples, .compactSegments: return rows(result, 1)
    case .gradient(let op): return executedOperations(of: op, node)
    }
  }

  func attentionOperations(_ node: Node, heads: Int, emits: [Emission]) -> [CostTerm] {
    guard let tokens = self[node.results[0]].type.rows.dim else { return [] }
    let width = self[node.results[0]].type.columns
    let sumsColumns = emits.contains { $0 == .received || $0 == .fromOthers }
    let perPair = 4 * width + heads * (1 + Self.softmaxOperations + (sumsColumns ? 1 : 0))
    return [CostTerm(perPair, tokens, power: 2)] + (emits.isEmpty ? [] : [CostTerm((heads + 1) * emits.count, tokens)])
  }

  /// Those of attention, and of each pair what the terms add. A window is counted as if all keys were seen, which is an
  /// upper bound: how many are follows from each text's length.
  private func relativeOperations(_ node: Node, _ relative: RelativeAttention, _ emits: [Emission]) -> [CostTerm] {
    let (heads, width) = (relative.heads, self[node.results[0]].type.columns)
    let ofTerms = relative.terms.reduce(0) { $0 + heads + ($1 == .bias ? 0 : 2 * width) }
    let perPair = ofTerms + (node.sizes == nil ? 0 : heads)
    guard let tokens = self[node.inputs[node.op.facts.attention?.tokens ?? 0]].type.rows.dim else { return [] }
    guard relative.form == .first else {
      return attentionOperations(node, heads: heads, emits: emits) + [CostTerm(perPair, tokens, power: 2)]
    }
    let ofKey = 4 * width + heads * (1 + Self.softmaxOperations) + perPair
    return [CostTerm(ofKey + (emits.isEmpty ? 0 : heads + 1), tokens)]
  }

  /// Executed and paper operations of every section that has any, terms of one dim and power added up.
  public func countOperations() -> [SectionCost] {
    sections.map { nodes in
      let section = nodes.first!.section
      let executed = nodes.flatMap { executedOperations(of: $0) }
      return SectionCost(section: section, executed: Self.sum(executed), paper: paperOperations(of: section))
    }
  }

  private func paperOperations(of section: Section) -> [CostTerm] {
    guard case .layer(let number) = section, let entering = tokensEntering(layer: number) else { return [] }
    let leaving = tokensEntering(layer: number + 1) ?? entering
    let width = shape.hidden
    return Self.sum([
      CostTerm(8 * width * width, entering), CostTerm(4 * width, entering, power: 2),
      CostTerm(4 * width * shape.intermediate, leaving),
    ])
  }

  /// The dim of tokens alive when a layer, from 0, starts: that of its first attention; nil when it has none.
  public func tokensEntering(layer: Int) -> Dim? {
    for node in nodes where node.section == .layer(layer) {
      if let attention = node.op.facts.attention { return self[node.inputs[attention.tokens]].type.rows.dim }
    }
    return nil
  }

  private static func sum(_ terms: [CostTerm]) -> [CostTerm] {
    // Searched, not hashed: a section has a few dims.
    var sums: [CostTerm] = []
    for term in terms {
      guard let place = sums.firstIndex(where: { $0.dim == term.dim && $0.power == term.power }) else {
        sums.append(term)
        continue
      }
      // At most what 64 bits hold: a graph that nobody compiled may have any number of nodes of any width.
      let (sum, isTooMuch) = sums[place].coefficient.addingReportingOverflow(term.coefficient)
      sums[place] = CostTerm(isTooMuch ? .max : sum, term.dim, power: term.power)
    }
    return sums
  }
}

extension Graph {
  /// Executed operations of the same model without policies, for samples of T0 tokens each: every layer at full length,
  /// neither heads nor decisions nor moves between layers, and no scores handed out by attention.
  public func denseOperations() -> [CostTerm] {
    var terms: [CostTerm] = []
    for index in nodes.indices where isDense(nodes[index]) {
      var node = nodes[index]
      if let sizes = node.sizes { node.inputs.removeAll { $0 == sizes } }
      node.op = node.op.emitting([])
      for term in executedOperations(of: node) {
        terms.append(CostTerm(term.coefficient, Dim(term.dim.family, 0), power: term.power))
      }
    }
    return Self.sum(terms)
  }

  private func isDense(_ node: Node) -> Bool {
    if node.section == .entry { return false }
    guard case .layer(let layer) = node.section else { return true }
    // Nothing is decided in the last layer: all that it has runs without policies too.
    if layer == shape.layers - 1 { return true }
    // A number per token, not a row, is a signal.
    return !node.op.facts.servesPolicies
      && node.results.contains { self[$0].type.rows.dim?.family == .tokens && self[$0].type.extents.count == 2 }
  }
}
