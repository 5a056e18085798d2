// Evaluates the graph's operation counts for one sample from the number of its tokens in each dim. Separate from the
// executor, which only records those numbers.

import PyramidIR

/// Cost polynomials of a graph, ready to be evaluated.
public struct OperationMeter: Sendable {
  private let executed: [CostTerm]
  private let paper: [[CostTerm]]
  private let dense: [CostTerm]
  private let densePaper: [CostTerm]

  /// The counts of a graph that `count-operations` has seen.
  public init(_ graph: Graph) { self.init(graph, dense: graph.denseOperations()) }

  init(_ graph: Graph, dense: [CostTerm]) {
    executed = graph.costs.flatMap(\.executed)
    paper = graph.costs.filter { !$0.paper.isEmpty }.map(\.paper)
    self.dense = dense
    densePaper = graph.costs.flatMap(\.paper).map { CostTerm($0.coefficient, Dim($0.dim.family, 0), power: $0.power) }
  }

  /// Operations of a sample with `tokens[k]` tokens in dim T<k> (0 where it had left) and `samples[k]` 1 or 0 for B<k>,
  /// that left after layer `exitLayer`, from 1.
  public func count(
    tokens: UnsafeBufferPointer<Int32>, samples: UnsafeBufferPointer<Int32>, exitLayer: Int
  ) -> OperationCount {
    // Wrapping arithmetic, which ProgramCheck has seen not to wrap.
    func value(_ term: CostTerm, _ rows: Int32) -> Int {
      term.coefficient &* (term.power == 2 ? Int(rows) &* Int(rows) : Int(rows))
    }
    func value(_ term: CostTerm) -> Int {
      value(term, term.dim.family == .samples ? samples[term.dim.index] : tokens[term.dim.index])
    }
    func admitted(_ term: CostTerm) -> Int { value(term, term.dim.family == .samples ? 1 : tokens[0]) }
    var result = OperationCount()
    for term in executed { result.executed &+= value(term) }
    for layer in paper.prefix(exitLayer) {
      // A sample that leaves after this layer was not pruned there: it counts with the tokens that entered.
      let entering = layer[0]
      for term in layer {
        let hasLeft = term.dim.family == .tokens && tokens[term.dim.index] == 0
        result.paper &+= value(hasLeft ? CostTerm(term.coefficient, entering.dim, power: term.power) : term)
      }
    }
    for term in dense { result.dense &+= admitted(term) }
    for term in densePaper { result.densePaper &+= admitted(term) }
    return result
  }
}
