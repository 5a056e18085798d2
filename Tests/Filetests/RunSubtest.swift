// `; test run [PASS, ...]`: the reference interpreter answers a tiny batch, with weights made from their names. With passes, the graph
// is also run before them, and the answers must be the same: a pass may change how, never what.
//
//     ; tokens 1 4 2 | 1 3      ids of the samples

import MagicPyramid
import PyramidFormats
import PyramidIR
import PyramidPolicy
import PyramidReference
import PyramidRuntime

/// Runs the graph, and prints a line for each sample.
@Sendable func ran(_ file: Filetest) throws -> String {
  var graph = try file.graph()
  var texts = [try file.answers(of: graph)]
  if !file.arguments.isEmpty {
    try file.run(file.arguments, on: &graph)
    texts.append(try file.answers(of: graph))
  }
  guard Set(texts).count == 1 else {
    throw FiletestFormatError(description: "\(file.name): the passes change the answers:\n\(texts[0])\n\(texts[1])")
  }
  return texts[0]
}

extension Filetest {
  fileprivate func answers(of graph: Graph) throws -> String {
    let samples = (option("tokens") ?? "").split(separator: "|").map {
      $0.split(separator: " ").compactMap { Int32($0) }
    }
    let interpreter = try ReferenceInterpreter(
      graph: graph, weight: { Self.values(of: $0) },
      policies: graph.policies.map { try policy($1, $0, for: graph) })
    let answers = try interpreter.run(ReferenceBatch(tokenIDs: samples))
    return answers.enumerated().map { index, answer in
      let probabilities = answer.probabilities.map { decimal(Double($0), 4) }.joined(separator: " ")
      // Those of the first layer are worth a word only where tokens died before it, or all that there is to say.
      let isWhole = answer.alivePositions.first.map { $0.count == samples[index].count } ?? true
      let kept = answer.alivePositions.dropFirst(isWhole ? 1 : 0).map {
        "[\($0.map { "\($0)" }.joined(separator: " "))]"
      }.joined(separator: " ")
      return "sample \(index): label \(answer.label), exit layer \(answer.exitLayer), tokens \(answer.tokensAlive), "
        + "kept \(kept.isEmpty ? "all" : kept), probabilities \(probabilities)"
    }.joined(separator: "\n")
  }

  /// Values between -1 and 1 that depend on the names of a weight's sources and nothing else; norms scale by about 1.
  private static func values(of weight: Weight) -> [Float] {
    var values: [Float] = []
    let sources = weight.sources.isEmpty ? [weight.name] : weight.sources
    let count = weight.type.extents.reduce(1) { if case .fixed(let size) = $1 { $0 * size } else { $0 } }
    for source in sources {
      var state = source.utf8.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
      for _ in 0..<(count / sources.count) {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let unit = Float(state >> 40) / Float(1 << 23) - 1
        values.append(source.hasSuffix("gamma") ? 1 + unit / 4 : unit)
      }
    }
    return values
  }
}
