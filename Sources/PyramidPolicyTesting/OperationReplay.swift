// What a text would have cost in a graph that it did not run through: the graph's own counts, evaluated for the tokens
// that were alive at each layer and the layer at which the text would have left.

import MagicPyramid
import PyramidIR
import PyramidRuntime

/// Counts operations of one compiled graph without running it.
struct OperationReplay {
  /// What makes a dim, in the order of the graph.
  private enum Definition {
    /// Samples that stay at a boundary.
    case exit(Boundary, samples: Dim)
    /// All tokens of the samples that stay.
    case keep(tokens: Dim, samples: Dim)
    /// Tokens that outlive a boundary.
    case prune(Boundary, samples: Dim)
  }

  private let meter: OperationMeter
  private let definitions: [(dim: Dim, definition: Definition)]
  private let counts: (samples: Int, tokens: Int)

  /// Nil for a graph with a dim that is made in another way.
  init?(_ graph: Graph) {
    func dim(_ value: ValueID) -> Dim? { graph[value].type.extents[0].dim }
    var definitions: [(Dim, Definition)] = []
    for node in graph.nodes {
      guard let result = node.results.first.flatMap(dim) else { continue }
      if let exit = ExitDecision(node), let samples = dim(exit.samples) {
        definitions.append((result, .exit(exit.boundary, samples: samples)))
      } else if let prune = PruneDecision(node), let samples = dim(prune.stay ?? prune.segments) {
        definitions.append((result, .prune(prune.boundary, samples: samples)))
      } else if node.op == .keepSamples, let samples = dim(node.inputs[1]) {
        // The tokens' dim is the parent of the one that is made.
        let parent = graph.dims.first { $0.dim == result }.map(\.bound)
        guard case .dim(let tokens) = parent else { return nil }
        definitions.append((result, .keep(tokens: tokens, samples: samples)))
      }
    }
    let known = Set(definitions.map(\.0)).union([.admittedSamples, .admittedTokens])
    guard graph.dims.allSatisfy({ known.contains($0.dim) }) else { return nil }
    self.definitions = definitions
    meter = OperationMeter(graph)
    func count(_ family: DimFamily) -> Int { 1 + (known.lazy.filter { $0.family == family }.map(\.index).max() ?? 0) }
    counts = (count(.samples), count(.tokens))
  }

  /// Operations of a text that leaves after `exitLayer`, 0 for the entry. `tokens` are those of a run through all layers:
  /// what entered, then what was alive when each layer started.
  func count(entered: Int, tokens: [Int], exitLayer: Int) -> OperationCount {
    var samplesOf = [Int32](repeating: 0, count: counts.samples)
    var tokensOf = [Int32](repeating: 0, count: counts.tokens)
    samplesOf[0] = 1
    tokensOf[0] = Int32(entered)
    for (dim, definition) in definitions {
      switch definition {
      case .exit(let boundary, let samples):
        samplesOf[dim.index] = samplesOf[samples.index] == 1 && exitLayer > boundary.number ? 1 : 0
      case .keep(let tokens, let samples):
        tokensOf[dim.index] = samplesOf[samples.index] == 1 ? tokensOf[tokens.index] : 0
      case .prune(let boundary, let samples):
        tokensOf[dim.index] = samplesOf[samples.index] == 1 ? Int32(tokens[boundary.number]) : 0
      }
    }
    return tokensOf.withUnsafeBufferPointer { tokens in
      samplesOf.withUnsafeBufferPointer { meter.count(tokens: tokens, samples: $0, exitLayer: exitLayer) }
    }
  }
}
