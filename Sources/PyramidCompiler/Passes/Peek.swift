// An exit head reads only the [CLS] row of its layer. That row is computed first and the exit decided on it; the other
// rows are computed for the samples that stay. A sample that leaves after layer k costs k - 1 layers and a peek.
//
// Four phases a layer: recognise the form that `schedule-policies` gives it (`LayerWithExit.init`); take the exit head
// out and put it on the [CLS] row alone (`headNodes`, `FirstRowPath`); narrow what the other nodes read to the samples
// that stay (`narrowing`); make those nodes read it (`rewritten`). Pruning in the layer then sees only samples that
// stay, so it needs no exit decision any more. A layer whose attention depends on positions keeps its exit at its end:
// for its [CLS] row all keys and values are needed, which is most of what a peek saves. So does a layer after which, by a
// profile, too few leave (`CostModel.peeks`): its weights are read for the one row and again for the others.

import PyramidFormats
import PyramidIR

/// Moves each exit decision before its layer.
struct Peek: Pass {
  static let name = "peek"

  func run(on graph: inout Graph, _ context: PassContext) throws {
    try context.profile?.check(against: graph, context)
    for layer in 0..<graph.shape.layers {
      guard let peeked = try LayerWithExit(graph, layer: layer)?.rewritten() else { continue }
      if try context.profile.map({ try pays(peeked, over: graph, layer, $0, context) }) ?? true { graph = peeked }
    }
    graph.removeDeadNodes()
    graph.renumberDims()
  }

  /// Whether a layer costs so much less peeked than plain, once pruning is where it goes in either.
  private func pays(
    _ peeked: Graph, over plain: Graph, _ layer: Int, _ profile: PolicyProfile, _ context: PassContext
  ) throws -> Bool {
    let flow = profile.flows(context.placement(in: plain)).layers[layer]
    let costs = try [peeked, plain].map { graph in
      var hoisted = graph
      try HoistCompaction().run(on: &hoisted, context)
      return LayerCost(hoisted, .layer(layer)).total(flow, .batchOfOne)
    }
    return CostModel.peeks(costs[0], costs[1])
  }
}

/// One layer that ends with an exit decision, in the form that `schedule-policies` gives it.
private struct LayerWithExit {
  var graph: Graph
  let layer: Int
  let path: FirstRowPath
  /// [CLS] rows of the layer's output, as the head reads them.
  let first: Node
  let decision: Node
  /// `decide_prune` or `keep_samples`.
  let selection: Node

  init?(_ graph: Graph, layer: Int) {
    let nodes = graph.nodes.filter { $0.section == .layer(layer) }
    guard let exit = nodes.first(where: { ExitDecision($0) != nil }),
      // A policy may read the row before the layer as well; that one comes from another section.
      let first = nodes.last(where: {
        $0.op == .firstRows && graph.producer(of: $0.inputs[0])?.section == .layer(layer)
      }),
      let path = FirstRowPath(graph, to: first.inputs[0]), path.section == .layer(layer),
      path.segments == first.inputs[1], path.reassociates,
      let selection = nodes.first(where: {
        $0.op.definesDim && $0.inputs.prefix(2) == [path.segments, exit.results[0]]
      })
    else { return nil }
    self.graph = graph
    self.layer = layer
    self.path = path
    self.first = first
    decision = exit
    self.selection = selection
  }

  func rewritten() throws -> Graph {
    var graph = graph
    let nodes = graph.nodes.filter { $0.section == path.section }
    let early = headNodes(nodes)
    var rest = nodes.filter { node in !early.contains { $0.id == node.id } && node.id != first.id }
    let (row, rows) = try path.makeNodes(in: &graph)
    let stay = decision.results[0]

    let (narrow, alive) = try narrowing(&graph, rest)
    var replaced: [ValueID: ValueID] = [:]
    if selection.op == .keepSamples {
      // Nothing else is taken out after the layer: what was compacted there is the layer's own rows.
      for node in rest where node.inputs.contains(selection.results[0]) {
        replaced[node.results[0]] = alive[node.inputs[0]] ?? node.inputs[0]
      }
      rest.removeAll { $0.id == selection.id || replaced[$0.results.first ?? stay] != nil }
    }
    for index in rest.indices {
      rest[index].inputs = rest[index].inputs.map { alive[$0] ?? $0 }
      if var decision = PruneDecision(rest[index]) {
        decision.stay = nil
        (rest[index].op, rest[index].inputs) = (decision.op, decision.operands)
      }
      if rest[index].op == .compactSegments { rest[index].inputs.removeAll { $0 == stay } }
    }
    let place = graph.nodes.firstIndex { $0.section == path.section }!
    graph.remove(Set(nodes.map(\.id)))
    // Samples move last: where tokens are taken out, samples are still told apart by the old numbers.
    let moves = early.filter { $0.op == .compact }
    graph.nodes.insert(contentsOf: row + early.filter { $0.op != .compact } + narrow + moves + rest, at: place)
    graph.replaceUses(of: first.results[0], by: rows)
    for (old, new) in replaced { graph.replaceUses(of: old, by: new) }
    try graph.inferTypes()
    return graph
  }

  /// Exit head and decision: what the decision reads, as far as it comes from the [CLS] rows, the mean of the layer's
  /// input beside them, and what moves samples.
  private func headNodes(_ nodes: [Node]) -> [Node] {
    var made: Set<ValueID> = [first.results[0]]
    var head: [Node] = []
    for node in nodes where node.id != first.id && node.id != selection.id {
      // What has a row of numbers for each sample is only of a head, and known before the layer: a mean, another [CLS] row,
      // a share of the entry's logits.
      let type = node.results.first.map { graph[$0].type }
      let isOfSamples = type?.element == .f32 && type?.rows.dim?.family == .samples
      let isOfHead = isOfSamples || node.inputs.contains { made.contains($0) }
      let movesSamples = node.op == .compact && node.inputs[1] == decision.results[0]
      if node.id == decision.id || movesSamples || isOfHead && node.op != .compactSegments {
        head.append(node)
        made.formUnion(node.id == decision.id ? [] : node.results)
      }
    }
    return head
  }

  /// Nodes that take the samples that leave out of what the rest of the layer reads, and by which value each is
  /// replaced.
  private func narrowing(_ graph: inout Graph, _ rest: [Node]) throws -> ([Node], [ValueID: ValueID]) {
    let stay = decision.results[0]
    return try graph.makeNodes(in: path.section) { builder in
      let keep: ValueID
      if selection.op == .keepSamples {
        keep = selection.results[0]
        builder.graph.nodes.append(selection)
      } else {
        keep = try builder.add(.keepSamples, [path.segments, stay], name: "staying\(layer)")
        builder.graph.bound(dimDefinedBy: selection.results[0], by: keep)
      }
      var alive: [ValueID: ValueID] = [:]
      let made = Set(rest.flatMap(\.results))
      for value in rest.flatMap(\.inputs) where alive[value] == nil && !made.contains(value) {
        let name = "\(builder.graph[value].name).\(layer)"
        if value == path.segments {
          alive[value] = try builder.add(.compactSegments, [value, keep, stay], name: name)
        } else if builder.graph[value].type.rows.dim == builder.graph[path.input].type.rows.dim {
          alive[value] = try builder.add(.compact, [value, keep], name: name)
        }
      }
      return alive
    }
  }
}
