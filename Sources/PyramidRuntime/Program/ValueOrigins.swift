// Where each value of a graph comes from, found in one walk: an artefact may chain a hundred thousand nodes, and neither
// a search for every one of them nor a call for every link of the chain would end in time.

import PyramidIR
import PyramidPolicy

/// Facts about the values of a verified graph, by the index of the value.
struct ValueOrigins {
  /// The input whose rows, or some of them, a value is; a row that others were fused to is in no table.
  private var inputs: [InputKind?]
  /// The nodes that number the samples of a dim, in program order.
  private var numberings: [Dim: [Int]] = [:]
  /// The last node that reads each value; -1 for none.
  private var lastRead: [Int]
  private var isNumbering: [Bool]

  init(_ graph: Graph) {
    inputs = Array(repeating: nil, count: graph.values.count)
    lastRead = Array(repeating: -1, count: graph.values.count)
    isNumbering = Array(repeating: false, count: graph.values.count)
    var isFused = Array(repeating: false, count: graph.values.count)
    for index in graph.nodes.indices {
      for input in graph.nodes[index].inputs { lastRead[input.index] = index }
      guard let result = graph.nodes[index].results.first else { continue }
      switch graph.nodes[index].op {
      case .decidePrune(_, _, _, _, .fused): isFused[result.index] = true
      case .input(let kind):
        inputs[result.index] = kind
        isNumbering[result.index] = kind == .samples
      case .compact:
        let (source, selection) = (graph.nodes[index].inputs[0].index, graph.nodes[index].inputs[1].index)
        if !isFused[selection] { inputs[result.index] = inputs[source] }
        isNumbering[result.index] = isNumbering[source]
      default: break
      }
      guard isNumbering[result.index], let dim = graph.values[result.index].type.rows.dim else { continue }
      numberings[dim, default: []].append(index)
    }
  }

  /// The input whose rows, or some of them, a value is.
  func input(behind value: ValueID) -> InputKind? { inputs[value.index] }

  /// Whether a value numbers samples.
  func numbersSamples(_ value: ValueID) -> Bool { isNumbering[value.index] }

  /// For each node that keeps records of samples, the value that holds their numbers: `offsets` gives the offsets of the
  /// samples that a node keeps records of. Records are written by these numbers, so they must still lie where they were
  /// when the node runs: their last reader comes no earlier. Throws what `missing` makes of a dim without such numbers.
  func recordedSamples(
    in graph: Graph, offsets: (Node) -> ValueID?, missing: (Dim) -> RuntimeError
  ) throws -> [ValueID?] {
    // Numbers that are gone for one node are gone for all later ones.
    var first: [Dim: Int] = [:]
    return try graph.nodes.indices.map { index in
      // Offsets have rows of a dim, as the verifier has seen.
      guard let dim = offsets(graph.nodes[index]).flatMap({ graph[$0].type.rows.dim }) else { return nil }
      guard let makers = numberings[dim] else { throw missing(dim) }
      var place = first[dim] ?? 0
      while place < makers.count, makers[place] <= index {
        let maker = graph.nodes[makers[place]]
        let value = maker.results[0]
        if maker.op == .input(.samples) || lastRead[value.index] >= index {
          first[dim] = place
          return value
        }
        place += 1
      }
      throw missing(dim)
    }
  }
}
