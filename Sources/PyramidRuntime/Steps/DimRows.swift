// How many rows each dynamic dim has for the samples that are together somewhere: in the wave that runs, or waiting
// between two sections. Separate because both count alike, and because counts add up when two waves are joined.

import PyramidIR

/// Rows of every dim of a graph.
struct DimRows {
  private var samples: [Int]
  private var tokens: [Int]

  /// No dim defined; dims are numbered below the counts given.
  init(sampleDims: Int, tokenDims: Int) {
    samples = Array(repeating: -1, count: sampleDims)
    tokens = Array(repeating: -1, count: tokenDims)
  }

  /// Rows of a dim; -1 before its definition.
  subscript(dim: Dim) -> Int {
    get { dim.family == .samples ? samples[dim.index] : tokens[dim.index] }
    set { if dim.family == .samples { samples[dim.index] = newValue } else { tokens[dim.index] = newValue } }
  }

  /// Whether no sample was admitted.
  var isEmpty: Bool { samples[0] < 0 }

  /// Rows along an axis.
  func rows(_ extent: Extent) -> Int {
    switch extent {
    case .fixed(let count): count
    case .dim(let dim): self[dim]
    case .dimPlusOne(let dim): self[dim] + 1
    }
  }

  /// Forgets all dims.
  mutating func clear() {
    for index in samples.indices { samples[index] = -1 }
    for index in tokens.indices { tokens[index] = -1 }
  }

  /// Adds the rows of other samples that stand before the same section, so that the same dims are defined.
  mutating func add(_ other: borrowing DimRows) {
    if isEmpty {
      for index in samples.indices { samples[index] = other.samples[index] }
      for index in tokens.indices { tokens[index] = other.tokens[index] }
      return
    }
    for index in samples.indices where samples[index] >= 0 { samples[index] += other.samples[index] }
    for index in tokens.indices where tokens[index] >= 0 { tokens[index] += other.tokens[index] }
  }
}
