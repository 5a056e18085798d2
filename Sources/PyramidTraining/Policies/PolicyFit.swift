// Weights of policies, fitted to a model that stays as it is. One function for each policy that has any, in one list that
// the tool reads; what they share is a FrozenModel.

import Glibc
import PyramidEvaluation
import PyramidPolicy

/// How the weights of a policy come about.
public struct PolicyFit: Sendable {
  /// The policy's name.
  public let policy: String
  /// Its tensors, by the names that the policy asks for, and a line about them.
  let fit: @Sendable (TrainingContext) throws -> (tensors: [(name: String, tensor: LearnedTensor)], note: String)

  /// All that there are.
  public static let all = [
    PolicyFit(policy: "expert-vote", fit: expertVote), PolicyFit(policy: "learned-exit", fit: learnedExit),
    PolicyFit(policy: "learned-skim", fit: learnedSkim), PolicyFit(policy: "prototype", fit: prototype),
  ]

  /// The accuracy of each exit head on dev; 0 where there is no head.
  private static func expertVote(
    _ context: TrainingContext
  ) throws -> (tensors: [(name: String, tensor: LearnedTensor)], note: String) {
    let model = try FrozenModel(context, needsHeads: true)
    guard context.dev.count > 0 else { throw TrainingError("there are no dev rows to weigh the heads on; give --dev") }
    var right = [Int](repeating: 0, count: model.boundaries)
    try model.observe(context.dev, "heads on dev") { seen in
      for head in model.exits { right[head] += zip(seen.said[head], seen.labels).count { Int($0) == $1 } }
    }
    let weights = right.map { Float($0) / Float(context.dev.count) }
    return (
      [("weights", LearnedTensor(weights))], "accuracy of the heads on \(context.dev.count) rows of dev: \(weights)"
    )
  }

  /// The mean [CLS] row of each class after each layer.
  private static func prototype(
    _ context: TrainingContext
  ) throws -> (tensors: [(name: String, tensor: LearnedTensor)], note: String) {
    let model = try FrozenModel(context)
    let (width, classes) = (model.width, context.labels.count)
    var sums = [Double](repeating: 0, count: model.boundaries * classes * width)
    var counts = [Int](repeating: 0, count: classes)
    try model.observe(context.train, "rows of train") { seen in
      for (sample, label) in seen.labels.enumerated() {
        counts[label] += 1
        for boundary in 0..<model.boundaries {
          let (from, to) = ((sample * model.boundaries + boundary) * width, (boundary * classes + label) * width)
          for column in 0..<width { sums[to + column] += Double(seen.rows[from + column]) }
        }
      }
    }
    if let empty = counts.firstIndex(of: 0) {
      throw TrainingError("class '\(context.labels[empty])' has no row in train, so it has no prototype")
    }
    let means = sums.indices.map { Float(sums[$0] / Double(counts[$0 / width % classes])) }
    return (
      [("centroids", LearnedTensor(shape: [model.boundaries, classes, width], values: means))],
      "prototypes of \(classes) classes after \(model.boundaries) layers, from \(context.train.count) rows"
    )
  }

  /// Logistic regression on whether an exit head errs, all layers together.
  private static func learnedExit(
    _ context: TrainingContext
  ) throws -> (tensors: [(name: String, tensor: LearnedTensor)], note: String) {
    let model = try FrozenModel(context, needsHeads: true)
    let width = model.width
    // More than this is not kept: every n-th text will do.
    let most = max(1, context.largestFeatures / (4 * width * model.exits.count))
    let step = max(1, (context.train.count + most - 1) / most)
    var (rows, errs): ([Float], [Bool]) = ([], [])
    try model.observe(context.train, "rows of train") { seen in
      for (place, sample) in seen.samples.enumerated() where sample % step == 0 {
        for head in model.exits {
          let start = (place * model.boundaries + head) * width
          rows += seen.rows[start..<start + width]
          errs.append(Int(seen.said[head][place]) != seen.labels[place])
        }
      }
    }
    let wrong = errs.count { $0 }
    guard wrong > 0, wrong < errs.count else {
      throw TrainingError(
        "the heads are \(wrong == 0 ? "right" : "wrong") on every row of train, so there is nothing to learn from")
    }
    let (weight, bias) = LogisticRegression.fit(rows, width: width, errs, seed: context.options.seed)
    return (
      [("weight", LearnedTensor(shape: [1, width], values: weight)), ("bias", [bias])],
      "\(errs.count) answers of \(model.exits.count) heads, \(wrong) of them wrong"
    )
  }
}

/// A linear predictor of yes or no.
enum LogisticRegression {
  private static let epochs = 8
  private static let batch = 128
  private static let decay = 1e-5

  /// Weight [width] and bias that make `sigmoid(w x + b)` the likeliest, for rows [labels.count][width]: Adam over
  /// columns of mean 0 and deviation 1, its rate falling to 0. The same seed gives the same bits.
  static func fit(_ rows: [Float], width: Int, _ labels: [Bool], seed: UInt64) -> (weight: [Float], bias: Float) {
    let count = labels.count
    var (mean, scale) = ([Double](repeating: 0, count: width), [Double](repeating: 0, count: width))
    for index in rows.indices { mean[index % width] += Double(rows[index]) / Double(count) }
    for index in rows.indices { scale[index % width] += pow(Double(rows[index]) - mean[index % width], 2) }
    for column in 0..<width { scale[column] = 1 / max((scale[column] / Double(count)).squareRoot(), 1e-6) }
    // The last is the bias, which starts where it would be alone.
    let share = Double(labels.count { $0 }) / Double(count)
    var values = [Double](repeating: 0, count: width) + [log(share / (1 - share))]
    var (first, second) = ([Double](repeating: 0, count: width + 1), [Double](repeating: 0, count: width + 1))
    var random = SeededRandom(seed: seed, stream: "logistic regression")
    let steps = epochs * ((count + batch - 1) / batch)
    var step = 0
    for _ in 0..<epochs {
      let order = random.permutation(count)
      for start in stride(from: 0, to: count, by: batch) {
        var gradient = [Double](repeating: 0, count: width + 1)
        let samples = order[start..<min(start + batch, count)]
        for sample in samples {
          var sum = values[width]
          for column in 0..<width {
            sum += values[column] * (Double(rows[sample * width + column]) - mean[column]) * scale[column]
          }
          let error = (1 / (1 + exp(-sum)) - (labels[sample] ? 1 : 0)) / Double(samples.count)
          for column in 0..<width {
            gradient[column] += error * (Double(rows[sample * width + column]) - mean[column]) * scale[column]
          }
          gradient[width] += error
        }
        let rate = 0.02 * (1 - Double(step) / Double(steps))
        step += 1
        for column in 0...width {
          let slope = gradient[column] + (column < width ? decay * values[column] : 0)
          first[column] = 0.9 * first[column] + 0.1 * slope
          second[column] = 0.999 * second[column] + 0.001 * slope * slope
          let (m, v) = (first[column] / (1 - pow(0.9, Double(step))), second[column] / (1 - pow(0.999, Double(step))))
          values[column] -= rate * m / (v.squareRoot() + 1e-8)
        }
      }
    }
    let weight = (0..<width).map { values[$0] * scale[$0] }
    let bias = values[width] - zip(weight, mean).reduce(0) { $0 + $1.0 * $1.1 }
    return (weight.map { Float($0) }, Float(bias))
  }
}
