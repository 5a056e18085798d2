// `; test pass NAME[, NAME...]`: runs passes over the graph, verifying after each. The header says what passes may know:
//
//     ; exit entropy(threshold=0.2)    ; prune top-k(fraction=0.5)    ; heads 0 1    ; target avx2

import MagicPyramid
import PyramidCompiler
import PyramidIR
import PyramidPolicy

/// Runs the passes named and prints the graph.
@Sendable func passed(_ file: Filetest) throws -> String {
  var graph = try file.graph()
  try file.run(file.arguments, on: &graph)
  return graph.description
}

extension Filetest {
  /// What the header says behind a word, the first time.
  func option(_ word: String) -> String? {
    header.lazy.compactMap { $0.hasPrefix("; \(word) ") ? String($0.dropFirst(word.count + 3)) : nil }.first
  }

  /// Runs passes by name over a graph, verifying after each.
  func run(_ names: [String], on graph: inout Graph) throws {
    let context = try passContext(for: graph)
    for name in names {
      guard let pass = Pipeline.passes.first(where: { $0.name == name }) else {
        throw FiletestFormatError(description: "\(self.name): there is no pass '\(name)'")
      }
      try pass.run(on: &graph, context)
      try graph.verify()
    }
  }

  /// The instance of a policy for the graph's model.
  func policy(_ spec: String?, _ kind: PolicyKind, for graph: Graph) throws -> PolicyInstance? {
    guard let spec = try spec.map({ try PolicySpec($0) }) else { return nil }
    let shape = graph.shape
    let facts = ModelFacts(layers: shape.layers, classes: shape.classes, heads: shape.heads)
    let learned = ["prune.thresholds": [Float](repeating: 0.9, count: max(shape.layers - 1, 0))]
    return try PolicyCatalogue.registry().type(named: spec.name, kind: kind).make(spec, model: facts, learned: learned)
  }

  private func passContext(for graph: Graph) throws -> PassContext {
    let heads = (option("heads") ?? "").split(separator: " ").compactMap { Int($0) }
    guard let target = InstructionSet(rawValue: option("target") ?? "avx512") else {
      throw FiletestFormatError(description: "\(name): no such target")
    }
    return try PassContext(
      exit: policy(option("exit"), .exit, for: graph), prune: policy(option("prune"), .prune, for: graph),
      exitHeads: Set(heads), target: target)
  }
}
