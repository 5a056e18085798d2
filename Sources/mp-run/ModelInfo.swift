// mp-run --info: what an artefact is, for who has nothing but the file.

import MagicPyramid
import PyramidFormats
import PyramidTools

/// What a compiled model says of itself.
struct ModelInfo {
  private let model: LoadedModel

  init(_ model: LoadedModel) { self.model = model }

  func print() throws {
    let (graph, header) = (model.graph, model.header)
    var lines = [
      "\(graph.shape.family), \(graph.shape.layers) layers x \(graph.shape.hidden), for "
        + "\(model.instructionSet.rawValue), \(graph.precisionText), texts of up to \(header.maxTokens) tokens",
      "checkpoint: \(header.checkpoint)",
    ]
    for (task, columns) in graph.shape.answered {
      let name = task.name.isEmpty ? "" : "task \(task.name): "
      let own = header.labels[columns]
      let labels = own.prefix(20).map { $0.printable(limit: 40) }.joined(separator: ", ")
      lines.append("\(name)\(own.count) classes: \(labels)\(own.count > 20 ? ", ..." : "")")
    }
    if let record = header.precisionRecord { lines.append("precisions chosen by \(record.line)") }
    for (kind, spec) in graph.policies.all { lines.append("\(kind.rawValue): \(spec)") }
    lines += header.certificate?.lines.map { "certificate: \($0)" } ?? ["certificate: none"]
    let out = StandardOutput()
    for line in lines { try out.print(line.printable(limit: 1000)) }
    try out.flush()
  }
}
