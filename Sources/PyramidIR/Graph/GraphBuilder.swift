// Appends nodes to a graph with their result types inferred, so that lowering reads like the model it lowers.
// It is separate from editing because only lowering and tests append; passes rewrite in place.

/// Appends nodes, section by section.
public struct GraphBuilder {
  /// The graph so far.
  public var graph: Graph
  /// Where the next node goes.
  public var section: Section = .embeddings

  /// A builder that continues a graph.
  public init(_ graph: Graph) { self.graph = graph }

  /// Appends a node and returns its first result. Operands that break a constraint are a programmer's error that the
  /// verifier reports; here the shape rule throws it.
  @discardableResult
  public mutating func add(
    _ op: Op, _ inputs: [ValueID], _ weights: [WeightID] = [], name: String
  ) throws(GraphError) -> ValueID { try addAll(op, inputs, weights, names: [name])[0] }

  /// Appends a node and returns all its results; `names` are given to the results in order.
  @discardableResult
  public mutating func addAll(
    _ op: Op, _ inputs: [ValueID], _ weights: [WeightID] = [], names: [String]
  ) throws(GraphError) -> [ValueID] {
    let types = try op.resultTypes(
      inputs: inputs.map { graph[$0].type }, weights: weights.map { graph[$0].type },
      newDim: op.definedFamily.map { graph.nextDim($0) })
    let results = zip(names, types).map { graph.makeValue($0, $1) }
    // What bounds the new dim: the samples or the tokens that are chosen from.
    if let family = op.definedFamily,
      let parent = family == .samples ? graph[inputs[0]].type.rows.dim : tokens(countedBy: inputs[0])
    {
      _ = graph.declareDim(family, boundedBy: parent, definedBy: results[0])
    }
    let node = graph.makeNode(op, inputs, weights, results: results, in: section)
    graph.nodes.append(node)
    return results
  }

  /// Appends a node without results.
  public mutating func addEffect(_ op: Op, _ inputs: [ValueID]) throws(GraphError) {
    try addAll(op, inputs, names: [])
  }

  /// The token dim whose offsets a segments value holds: the admitted one, or that of the `keep` it was compacted with.
  private func tokens(countedBy segments: ValueID) -> Dim? {
    guard let node = graph.producer(of: segments) else { return nil }
    if node.op == .input(.segments) { return .admittedTokens }
    return node.op == .compactSegments ? graph[node.inputs[1]].type.rows.dim : nil
  }
}
