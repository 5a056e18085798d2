// The graph as a picture in Graphviz's language: a cluster for each section, an edge for each use of a value, decisions
// filled. Colour says which family of dims the rows of a value count, so that one sees where tokens die and where
// samples leave.

extension Graph {
  /// A digraph for `dot -Tsvg`; valid Graphviz whatever the names in the graph are.
  public var dot: String {
    var emitter = DotEmitter(graph: self)
    emitter.emit()
    return emitter.text
  }
}

private struct DotEmitter {
  let graph: Graph
  var text = ""

  mutating func emit() {
    text += "digraph \(quoted(graph.name)) {\n"
    text += "  label=\(quoted(title)); labelloc=t; fontname=\"Helvetica\";\n"
    text += "  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"Helvetica\", fontsize=10];\n"
    text += "  edge [fontname=\"Helvetica\", fontsize=9];\n"
    for nodes in graph.sections {
      let label = quoted(nodes.first!.section.description)
      text += "  subgraph cluster_\(nodes.startIndex) {\n    label=\(label); color=gray70;\n"
      for index in nodes.indices { text += "    n\(index) [\(attributes(of: nodes[index]))];\n" }
      text += "  }\n"
    }
    emitEdges()
    text += "}\n"
  }

  private var title: String {
    let dims = graph.dims.compactMap { entry in
      entry.definedBy.map { "\(entry.dim): rows of %\(graph[$0].name)" }
    }
    return ([graph.name] + graph.policyLines + dims).joined(separator: "\n")
  }

  private mutating func emitEdges() {
    let producers = graph.producers
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs {
        guard let source = producers[input] else { continue }
        let type = graph[input].type
        text += "  n\(source) -> n\(index) [label=\(quoted("\(type)")), color=\"\(colour(type))\"];\n"
      }
    }
  }

  private func attributes(of node: Node) -> String {
    var lines = [node.op.head] + node.op.attributes.map(\.description)
    lines += node.weights.map { "#\(graph[$0].name)" }
    lines += node.results.map { "%\(graph[$0].name) : \(graph[$0].type)" }
    if let kernel = node.kernelName { lines.append("by \(kernel)") }
    var text = "label=\(quoted(lines.joined(separator: "\n")))"
    if let type = node.results.first.map({ graph[$0].type }) { text += ", color=\"\(colour(type))\"" }
    if let fill = fill(of: node.op) { text += ", fillcolor=\"\(fill)\"" }
    return text
  }

  private func fill(of op: Op) -> String? {
    if op == .classify { return "#e0e0e0" }
    guard op.policy != nil else { return nil }
    return op.definedFamily == .samples ? "#ffe0b2" : "#c8e6c9"
  }

  private func colour(_ type: TensorType) -> String {
    switch type.extents.first?.dim?.family {
    case .samples: "#e65100"
    case .tokens: "#1b5e20"
    case nil: "black"
    }
  }

  /// A quoted string of the DOT language; line feeds become line breaks of the label, a NUL byte has no spelling.
  private func quoted(_ string: String) -> String {
    var text = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\0": text += "\u{fffd}"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
