// One run of a graph that trains, in a form that the reference interpreter and the real kernels can both be asked for,
// and what is checked of either: gradients against differences of losses, and against gradients computed elsewhere.

import PyramidIR
import PyramidPolicy
import PyramidReference
import PyramidTraining

/// A graph that trains, with or without its gradients, and all that it runs on.
public struct TrainingCase: Sendable {
  /// The graph.
  public var graph: Graph
  /// Values of each weight, by the symbol's name.
  public var weights: [String: [Float]]
  /// The texts.
  public var batch: ReferenceBatch
  /// What the trainer brings.
  public var inputs: ReferenceTrainingInputs
  /// The pruning policy, if the graph asks one.
  public var prune: PolicyInstance?

  /// A case.
  public init(
    _ graph: Graph, weights: [String: [Float]], batch: ReferenceBatch,
    inputs: ReferenceTrainingInputs = ReferenceTrainingInputs(), prune: PolicyInstance? = nil
  ) { (self.graph, self.weights, self.batch, self.inputs, self.prune) = (graph, weights, batch, inputs, prune) }

  /// Losses and gradients by the reference interpreter, in double precision.
  public func reference() throws -> ReferenceGradients {
    try ReferenceInterpreter(graph: graph, weight: { weights[$0.name] ?? [] }, policies: PolicyPair(prune: prune))
      .train(batch, inputs)
  }

  /// The same with the graph's gradients.
  public func differentiated(
    stopping: Set<ValueID> = [], frozen: (Weight) -> Bool = { _ in false }
  ) throws -> TrainingCase {
    var copy = self
    copy.graph = try graph.differentiated(stopping: stopping, frozen: frozen)
    return copy
  }
}

extension TrainingCase {
  /// The largest error of `gradients` against central differences of the loss, computed by the reference in double
  /// precision: the error of an element relative to the largest element of its weight's gradient, but to no less than
  /// a thousandth of the largest of all: a key's bias has no gradient but rounding. At most `count` seeded elements of
  /// each weight are tried.
  ///
  /// Steps are 2^-12 and 2^-13, from float to float, extrapolated (Richardson): what is left of the step is its fourth
  /// power, 4e-15, times the fifth derivative, and losses are rounded at 1e-15, which is 1e-11 of a slope.
  public func differenceError(of gradients: [String: [Double]], elements count: Int = .max) throws -> Double {
    var random = SeededValues("differences")
    var worst = 0.0
    let floor = 1e-3 * largest(gradients.values.joined())
    for (name, gradient) in gradients.sorted(by: { $0.key < $1.key }) {
      let scale = max(largest(gradient), floor)
      let all = Array(gradient.indices)
      let tried = count >= all.count ? all : (0..<count).map { _ in random.integer(in: 0...all.count - 1) }
      for element in tried {
        let (long, short) = (try slope(name, element, 0x1p-12), try slope(name, element, 0x1p-13))
        let difference = (4 * short - long) / 3
        worst = max(worst, scale == 0 ? abs(difference) : abs(difference - gradient[element]) / scale)
      }
    }
    return worst
  }

  private func slope(_ name: String, _ element: Int, _ step: Float) throws -> Double {
    var (above, below) = (self, self)
    above.weights[name]![element] += step
    below.weights[name]![element] -= step
    let step = Double(above.weights[name]![element]) - Double(below.weights[name]![element])
    return (try above.reference().loss - below.reference().loss) / step
  }

  private func largest(_ values: some Sequence<Double>) -> Double { values.reduce(0) { max($0, abs($1)) } }
}

/// The largest error of gradients against expected ones by name, each relative to the largest element of its weight's
/// expected gradient, but to no less than a thousandth of the largest of all; infinite when names or sizes differ.
public func gradientError(_ gradients: [String: [Double]], expected: [String: [Double]]) -> Double {
  guard Set(gradients.keys) == Set(expected.keys) else { return .infinity }
  func largest(_ values: some Sequence<Double>) -> Double { values.reduce(0) { max($0, abs($1)) } }
  let floor = 1e-3 * largest(expected.values.joined())
  return expected.reduce(0) { worst, entry in
    guard let found = gradients[entry.key], found.count == entry.value.count, !found.contains(where: \.isNaN) else {
      return .infinity
    }
    let scale = max(largest(entry.value), floor)
    return max(worst, largest(zip(found, entry.value).map { $0 - $1 }) / (scale == 0 ? 1 : scale))
  }
}
