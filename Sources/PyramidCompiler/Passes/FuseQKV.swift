// Joins the query, key and value projections of a layer. One product of width 3H keeps all threads busy with few rows,
// reads the hidden rows once and needs one synchronisation where there were three. Where queries and keys are turned, the
// joined value is, too, as far as their columns go.

import PyramidIR

/// Replaces three `linear`s that read one value and feed one attention by one, feeding its joined form.
struct FuseQKV: Pass {
  static let name = "fuse-qkv"

  func run(on graph: inout Graph, _ context: PassContext) {
    for attention in graph.nodes {
      guard let op = Self.joined(attention.op), let joined = join(attention, in: &graph) else { continue }
      let index = graph.index(of: attention.id)!
      graph.nodes[index] = graph.makeNode(
        op, [joined] + attention.inputs[3...], attention.weights, results: attention.results, in: attention.section)
    }
    graph.dropUnusedWeights()
  }

  /// The attention that reads the joined value; nil for what is no attention over three values.
  private static func joined(_ op: Op) -> Op? {
    switch op {
    case .attention(let heads, let emits): return .attentionQKV(heads: heads, emits: emits)
    case .relativeAttention(let relative, let emits):
      return relative.form == .separate ? .relativeAttention(relative.formed(.joined), emits: emits) : nil
    default: return nil
    }
  }

  /// Puts the joined projection where the first of the three stood; nil when they don't fit together.
  private func join(_ attention: Node, in graph: inout Graph) -> ValueID? {
    let producers = graph.producers
    let readers = graph.readers
    let makers = attention.inputs.prefix(3).compactMap { producers[$0].map { graph.nodes[$0] } }
    let turns = makers.prefix { if case .rotate = $0.op { true } else { false } }
    let projections =
      turns.compactMap { producers[$0.inputs[0]].map { graph.nodes[$0] } } + makers.dropFirst(turns.count)
    guard turns.isEmpty || turns.count == 2 && turns[0].op == turns[1].op && turns[0].inputs[1] == turns[1].inputs[1],
      turns.allSatisfy({ readers[$0.results[0]]?.count == 1 })
    else { return nil }
    guard projections.count == 3, Set(projections.map(\.id)).count == 3,
      projections.allSatisfy({ $0.op == .linear(.none) && $0.inputs == projections[0].inputs }),
      projections.allSatisfy({ readers[$0.results[0]]?.count == 1 }),
      turns.allSatisfy({
        if case .rotate(let turn) = $0.op { turn.columns == graph[$0.results[0]].type.columns } else { false }
      })
    else { return nil }
    let sources = projections.map { graph[$0.weights[0]] }
    let biases = projections.map { graph[$0.weights[1]] }
    let columns = sources.reduce(0) { $0 + $1.rowCount }
    guard sources.allSatisfy({ $0.rowCount == sources[0].rowCount }) else { return nil }
    let prefix = sources[0].name.prefix { $0 != "." }
    let weight = graph.weight(
      "\(prefix).qkv.weight", TensorType(.f32, [.fixed(columns), .fixed(sources[0].type.columns)]),
      sources: sources.flatMap(\.sources))
    let bias = graph.weight(
      "\(prefix).qkv.bias", TensorType(.f32, [.fixed(columns)]), sources: biases.flatMap(\.sources))
    let rows = graph[projections[0].results[0]].type.rows
    let name = if case .layer(let number) = projections[0].section { "qkv\(number)" } else { "qkv" }
    let joined = graph.makeValue(name, TensorType(.f32, [rows, .fixed(columns)]))
    let node = graph.makeNode(
      .linear(.none), projections[0].inputs, [weight, bias], results: [joined], in: projections[0].section)
    let place = projections.compactMap { graph.index(of: $0.id) }.min()!
    graph.nodes.insert(node, at: place)
    graph.remove(Set(projections.map(\.id)))
    guard let turn = turns.first, case .rotate(let one) = turn.op else { return joined }
    let both = Rotation(size: one.size, columns: 2 * one.columns, base: one.base)
    let turned = graph.makeValue("turned" + prefix.dropFirst(), graph[joined].type)
    let rotate = graph.makeNode(.rotate(both), [joined, turn.inputs[1]], [], results: [turned], in: turn.section)
    graph.nodes[graph.index(of: turn.id)!] = rotate
    graph.remove(Set(turns.dropFirst().map(\.id)))
    return turned
  }
}
