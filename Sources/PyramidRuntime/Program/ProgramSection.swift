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
  /// The graph's sections in program order. `location` says where a value lies; `recorded` the value that a node reads
  /// beside its operands, the numbers of the samples that it keeps records of.
  func programSections(location: (ValueID) -> Location, recorded: (Int) throws -> ValueID?) rethrows -> [ProgramSection]
  {
    var lastRead: [ValueID: Section] = [:]
    for (index, node) in nodes.enumerated() {
      for input in node.inputs { lastRead[input] = node.section }
      if let value = try recorded(index) { lastRead[value] = max(lastRead[value] ?? node.section, node.section) }
    }
    var sections: [ProgramSection] = []
    var made: [(value: ValueID, indexes: Dim?)] = []
    var latest: [DimFamily: Dim] = [.samples: .admittedSamples, .tokens: .admittedTokens]
    var (first, step, start) = (0, 0, 0)
    while first < nodes.count {
      let section = nodes[first].section
      let end = nodes[first...].firstIndex { $0.section != section } ?? nodes.count
      let carried = made.filter { lastRead[$0.value].map { $0 >= section } ?? false }.map { value, indexes in
        let type = self[value].type
        return CarriedValue(location: location(value), rows: type.rows, words: type.columns, indexes: indexes)
      }
      (start, step) = (step, step + nodes[first..<end].count { if case .input = $0.op { false } else { true } })
      let dims = Set(carried.compactMap(\.rows.dim)).union(latest.values)
      sections.append(
        ProgramSection(steps: start..<step, carried: carried, dims: Array(dims), tokens: latest[.tokens]!))
      for node in nodes[first..<end] {
        // What a decision makes beside its selection numbers nothing that is carried.
        made += node.results.enumerated().map { ($1, $0 == 0 ? indexedDim(node, made) : nil) }
        if node.op.definesDim, let dim = self[node.results[0]].type.rows.dim { latest[dim.family] = dim }
      }
      first = end
    }
    return sections
  }

  /// The dim whose rows a node's result numbers.
  private func indexedDim(_ node: Node, _ made: [(value: ValueID, indexes: Dim?)]) -> Dim? {
    func dim(_ input: Int) -> Dim? { self[node.inputs[input]].type.rows.dim }
    func inherited() -> Dim? { made.first { $0.value == node.inputs[0] }?.indexes }
    return switch node.op {
    case .input(.segments): .admittedTokens
    case .decideExit: dim(0)
    case .decidePrune, .keepSamples, .compact: inherited()
    case .compactSegments: dim(1)
    case .input, .embed, .linear, .linearAddNorm, .activate, .gate, .rotate, .add, .layerNorm, .attention,
      .attentionQKV,
      .relativeAttention, .firstAttention, .firstRows, .segmentMean, .concat, .bagLogits, .softmax, .rowNorm, .headMean,
      .pool,
      .classify, .gradient:
      nil
    }
  }
}
