// The [CLS] row of one layer, computed without the layer's other rows. Shared by `last-layer-cls`, where no other row
// is read, and `peek`, where the others are computed later for the samples that stay.
//
// With one query for each head, plain attention re-associates (Op.firstAttention): keys and values of the other tokens are
// never formed. Where positions count (turned keys, windows, terms of distances) it does not: they are formed, and
// `peek`, which could not use them again, leaves such layers alone. Everything after attention works row by row and is
// cloned for the [CLS] rows, and so is a norm before the projections.

import PyramidIR

/// What a layer computes from its input to one of its values, when that is attention followed by row operations.
struct FirstRowPath {
  let graph: Graph
  let section: Section
  /// The layer's input, its attention's offsets and context, and the value whose [CLS] rows are wanted.
  let input, segments, context, output: ValueID
  /// Whether keys and values need not be formed for one query.
  var reassociates: Bool { relative == nil }
  /// What the attention computes where it does not re-associate, as of first tokens; its tables and the positions.
  private let relative: (op: RelativeAttention, tables: [WeightID], positions: ValueID)?
  /// How keys are turned, if they are.
  private let rotation: Rotation?
  /// The norm of the input that is projected, if there is one.
  private let norm: Node?
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
      let projection = Self.projections(of: attention, producers, graph)
    else { return nil }
    let attended = projection.input
    let norm = producers[attended].map { graph.nodes[$0] }.flatMap { node in
      if case .layerNorm = node.op, node.section == last.section { node } else { nil }
    }
    let input = norm?.inputs[0] ?? attended
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
    self.norm = norm
    (projections, symbols) = (projection.weights, projection.symbols)
    rotation = projection.rotation
    relative = Self.relative(attention, rotatedAt: projection.positions)
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
    func normed(_ value: ValueID, _ name: String) throws -> ValueID {
      try norm.map { try builder.add($0.op, [value], $0.weights, name: "\(name)\(layer)") } ?? value
    }
    let query = try builder.add(.linear(.none), [normed(first, "firstNormed")], weights[0], name: "firstQuery\(layer)")
    let attended = try attend(query, normed(input, "normed"), weights, emits, in: &builder, layer)
    var rows = [input: first, context: attended[0]]
    for node in tail {
      rows[node.results[0]] = try builder.add(
        node.op, node.inputs.map { rows[$0]! }, node.weights, name: "first.\(self.graph[node.results[0]].name)")
    }
    return (rows[output]!, Array(attended.dropFirst()))
  }

  /// The context of first tokens with these queries, and the attention weight of each token if that is asked. A first
  /// token has position 0, where turning changes nothing: queries are as they are.
  private func attend(
    _ query: ValueID, _ rows: ValueID, _ weights: [[WeightID]], _ emits: [Emission], in builder: inout GraphBuilder,
    _ layer: Int
  ) throws -> [ValueID] {
    let (names, sizes) = (["firstContext\(layer)", "fromFirst\(layer)"], sizes.map { [$0] } ?? [])
    guard let relative else {
      return try builder.addAll(
        .firstAttention(heads: heads, emits: emits), [query, rows, segments] + sizes,
        [weights[1][0], weights[2][0], weights[2][1]], names: names)
    }
    var key = try builder.add(.linear(.none), [rows], weights[1], name: "firstKeys\(layer)")
    if let rotation {
      let turned = Rotation(size: rotation.size, columns: builder.graph[key].type.columns, base: rotation.base)
      key = try builder.add(.rotate(turned), [key, relative.positions], name: "turnedKeys\(layer)")
    }
    let value = try builder.add(.linear(.none), [rows], weights[2], name: "firstValues\(layer)")
    return try builder.addAll(
      .relativeAttention(relative.op, emits: emits), [query, key, value, relative.positions, segments] + sizes,
      relative.tables, names: names)
  }

  private static func relative(
    _ attention: Node, rotatedAt positions: ValueID?
  ) -> (op: RelativeAttention, tables: [WeightID], positions: ValueID)? {
    if case .relativeAttention(let relative, _) = attention.op {
      return (relative.formed(.first), attention.weights, attention.inputs[relative.positions])
    }
    return positions.map { (RelativeAttention(heads: attention.op.facts.attention?.heads ?? 1, form: .first), [], $0) }
  }

  /// What query, key and value are projected from and by, and how the keys are turned by which positions.
  private struct Projected {
    let input: ValueID
    let weights: [Projection]
    /// What their names begin with.
    let symbols: Substring
    let rotation: Rotation?
    let positions: ValueID?
  }

  /// The value that query, key and value are projected from, and the three projections.
  private static func projections(
    of attention: Node, _ producers: [ValueID: Int], _ graph: Graph
  ) -> Projected? {
    let projected = attention.inputs.prefix(attention.op.facts.attention?.projected ?? 0)
    var (rotation, positions) = (nil as Rotation?, nil as ValueID?)
    let makers = projected.compactMap { value -> Node? in
      guard let node = producers[value].map({ graph.nodes[$0] }) else { return nil }
      guard case .rotate(let found) = node.op else { return node }
      (rotation, positions) = (found, node.inputs[1])
      return producers[node.inputs[0]].map { graph.nodes[$0] }
    }
    guard makers.count == projected.count, let input = makers.first?.inputs.first,
      makers.allSatisfy({ $0.op == .linear(.none) && $0.inputs == [input] })
    else { return nil }
    func part(_ weight: WeightID) -> Part { (graph[weight].type, graph[weight].sources) }
    let weights: [Projection] = makers.map { (part($0.weights[0]), part($0.weights[1])) }
    let symbols = graph[makers[0].weights[0]].name.prefix { $0 != "." }
    func made(_ weights: [Projection]) -> Projected {
      Projected(input: input, weights: weights, symbols: symbols, rotation: rotation, positions: positions)
    }
    if weights.count == 3 { return made(weights) }
    // One joined projection: its sources are those of query, key and value.
    guard let (weight, bias) = weights.first, weight.sources.count == 3, bias.sources.count == 3 else { return nil }
    let columns = Extent.fixed(graph[makers[0].weights[0]].rowCount / 3)
    let (matrix, vector) = (TensorType(.f32, [columns, .fixed(weight.type.columns)]), TensorType(.f32, [columns]))
    return made(zip(weight.sources, bias.sources).map { ((matrix, [$0]), (vector, [$1])) })
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
