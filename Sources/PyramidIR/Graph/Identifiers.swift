// Typed handles of a graph. Each is an index into one table of `Graph`; being different types, a value
// can't be passed where a weight is meant. They live apart because every other file of the module needs them.

/// Names one value (an edge of the graph): an index into `Graph.values`.
public struct ValueID: Hashable, Sendable {
  /// Position in the table of values.
  public let index: Int
  init(_ index: Int) { self.index = index }
}

/// Names one weight symbol: an index into `Graph.weights`.
public struct WeightID: Hashable, Sendable {
  /// Position in the table of weights.
  public let index: Int
  init(_ index: Int) { self.index = index }
}

/// Names one node for as long as the graph lives; positions in `Graph.nodes` change, this doesn't.
public struct NodeID: Hashable, Sendable {
  let serial: Int
}
