// How many rows each dynamic dim has for the samples that are together somewhere: in the wave that runs, or waiting
// between two sections. Separate because both count alike, and because counts add up when two waves are joined.

import PyramidIR

/// Rows of every dim of a graph.
struct DimRows {
  /// Of the sample dims, then of the token dims.
  private var counts: [Int]
  private let sampleDims: Int

  /// No dim defined; dims are numbered below the counts given.
  init(sampleDims: Int, tokenDims: Int) {
    counts = Array(repeating: -1, count: sampleDims + tokenDims)
    self.sampleDims = sampleDims
  }

  /// Rows of a dim; -1 before its definition.
  subscript(dim: Dim) -> Int {
    get { counts[dim.family == .samples ? dim.index : sampleDims + dim.index] }
    set { counts[dim.family == .samples ? dim.index : sampleDims + dim.index] = newValue }
  }

  /// Whether no sample was admitted.
  var isEmpty: Bool { counts[0] < 0 }

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
    for index in counts.indices { counts[index] = -1 }
  }

  /// Adds the rows of other samples that stand before the same section, so that the same dims are defined.
  mutating func add(_ other: borrowing DimRows) {
    let wasEmpty = isEmpty
    for index in counts.indices {
      if wasEmpty {
        counts[index] = other.counts[index]
      } else if counts[index] >= 0 {
        counts[index] += other.counts[index]
      }
    }
  }
}
