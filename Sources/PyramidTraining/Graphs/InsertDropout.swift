// Where dropout stands in models of BERT's kind, found by the form of the graph: families need not know that they are
// trained. It is inserted before differentiation, so that gradients pass through the same masks.

import PyramidCompiler
import PyramidIR
import PyramidModels

extension Graph {
  /// A graph that trains with dropout where the rates are above 0: after the embeddings' norm, on attention
  /// probabilities, between a projection and the residual that it is added to, on [CLS] rows before the last head, and
  /// before the classifier of every head with a loss. Each place has its own stream, counted from 0.
  public func insertingDropout(_ rates: DropoutRates) throws -> Graph {
    var insertion = DropoutInsertion(graph: self)
    for id in nodes.map(\.id) { try insertion.visit(id, rates) }
    try insertion.insertBeforeHeads(rates)
    return insertion.graph
  }
}

private struct DropoutInsertion {
  var graph: Graph
  private var streams = 0

  init(graph: Graph) { self.graph = graph }

  /// Inserts what belongs to one node of embeddings or layers.
  mutating func visit(_ id: NodeID, _ rates: DropoutRates) throws {
    guard let index = graph.index(of: id) else { return }
    let node = graph.nodes[index]
    switch node.section {
    case .embeddings:
      if case .layerNorm = node.op { try dropOut(node.results[0], after: index, rates.embeddings) }
    case .layer:
      if case .attention(let heads, let emits) = node.op, rates.attention > 0 {
        graph.nodes[index].op = .gradient(
          .dropoutAttention(heads: heads, rate: rates.attention, stream: nextStream(), emits: emits))
      } else if let isFeedForward = isProjectionBeforeResidual(node, at: index) {
        try dropOut(node.results[0], after: index, isFeedForward ? rates.feedForward : rates.attentionOutput)
      }
    case .entry, .output, .gradients: return
    }
  }

  /// Whether a projection comes out of the feed-forward block, or out of attention; nil when no residual is added to it.
  private func isProjectionBeforeResidual(_ node: Node, at index: Int) -> Bool? {
    guard case .linear(.none) = node.op,
      graph.nodes[index...].contains(where: { $0.op == .add && $0.inputs.contains(node.results[0]) })
    else { return nil }
    var producer = graph.producer(of: node.inputs[0])
    while let moved = producer, moved.op == .compact { producer = graph.producer(of: moved.inputs[0]) }
    return producer.map { $0.op.attentionOfAll == nil } ?? true
  }

  /// The classifier is the layer that makes logits; the last head's is the one in the output section.
  mutating func insertBeforeHeads(_ rates: DropoutRates) throws {
    var done: Set<NodeID> = []
    for loss in graph.nodes {
      guard case .gradient(.crossEntropy) = loss.op, let classifier = graph.producer(of: loss.inputs[0]),
        case .linear(.none) = classifier.op, done.insert(classifier.id).inserted
      else { continue }
      if classifier.section == .output {
        var dense = graph.producer(of: classifier.inputs[0])
        if let node = dense, case .activate = node.op { dense = graph.producer(of: node.inputs[0]) }
        if let dense, case .linear = dense.op { try dropOut(inputOf: dense, rates.headInput) }
      }
      try dropOut(inputOf: classifier, rates.classifier)
    }
  }

  /// Lets one node read a value that is dropped out for it alone.
  private mutating func dropOut(inputOf node: Node, _ rate: Float) throws {
    guard rate > 0, let index = graph.index(of: node.id) else { return }
    let (nodes, made) = try makeDropout(node.inputs[0], rate, in: node.section)
    graph.nodes[index].inputs[0] = made
    graph.nodes.insert(contentsOf: nodes, at: index)
  }

  /// Lets all that reads a value read what is left of it.
  private mutating func dropOut(_ value: ValueID, after index: Int, _ rate: Float) throws {
    guard rate > 0 else { return }
    let (nodes, made) = try makeDropout(value, rate, in: graph.nodes[index].section)
    graph.insert(nodes, after: index, replacing: value, by: made)
  }

  private mutating func makeDropout(
    _ value: ValueID, _ rate: Float, in section: Section
  ) throws -> (nodes: [Node], made: ValueID) {
    let op = Op.gradient(.dropout(rate: rate, stream: nextStream()))
    let name = graph[value].name + ".dropped"
    return try graph.makeNodes(in: section) { builder in try builder.add(op, [value], name: name) }
  }

  private mutating func nextStream() -> Int {
    defer { streams += 1 }
    return streams
  }
}
