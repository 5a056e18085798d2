// What goes into and comes out of a graph that trains, besides the tokens. Separate from ReferenceBatch.swift because a
// classifying graph has neither.

import PyramidIR

/// What the trainer brings, one row for each sample.
public struct ReferenceTrainingInputs: Sendable {
  /// Rows of `targets`.
  public var targets: [[Float]]
  /// Rows of `features`.
  public var features: [[Float]]
  /// What dropout follows from.
  public var random: RandomState

  /// Inputs; those that the graph does not read may be left out.
  public init(
    targets: [[Float]] = [], features: [[Float]] = [], random: RandomState = RandomState(seed: 0, step: 0)
  ) { (self.targets, self.features, self.random) = (targets, features, random) }
}

/// What a run of a graph that trains comes to, in double precision.
public struct ReferenceGradients: Sendable {
  /// Each loss by the name of its value, a number for each sample.
  public let losses: [String: [Double]]
  /// What was added to the gradient of each weight, by name; weights that nothing was added to are not in it.
  public let weights: [String: [Double]]

  /// Losses and gradients that something else has computed.
  public init(losses: [String: [Double]], weights: [String: [Double]]) {
    (self.losses, self.weights) = (losses, weights)
  }

  /// The loss: the sum of all.
  public var loss: Double { losses.values.joined().reduce(0, +) }
}

extension Execution {
  /// Losses and gradients, once all nodes have run.
  func collected() throws(ReferenceError) -> ReferenceGradients {
    var losses: [String: [Double]] = [:]
    for node in graph.nodes where node.op.facts.training == .loss {
      losses[graph[node.results[0]].name] = try values[node.results[0]]?.doubles
    }
    let named = gradients.map { (graph[$0.key].name, $0.value) }
    return ReferenceGradients(losses: losses, weights: Dictionary(named) { first, _ in first })
  }

  /// Adds to elements of a weight's gradient.
  mutating func add(_ values: [Double], to weight: WeightID, at first: Int = 0) {
    var gradient = gradients[weight] ?? [Double](repeating: 0, count: interpreter.weights[weight.index].count)
    for (index, value) in values.enumerated() { gradient[first + index] += value }
    gradients[weight] = gradient
  }
}
