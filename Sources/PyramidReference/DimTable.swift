// The dims that are defined so far. A dim is kept as the list of what its rows stand for (sample, original position),
// not as a count: that tells tests which tokens lived, and to which sample the operations of a row belong, without
// trusting the graph's own bookkeeping.

import PyramidIR

/// What one row of a dim stands for.
struct RowOrigin: Equatable {
  /// Number of the sample in the batch.
  let sample: Int
  /// Position of the token in its sample before anything was pruned; 0 in a dim of samples, -1 for a row that
  /// tokens were fused to.
  let position: Int32
}

/// Rows of every dim that has been defined.
struct DimTable {
  private var origins: [Dim: [RowOrigin]] = [:]
  private let declarations: [Dim: DimDeclaration]

  /// A table in which the lengths of the samples define `B0` and `T0`. Throws when they exceed what is admitted.
  init(_ graph: Graph, lengths: [Int]) throws(ReferenceError) {
    declarations = Dictionary(graph.dims.map { ($0.dim, $0) }) { first, _ in first }
    let samples = lengths.indices.map { RowOrigin(sample: $0, position: 0) }
    let tokens = lengths.enumerated().flatMap { sample, length in
      (0..<length).map { RowOrigin(sample: sample, position: Int32($0)) }
    }
    try define(.admittedSamples, samples)
    try define(.admittedTokens, tokens)
  }

  /// What the rows of a dim stand for.
  func rows(of dim: Dim) throws(ReferenceError) -> [RowOrigin] {
    guard let rows = origins[dim] else { throw ReferenceError("\(dim) is read before its definition") }
    return rows
  }

  /// The number that an axis has become.
  func resolve(_ extent: Extent) throws(ReferenceError) -> Int {
    switch extent {
    case .fixed(let count): count
    case .dim(let dim): try rows(of: dim).count
    case .dimPlusOne(let dim): try rows(of: dim).count + 1
    }
  }

  /// Defines a data-dependent dim as rows of the dim that bounds it.
  mutating func define(_ dim: Dim, selecting indices: [Int]) throws(ReferenceError) {
    guard case .dim(let parent) = declarations[dim]?.bound else { throw ReferenceError("\(dim) has no parent") }
    let parents = try rows(of: parent)
    guard indices.allSatisfy({ $0 >= 0 && $0 < parents.count }) else {
      throw ReferenceError("\(dim) selects rows outside the \(parents.count) of \(parent)")
    }
    try define(dim, indices.map { parents[$0] })
  }

  /// Defines a dim by what its rows stand for.
  mutating func define(_ dim: Dim, _ rows: [RowOrigin]) throws(ReferenceError) {
    guard let declaration = declarations[dim] else { throw ReferenceError("\(dim) is not declared") }
    guard origins[dim] == nil else { throw ReferenceError("\(dim) is defined twice") }
    if case .constant(let bound) = declaration.bound, rows.count > bound {
      throw ReferenceError("\(rows.count) rows do not fit \(dim) <= \(bound)")
    }
    origins[dim] = rows
  }
}
