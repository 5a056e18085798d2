// The [CLS] row of one layer, computed without the layer's other rows. Shared by `last-layer-cls`, where no other row
// is read, and `peek`, where the others are computed later for the samples that stay.
//
// With one query for each head, attention re-associates (Op.firstAttention): keys and values of the other tokens are
// never formed. Everything after attention works row by row and is cloned for the [CLS] rows.

import PyramidIR

/// What a layer computes from its input to one of its values, when that is attention followed by row operations.
struct FirstRowPath {
  let graph: Graph
  let section: Section
  /// The layer's input, its attention's offsets and context, and the value whose [CLS] rows are wanted.
  let input, segments, context, output: ValueID
  /// How many tokens each row stands for, unless it is one.
  let sizes: ValueID?
  let heads: Int
  /// A weight and a bias, each by its type and the checkpoint tensors that it is made of.
  private typealias Projection = (weight: Part, bias: Part)
  private typealias Part = (type: TensorType, sources: [String])
  /// Of query, key and value.
  private let projections: [Projection]
  /// What the names of the layer's weights begin with: layers that share weights share those of this path.
  private let symbols: Substring
  /// Nodes after attention, in program order.
  let tail: [Node]

  /// Nil when the layer has another form.
  init?(_ graph: Graph, to output: ValueID) {
    let producers = graph.producers
    guard let last = producers[output].map({ graph.nodes[$0] }), case .layer = last.section,
      let attention = graph.nodes.last(where: { $0.section == last.section && $0.op.attentionOfAll != nil }),
      let heads = attention.op.attentionOfAll?.heads,
      let (input, projections, symbols) = Self.projections(of: attention, producers, graph)
    else { return nil }
    let context = attention.results[0]
    var tail: Set<Int> = []
    var open = [output]
    while let value = open.popLast() {
      if value == context || value == input { continue }
      guard let index = producers[value], graph.nodes[index].section == last.section,
        graph.nodes[index].op.facts.isRowwise
      else { return nil }
      if tail.insert(index).inserted { open += graph.nodes[index].inputs }
    }
    self.heads = heads
    self.graph = graph
    self.section = last.section
    self.input = input
    self.segments = attention.attendedSegments!
    self.sizes = attention.sizes
    self.context = context
    self.output = output
    (self.projections, self.symbols) = (projections, symbols)
    self.tail = tail.sorted().map { graph.nodes[$0] }
  }

  /// Nodes that compute the [CLS] rows of the output, f32[B, H], and the last one's result. They read the layer's input
  /// and offsets only; the caller places them.
  func makeNodes(in graph: inout Graph) throws -> (nodes: [Node], made: ValueID) {
    try graph.makeNodes(in: section) { builder in try makeNodes(in: &builder).output }
  }

  /// Appends those nodes, and returns the rows of the output and the attention weight of each token, f32[T], if that is
  /// asked.
  func makeNodes(
    in builder: inout GraphBuilder, emits: [Emission] = []
  ) throws -> (output: ValueID, emitted: [ValueID]) {
    guard case .layer(let layer) = section else { return (output, []) }
    let first = try builder.add(.firstRows, [input, segments], name: "first\(layer)")
    let weights = zip(["query", "key", "value"], projections).map { name, projection in
      [("weight", projection.weight), ("bias", projection.bias)].map { part, weight in
        builder.graph.weight("\(symbols).first.\(name).\(part)", weight.type, sources: weight.sources)
      }
    }
    let query = try builder.add(.linear(.none), [first], weights[0], name: "firstQuery\(layer)")
    let attended = try builder.addAll(
      .firstAttention(heads: heads, emits: emits), [query, input, segments] + (sizes.map { [$0] } ?? []),
      [weights[1][0], weights[2][0], weights[2][1]], names: ["firstContext\(layer)", "fromFirst\(layer)"])
    var rows = [input: first, context: attended[0]]
    for node in tail {
      rows[node.results[0]] = try builder.add(
        node.op, node.inputs.map { rows[$0]! }, node.weights, name: "first.\(self.graph[node.results[0]].name)")
    }
    return (rows[output]!, Array(attended.dropFirst()))
  }

  /// The value that query, key and value are projected from, the three projections, and what their names begin with.
  private static func projections(
    of attention: Node, _ producers: [ValueID: Int], _ graph: Graph
  ) -> (ValueID, [Projection], Substring)? {
    let projected = attention.inputs.prefix(attention.op.facts.attention?.segments ?? 0)
    let makers = projected.compactMap { producers[$0].map { graph.nodes[$0] } }
    guard makers.count == projected.count, let input = makers.first?.inputs.first,
      makers.allSatisfy({ $0.op == .linear(.none) && $0.inputs == [input] })
    else { return nil }
    func part(_ weight: WeightID) -> Part { (graph[weight].type, graph[weight].sources) }
    let weights: [Projection] = makers.map { (part($0.weights[0]), part($0.weights[1])) }
    let symbols = graph[makers[0].weights[0]].name.prefix { $0 != "." }
    if weights.count == 3 { return (input, weights, symbols) }
    // One joined projection: its sources are those of query, key and value.
    guard let (weight, bias) = weights.first, weight.sources.count == 3, bias.sources.count == 3 else { return nil }
    let columns = Extent.fixed(graph[makers[0].weights[0]].rowCount / 3)
    let (matrix, vector) = (TensorType(.f32, [columns, .fixed(weight.type.columns)]), TensorType(.f32, [columns]))
    return (input, zip(weight.sources, bias.sources).map { ((matrix, [$0]), (vector, [$1])) }, symbols)
  }
}

extension Graph {
  /// Nodes that `build` appends, without placing them, and what it returns.
  package mutating func makeNodes<Made>(
    in section: Section, _ build: (inout GraphBuilder) throws -> Made
  ) throws -> (nodes: [Node], made: Made) {
    let existing = nodes.count
    var builder = GraphBuilder(self)
    builder.section = section
    let made = try build(&builder)
    self = builder.graph
    defer { nodes.removeSubrange(existing...) }
    return (Array(nodes[existing...]), made)
  }
}
