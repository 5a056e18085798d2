// Nothing reads more of the last layer than its [CLS] rows: one query for each sample, and no other row is projected,
// attended or fed forward. Speeds up the dense model as well.

import PyramidIR

/// Replaces the last layer by its [CLS] rows.
struct LastLayerCLS: Pass {
  static let name = "last-layer-cls"

  func run(on graph: inout Graph, _ context: PassContext) throws {
    for reader in graph.nodes where reader.op == .firstRows {
      let hidden = reader.inputs[0]
      guard graph.producer(of: hidden)?.section == .layer(graph.shape.layers - 1),
        graph.readers[hidden]?.count == 1,
        let path = FirstRowPath(graph, to: hidden), path.segments == reader.inputs[1]
      else { continue }
      let (nodes, rows) = try path.makeNodes(in: &graph)
      let start = graph.nodes.firstIndex { $0.section == path.section }!
      graph.nodes.insert(contentsOf: nodes, at: start)
      graph.replaceUses(of: reader.results[0], by: rows)
      graph.remove([reader.id])
      graph.removeDeadNodes()
    }
  }
}
