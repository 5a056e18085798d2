// A stage that trains in microseconds: a linear model on bags of tokens, with dropout of tokens by the batch's number, so
// that a resumed training that lost count of anything ends elsewhere.

import Glibc
import PyramidTraining

/// Logistic regression on the tokens of a text.
public final class BagStage: TrainingStage {
  public let name: StageName
  public let heads: [String]
  public let epochs: Int
  public var keepsBest = true
  public private(set) var groups: [ParameterGroup] = []
  /// Called with every batch before it is computed; what it returns is added to the loss.
  public var disturbance: (TrainingBatch) -> Double = { _ in 0 }
  private let context: TrainingContext
  private let learningRate: Double
  private var weight: Parameter!
  private var bias: Parameter!

  /// A stage with one head.
  public init(_ name: StageName, _ context: TrainingContext, epochs: Int? = nil, learningRate: Double = 0.05) {
    (self.name, self.context, self.learningRate) = (name, context, learningRate)
    heads = [name.rawValue]
    self.epochs = epochs ?? context.epochs(of: name)
  }

  public func prepare() throws {
    let classes = context.labels.count
    weight = try context.parameters.add(
      "bag\(name.rawValue).weight", [classes, context.checkpoint.configuration.vocabularySize])
    bias = try context.parameters.add("bag\(name.rawValue).bias", [classes])
    groups = [ParameterGroup([weight, bias], learningRate: learningRate, weightDecay: 0.01)]
  }

  public func accumulate(_ batch: TrainingBatch) -> Double {
    var loss = disturbance(batch)
    let vocabulary = weight.shape[1]
    for sample in batch.samples {
      let ids = batch.texts.tokens(of: sample).filter { (Int($0) &+ batch.number) % 7 != 0 }
      let logits = logits(ids)
      let largest = logits.max()!
      let powers = logits.map { exp($0 - largest) }
      let sum = powers.reduce(0, +)
      let label = batch.texts.labels[sample]
      loss += Double(log(sum) - (logits[label] - largest))
      for (label, power) in powers.enumerated() {
        let slope = power / sum - (label == batch.texts.labels[sample] ? 1 : 0)
        bias.gradient![label] += slope
        for id in ids { weight.gradient![label * vocabulary + Int(id)] += slope / Float(ids.count) }
      }
    }
    return loss
  }

  public func predict(_ batch: TrainingBatch) -> [[Float]] {
    [batch.samples.flatMap { logits(Array(batch.texts.tokens(of: $0))) }]
  }

  private func logits(_ ids: [Int32]) -> [Float] {
    (0..<weight.shape[0]).map { label in
      ids.reduce(bias.values[label]) {
        $0 + weight.values[label * weight.shape[1] + Int($1)] / Float(max(ids.count, 1))
      }
    }
  }
}
