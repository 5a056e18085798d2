// Where a program can be interrupted: between two sections, provided that everything which later sections read is put
// away. What that is follows from the graph's reads alone: no value is known by its name.

import PyramidIR

/// A value that was made before a section and is read in it or later.
struct CarriedValue: Sendable {
  /// Where it lies while a wave runs.
  let location: Location
  let rows: Extent
  /// 4-byte words per row.
  let words: Int
  /// The dim whose rows the elements number, for offsets and indices: appended after other samples, they number rows
  /// that lie as many places further back. Nil for everything else.
  let indexes: Dim?
}

/// The steps of one section and what its samples bring along.
struct ProgramSection: Sendable {
  /// Its part of `Program.steps`.
  let steps: Range<Int>
  /// In the order of their definition; empty for the first section.
  let carried: [CarriedValue]
  /// The dims that the carried values have rows of, and the last one defined of each family.
  let dims: [Dim]
  /// The token dim defined last.
  let tokens: Dim

  /// The largest number of rows of each family among what is carried.
  func waveRows(_ rows: borrowing DimRows) -> WaveRows {
    var result = WaveRows.none
    for dim in dims {
      if dim.family == .samples {
        result.samples = max(result.samples, rows[dim])
      } else {
        result.tokens = max(result.tokens, rows[dim])
      }
    }
    return result
  }
}

extension Graph {
  /// Most values that all boundaries together may carry.
  private static let mostCarried = 1 << 18

  /// The graph's sections in program order. `location` says where a value lies; `recorded`, by node, the value that it
  /// reads beside its operands, the numbers of the samples that it keeps records of. Throws `RuntimeError` when more is
  /// carried from section to section than any model needs.
  func programSections(location: (ValueID) -> Location, recorded: [ValueID?]) throws -> [ProgramSection] {
    // By the index of the value, as is `indexed`.
    var lastRead = [Section?](repeating: nil, count: values.count)
    for index in nodes.indices {
      let section = nodes[index].section
      for input in nodes[index].inputs { lastRead[input.index] = section }
      if let value = recorded[index]?.index { lastRead[value] = max(lastRead[value] ?? section, section) }
    }
    var sections: [ProgramSection] = []
    // What was made so far and is still read.
    var made: [(value: ValueID, indexes: Dim?)] = []
    var indexed = [Dim?](repeating: nil, count: values.count)
    var carriedCount = 0
    var latest: [DimFamily: Dim] = [.samples: .admittedSamples, .tokens: .admittedTokens]
    var (first, step, start) = (0, 0, 0)
    while first < nodes.count {
      let section = nodes[first].section
      let end = nodes[first...].firstIndex { $0.section != section } ?? nodes.count
      made.removeAll { lastRead[$0.value.index].map { $0 < section } ?? true }
      carriedCount += made.count
      guard carriedCount <= Self.mostCarried else {
        throw RuntimeError("graph @\(name): its sections carry more than \(Self.mostCarried) values")
      }
      let carried = made.map { value, indexes in
        let type = self[value].type
        return CarriedValue(location: location(value), rows: type.rows, words: type.columns, indexes: indexes)
      }
      (start, step) = (step, step + nodes[first..<end].count { if case .input = $0.op { false } else { true } })
      let dims = Set(carried.compactMap(\.rows.dim)).union(latest.values)
      sections.append(
        ProgramSection(steps: start..<step, carried: carried, dims: Array(dims), tokens: latest[.tokens]!))
      for node in nodes[first..<end] {
        // What a decision makes beside its selection numbers nothing that is carried.
        if let result = node.results.first { indexed[result.index] = indexedDim(node, indexed) }
        made += node.results.map { ($0, indexed[$0.index]) }
        if node.op.definesDim, let dim = self[node.results[0]].type.rows.dim { latest[dim.family] = dim }
      }
      first = end
    }
    return sections
  }

  /// The dim whose rows a node's result numbers.
  private func indexedDim(_ node: Node, _ indexed: [Dim?]) -> Dim? {
    func dim(_ input: Int) -> Dim? { self[node.inputs[input]].type.rows.dim }
    func inherited() -> Dim? { indexed[node.inputs[0].index] }
    return switch node.op {
    case .input(.segments): .admittedTokens
    case .decideExit: dim(0)
    case .decidePrune, .keepSamples, .compact: inherited()
    case .compactSegments: dim(1)
    case .input, .embed, .linear, .linearAddNorm, .activate, .gate, .rotate, .add, .layerNorm, .attention,
      .attentionQKV, .relativeAttention, .firstAttention, .firstRows, .segmentMean, .concat, .bagLogits, .softmax,
      .rowNorm, .headMean, .pool, .classify, .gradient:
      nil
    }
  }
}
