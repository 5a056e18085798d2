// Reverse mode over the IR: a graph with losses becomes the same graph with a section of gradients. Which values and
// weights the losses' gradients can reach is found first, so that nothing is built that nobody needs: a frozen trunk
// gets no backward node. What each operation's gradient is stands in Differentiation+Ops.swift.

import PyramidIR

/// Why a graph has no gradients.
public struct DifferentiationError: Error, Equatable, CustomStringConvertible {
  /// One line that names the node.
  public let description: String
}

extension Graph {
  /// The graph with a section `gradients` that adds, to the gradient of every weight, that of the sum of all losses.
  /// The graph trains and has plain operations only, nothing fused. Layers with an activation are split in two.
  ///
  /// - Parameters:
  ///   - stopped: values that no gradient flows through.
  ///   - frozen: which weights are to stay as they are. A layer's weight and bias, or a norm's two weights, are frozen
  ///     only together: what is added to one's gradient alone is the caller's to ignore.
  /// - Throws: `DifferentiationError` for an operation that has no gradient, where one is needed.
  public func differentiated(
    stopping stopped: Set<ValueID> = [], frozen: (Weight) -> Bool = { _ in false }
  ) throws -> Graph {
    guard purpose == .train, !nodes.contains(where: { $0.section == .gradients }) else {
      throw DifferentiationError(description: "graph @\(name): only a graph that trains and has no gradients has some")
    }
    var differentiation = Differentiation(self, stopped, trained: weights.map { !frozen($0) })
    for node in differentiation.builder.graph.nodes.reversed() { try differentiation.differentiate(node) }
    let graph = differentiation.builder.graph
    try graph.verify()
    return graph
  }
}

/// One differentiation: nodes are visited last first, so that all that reads a value has been seen when its producer is
/// reached.
struct Differentiation {
  /// The graph; backward nodes are appended.
  var builder: GraphBuilder
  /// Whether each weight is trained, by index.
  private let trained: [Bool]
  /// Values through which a loss reaches a weight that is trained.
  private var reaching: Set<ValueID> = []
  /// The gradient by each value, as far as what reads it was seen.
  private var gradients: [ValueID: ValueID] = [:]

  var graph: Graph { builder.graph }

  init(_ graph: Graph, _ stopped: Set<ValueID>, trained: [Bool]) {
    self.trained = trained
    builder = GraphBuilder(graph)
    builder.graph.splitActivations()
    builder.section = .gradients
    for node in builder.graph.nodes where node.op != .softmax {
      // What softmax makes while training are a teacher's probabilities: constants.
      guard isTrained(node) || node.inputs.contains(where: reaching.contains) else { continue }
      reaching.formUnion(node.results.filter { builder.graph[$0].type.element == .f32 && !stopped.contains($0) })
    }
  }

  /// Whether one of a node's weights is trained.
  func isTrained(_ node: Node) -> Bool { node.weights.contains(where: isTrained) }

  func isTrained(_ weight: WeightID) -> Bool { trained[weight.index] }

  /// Whether the gradient by a value is of use.
  func isNeeded(_ value: ValueID) -> Bool { reaching.contains(value) }

  /// The gradient by a result of a node; nil when no loss depends on it, or no weight.
  func gradient(_ node: Node, _ result: Int = 0) -> ValueID? { gradients[node.results[result]] }

  /// Adds to the gradient by a value, which is needed.
  mutating func add(_ gradient: ValueID, to value: ValueID) throws {
    guard isNeeded(value) else { return }
    let sum = try gradients[value].map { try builder.add(.add, [$0, gradient], name: name(value)) }
    gradients[value] = sum ?? gradient
  }

  /// Adds the one result of a new node to the gradient by a value, if that is needed.
  mutating func add(
    _ op: Op, _ inputs: [ValueID], _ weights: [WeightID] = [], to value: ValueID
  ) throws {
    guard isNeeded(value) else { return }
    try add(builder.add(op, inputs, weights, name: name(value)), to: value)
  }

  func name(_ value: ValueID) -> String { "d." + graph[value].name }

  func failure(_ node: Node, _ problem: String) -> DifferentiationError {
    DifferentiationError(description: "\(graph.line(of: node)): \(problem)")
  }

  /// A value with the rows of another that costs no memory to keep: what defines their dim, or an input.
  func rows(like value: ValueID) -> ValueID {
    guard let dim = graph[value].type.rows.dim else { return value }
    if let definition = graph.dims.first(where: { $0.dim == dim })?.definedBy { return definition }
    let input = graph.nodes.first { node in
      if case .input = node.op { graph[node.results[0]].type.rows == .dim(dim) } else { false }
    }
    return input?.results[0] ?? value
  }
}

extension Graph {
  /// Makes two nodes of a linear layer with its activation: the activation's gradient needs what it was applied to.
  fileprivate mutating func splitActivations() {
    var split: [Node] = []
    for node in nodes {
      guard case .linear(let activation) = node.op, activation != .none else {
        split.append(node)
        continue
      }
      let before = makeValue(self[node.results[0]].name + ".linear", self[node.results[0]].type)
      split.append(makeNode(.linear(.none), node.inputs, node.weights, results: [before], in: node.section))
      split.append(makeNode(.activate(activation), [before], [], results: node.results, in: node.section))
    }
    nodes = split
  }
}
