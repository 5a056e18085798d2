// Writes the operation counts of every section into the preamble, so that the runtime can account for each sample by
// looking up how many of its tokens were alive, and a reader of the graph sees what each layer costs.

import PyramidIR

/// Fills `Graph.costs`.
struct CountOperations: Pass {
  static let name = "count-operations"
  static let isOptional = false

  func run(on graph: inout Graph, _ context: PassContext) { graph.costs = graph.countOperations() }
}
