// `; test pass NAME[, NAME...]`: runs passes over the graph, verifying after each. The header says what passes may know:
//
//     ; exit entropy(threshold=0.2)    ; prune top-k(fraction=0.5)    ; heads 0 1
//     ; head-input first+mean    ; target avx2    ; precision int8    ; adds-entry 0 1
//     ; entry 40 64                    rows of the table of the entry's head, and of its pairs if it reads any
//     ; profile 9/4 90/40/30, 5/0 30/0/20, 5/5 20/20/0
//                   layer by layer: samples that entered and left, tokens that entered, left and were kept; first the
//                   entry if the model has a head there

import MagicPyramid
import PyramidCompiler
import PyramidFormats
import PyramidIR
import PyramidModels
import PyramidPolicy

/// Runs the passes named and prints the graph.
@Sendable func passed(_ file: Filetest) throws -> String {
  var graph = try file.graph()
  try file.run(file.arguments, on: &graph)
  return graph.description
}

extension Filetest {
  /// What the header says after a word, the first time.
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
  func policy(_ spec: PolicySpec, _ kind: PolicyKind, for graph: Graph) throws -> PolicyInstance {
    let learned: [String: LearnedTensor] = [
      "prune.thresholds": LearnedTensor([Float](repeating: 0.9, count: max(graph.shape.layers - 1, 0))),
      "prune.entry.salience": LearnedTensor((0..<64).map { Float($0 % 4) }), "prune.entry.threshold": [1],
    ]
    return try PolicyCatalogue.registry().type(named: spec.name, kind: kind).make(
      spec, model: graph.shape.facts, learned: learned)
  }

  /// The instances of the policies that the header names.
  private func policies(for graph: Graph) throws -> PolicyPair<PolicyInstance> {
    let specs = try PolicyPair(exit: option("exit"), prune: option("prune")).map { try PolicySpec($1) }
    return try specs.map { try policy($1, $0, for: graph) }
  }

  private func passContext(for graph: Graph) throws -> PassContext {
    func layers(_ word: String) -> Set<Int> { Set((option(word) ?? "").split(separator: " ").compactMap { Int($0) }) }
    guard let target = InstructionSet(rawValue: option("target") ?? "avx512") else {
      throw FiletestFormatError(description: "\(name): no such target")
    }
    guard let precision = Precision(rawValue: option("precision") ?? "f32") else {
      throw FiletestFormatError(description: "\(name): no such precision")
    }
    guard let headInput = HeadInput(rawValue: option("head-input") ?? "first") else {
      throw FiletestFormatError(description: "\(name): no such head input")
    }
    return try PassContext(
      policies: policies(for: graph), exitHeads: layers("heads"), entryReaders: layers("adds-entry"),
      headInput: headInput, entryHead: entryHead, target: target, precision: precision, profile: profile(for: graph))
  }

  /// The entry's head; ids from 0 to 3 are no words.
  private var entryHead: EntryHead? {
    guard let rows = option("entry")?.split(separator: " ").compactMap({ Int($0) }), let vocabulary = rows.first else {
      return nil
    }
    return EntryHead(vocabulary: vocabulary, pairs: rows.dropFirst().first, skip: [0, 1, 2, 3], separator: 2)
  }

  /// A profile of a model that has all decisions in place.
  private func profile(for graph: Graph) throws -> PolicyProfile? {
    guard let text = option("profile") else { return nil }
    let layers = try text.split(separator: ",").map { layer in
      let counts = layer.split { " /".contains($0) }.compactMap { Int($0) }
      guard counts.count == 5 else { throw FiletestFormatError(description: "\(name): a layer has five counts") }
      return PolicyProfile.Layer(
        samplesEntered: counts[0], samplesLeft: counts[1], tokensEntered: counts[2], tokensLeft: counts[3],
        tokensKept: counts[4], decidesExit: true, decidesPrune: true)
    }
    let policies = try policies(for: graph)
    return PolicyProfile(
      model: graph.name, checkpoint: graph.checkpoint ?? "", exit: policies.exit?.spec.description,
      prune: policies.prune?.spec.description, entry: layers.count > graph.shape.layers ? layers[0] : nil,
      layers: Array(layers.suffix(graph.shape.layers)))
  }
}
