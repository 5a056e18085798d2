// One update of all parameters of a stage: mean over the samples, clipping by the global norm, AdamW. What a gradient
// that is not finite means is decided here as well: no parameter is touched by it.

import Glibc
import PyramidRuntime

/// The optimiser of one stage.
struct Optimiser {
  /// Decay of the first and of the second moment.
  private static let beta1 = 0.9, beta2 = 0.999

  let groups: [ParameterGroup]
  let thread: TrainingThread
  /// Updates of the stage, all epochs together.
  let updates: Int
  /// Share of them in which rates rise from 0; then they fall to 0.
  let warmUp: Double
  let maximumNorm: Double

  /// Readies the parameters of the groups.
  init(_ groups: [ParameterGroup], thread: TrainingThread, updates: Int, _ options: TrainingOptions) {
    (self.groups, self.thread, self.updates) = (groups, thread, updates)
    (warmUp, maximumNorm) = (options.warmUp, options.maximumNorm)
    for parameter in groups.flatMap(\.parameters) { parameter.startTraining() }
  }

  /// The factor of the learning rates for an update, from 1.
  func rate(of update: Int) -> Double {
    let rising = warmUp * Double(updates)
    if Double(update) <= rising { return Double(update) / rising }
    return Double(updates - update + 1) / (Double(updates) - rising.rounded(.down))
  }

  /// Update number `number`, from 1, with gradients that are sums over `samples`. Returns the norm of the mean gradient;
  /// when that is not finite nothing is changed.
  func update(_ number: Int, samples: Int) throws -> Double {
    try thread.perform {
      let vectors = thread.vectors
      let mean = 1 / Double(max(samples, 1))
      let gradients = groups.flatMap(\.parameters).map { $0.gradient! }
      let norm = gradients.reduce(0) { $0 + vectors.sumOfSquares($1) }.squareRoot() * mean
      guard norm.isFinite else { return norm }
      let scale = mean * min(1, maximumNorm / max(norm, .leastNormalMagnitude))
      for group in groups {
        let rate = group.learningRate * rate(of: number)
        for parameter in group.parameters {
          let decay = parameter.decays ? group.weightDecay : 0
          vectors.adamW(
            parameter.values, gradient: parameter.gradient!, first: parameter.moments!.first,
            second: parameter.moments!.second, gradientScale: Float(scale),
            stepSize: Float(rate / (1 - pow(Self.beta1, Double(number)))),
            secondScale: Float(1 / (1 - pow(Self.beta2, Double(number)))), keep: Float(1 - rate * decay),
            beta1: Float(Self.beta1), beta2: Float(Self.beta2), epsilon: 1e-8)
        }
      }
      return norm
    }
  }
}
