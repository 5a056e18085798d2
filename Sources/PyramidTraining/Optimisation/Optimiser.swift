// One update of all parameters of a stage: mean over the samples, clipping by the global norm, AdamW. What a gradient
// that is not finite means is decided here as well: no parameter is touched by it.

import Glibc
import PyramidRuntime

/// The arithmetic of updates on whole buffers; the same bits at any thread count.
public protocol OptimiserKernels {
  /// Calls `body`, which calls the others, where they run.
  func together<Result>(_ body: () throws -> Result) throws -> Result
  /// The sum of the squares, in double precision.
  func sumOfSquares(_ values: UnsafeMutableBufferPointer<Float>) -> Double
  /// One AdamW update; zeroes the gradient.
  func adamW(
    _ values: UnsafeMutableBufferPointer<Float>, gradient: UnsafeMutableBufferPointer<Float>,
    first: UnsafeMutableBufferPointer<Float>, second: UnsafeMutableBufferPointer<Float>, _ update: AdamWUpdate)
}

/// The numbers of one AdamW update; moments decay by 0.9 and 0.999.
public struct AdamWUpdate: Sendable {
  /// Factor of the gradient: mean over samples and clipping.
  public var gradientScale: Float
  /// Learning rate divided by the first moment's bias correction.
  public var stepSize: Float
  /// 1 / the second moment's bias correction, under the root.
  public var secondScale: Float
  /// Factor of the value before the update: 1 - learning rate * weight decay.
  public var keep: Float

  /// Decay of the first moment, of the second, and what is added to the root.
  public static let beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8

  /// Update number `step`, from 1.
  init(step: Int, learningRate: Double, weightDecay: Double, gradientScale: Double) {
    self.gradientScale = Float(gradientScale)
    stepSize = Float(learningRate / (1 - pow(Double(Self.beta1), Double(step))))
    secondScale = Float(1 / (1 - pow(Double(Self.beta2), Double(step))))
    keep = Float(1 - learningRate * weightDecay)
  }
}

/// The kernels of a training's team.
struct TeamOptimiserKernels: OptimiserKernels {
  let thread: TrainingThread

  func together<Result>(_ body: () throws -> Result) throws -> Result { try thread.perform(body) }

  func sumOfSquares(_ values: UnsafeMutableBufferPointer<Float>) -> Double { thread.vectors.sumOfSquares(values) }

  func adamW(
    _ values: UnsafeMutableBufferPointer<Float>, gradient: UnsafeMutableBufferPointer<Float>,
    first: UnsafeMutableBufferPointer<Float>, second: UnsafeMutableBufferPointer<Float>, _ update: AdamWUpdate
  ) {
    thread.vectors.adamW(
      values, gradient: gradient, first: first, second: second, gradientScale: update.gradientScale,
      stepSize: update.stepSize, secondScale: update.secondScale, keep: update.keep, beta1: AdamWUpdate.beta1,
      beta2: AdamWUpdate.beta2, epsilon: AdamWUpdate.epsilon)
  }
}

/// The optimiser of one stage.
struct Optimiser {
  let groups: [ParameterGroup]
  let kernels: any OptimiserKernels
  /// Updates of the stage, all epochs together.
  let updates: Int
  /// Share of them in which rates rise from 0; then they fall to 0.
  let warmUp: Double
  let maximumNorm: Double

  /// Readies the parameters of the groups; what else was trained before is not any more.
  init(
    _ groups: [ParameterGroup], in set: ParameterSet, kernels: any OptimiserKernels, updates: Int,
    _ options: TrainingOptions
  ) {
    (self.groups, self.kernels, self.updates) = (groups, kernels, updates)
    (warmUp, maximumNorm) = (options.warmUp, options.maximumNorm)
    for parameter in set.all { parameter.stopTraining() }
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
    try kernels.together { updateHere(number, samples: samples) }
  }

  private func updateHere(_ number: Int, samples: Int) -> Double {
    let parameters = groups.flatMap(\.parameters)
    let mean = 1 / Double(max(samples, 1))
    let norm = parameters.reduce(0) { $0 + kernels.sumOfSquares($1.gradient!) }.squareRoot() * mean
    guard norm.isFinite else { return norm }
    let scale = mean * min(1, maximumNorm / max(norm, .leastNormalMagnitude))
    for group in groups {
      for parameter in group.parameters {
        let update = AdamWUpdate(
          step: number, learningRate: group.learningRate * rate(of: number),
          weightDecay: parameter.decays ? group.weightDecay : 0, gradientScale: scale)
        kernels.adamW(
          parameter.values, gradient: parameter.gradient!, first: parameter.moments!.first,
          second: parameter.moments!.second, update)
      }
    }
    return norm
  }
}
