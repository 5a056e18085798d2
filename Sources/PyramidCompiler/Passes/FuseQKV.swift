// Joins the query, key and value projections of a layer. One product of width 3H keeps all threads busy with few rows,
// reads the hidden rows once and needs one synchronisation where there were three.

import PyramidIR

/// Replaces three `linear`s that read one value and feed one `attention` by one, feeding `attention_qkv`.
struct FuseQKV: Pass {
  static let name = "fuse-qkv"

  func run(on graph: inout Graph, _ context: PassContext) {
    for attention in graph.nodes {
      guard case .attention(let heads, let emits) = attention.op, let joined = join(attention, in: &graph)
      else { continue }
      let index = graph.index(of: attention.id)!
      graph.nodes[index] = graph.makeNode(
        .attentionQKV(heads: heads, emits: emits), [joined] + attention.inputs[3...], [], results: attention.results,
        in: attention.section)
    }
    graph.dropUnusedWeights()
  }

  /// Puts the joined projection where the first of the three stood; nil when they don't fit together.
  private func join(_ attention: Node, in graph: inout Graph) -> ValueID? {
    let producers = graph.producers
    let readers = graph.readers
    let projections = attention.inputs.prefix(3).compactMap { producers[$0].map { graph.nodes[$0] } }
    guard projections.count == 3, Set(projections.map(\.id)).count == 3,
      projections.allSatisfy({ $0.op == .linear(.none) && $0.inputs == projections[0].inputs }),
      projections.allSatisfy({ readers[$0.results[0]]?.count == 1 })
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
    return joined
  }
}
