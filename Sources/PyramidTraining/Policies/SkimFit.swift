// Predictors of `learned-skim`: for each boundary a small network that tells from a token's row, before the layer has
// run, whether the token will receive much attention in it. Labels come from the model itself: a token stays that
// receives at least the learned threshold of its boundary or, without one that drops any, more than the least 30% do.

import Glibc
import PyramidEvaluation
import PyramidIR
import PyramidPolicy

extension PolicyFit {
  private static let width = 64
  private static let mostTokens = 8192
  private static let shareThatGoes = 0.3

  static func learnedSkim(
    _ context: TrainingContext
  ) throws -> (tensors: [(name: String, tensor: LearnedTensor)], note: String) {
    guard context.layers > 1 else {
      throw TrainingError("a model of one layer has no boundary between layers")
    }
    let seen = try observeTokens(context)
    let learned = context.parameters[Graph.thresholds].map { Array($0.values) }
    var tensors: [(name: String, tensor: LearnedTensor)] = []
    var shares: [Float] = []
    for (boundary, tokens) in seen.enumerated() {
      try Interruption.check()
      context.progress("predictor \(boundary + 1) of \(seen.count)")
      let place = Int(shareThatGoes * Double(tokens.received.count))
      var threshold =
        learned.flatMap { (all: [Float]) -> Float? in all.indices.contains(boundary) ? all[boundary] : nil }
        ?? -.infinity
      if tokens.received.allSatisfy({ $0 >= threshold }) {
        threshold = tokens.received.sorted()[place]
      }
      let stays = tokens.received.map { $0 >= threshold }
      var predictor = SkimPredictor(
        depth: tokens.rows.count / tokens.received.count, width: width, share: stays,
        random: SeededRandom(seed: context.options.seed, stream: "skim \(boundary)"))
      shares.append(predictor.train(tokens.rows, stays))
      tensors += predictor.tensors.map { (name: "\(boundary).\($0.name)", tensor: $0.tensor) }
    }
    let right = shares.map { String(Int(($0 * 100).rounded())) }.joined(separator: ", ")
    return (tensors, "predictors for \(seen.count) boundaries, right about \(right)% of their tokens")
  }

  /// Rows at each layer's input and what their tokens receive in it, of all tokens but [CLS] of every n-th text.
  private static func observeTokens(_ context: TrainingContext) throws -> [(
    rows: [Float], received: [Float]
  )] {
    var plain = try context.plainGraph()
    var read: [ValueID] = []
    for layer in 0..<context.layers - 1 { read += try plain.readingTokens(of: layer) }
    let stage = try StageGraph.evaluation(plain, StageRecipe(), target: context.target)
    let program = try StageProgram(stage, context, reading: read)
    let step = max(1, (context.train.tokenCount + mostTokens - 1) / mostTokens)
    let texts = stride(from: 0, to: context.train.count, by: step).map { $0 }
    let all = context.train.lengths
    let lengths = texts.map { all[$0] }
    let plan = BatchPlan(lengths: lengths, budget: context.options.batchTokens, samples: context.options.batchSamples)
    var seen = [(rows: [Float], received: [Float])](repeating: ([], []), count: context.layers - 1)
    for (number, batch) in plan.batches.enumerated() {
      try Interruption.check()
      context.progress("rows of train, \(100 * number / plan.batches.count)%")
      let values = try program.read(context.train.batch(batch.map { texts[$0] }))
      try context.checkFinite(values)
      let firsts = Set(batch.reduce(into: [0]) { $0.append($0.last! + lengths[$1]) })
      for boundary in seen.indices {
        let (rows, received) = (values[2 * boundary], values[2 * boundary + 1])
        let depth = rows.count / received.count
        for token in received.indices where !firsts.contains(token) {
          seen[boundary].rows += rows[token * depth..<(token + 1) * depth]
          seen[boundary].received.append(received[token])
        }
      }
    }
    guard seen.allSatisfy({ !$0.received.isEmpty }) else {
      throw TrainingError("train has no token beside [CLS]")
    }
    return seen
  }
}

/// Norm, linear, norm, GELU, linear to two logits; trained by Adam on rows that stay and rows that go.
struct SkimPredictor {
  private let depth, width: Int
  /// norm1 weight and bias [depth], linear1 transposed [depth][width] and its bias, norm2 weight and bias [width],
  /// linear2 [2][width] and its bias [2], one after the other.
  private var values: [Float]
  private let starts: [Int]
  private var random: SeededRandom
  private static let epsilon: Float = 1e-5
  private static let epochs = 3
  private static let batch = 64

  /// A predictor that starts where the share of `stays` would be alone.
  init(depth: Int, width: Int, share stays: [Bool], random: SeededRandom) {
    (self.depth, self.width, self.random) = (depth, width, random)
    starts = [depth, depth, depth * width, width, width, width, 2 * width, 2].reduce(into: [0]) {
      $0.append($0.last! + $1)
    }
    values = Array(repeating: 0, count: starts[8])
    for index in starts[0]..<starts[1] { values[index] = 1 }
    for index in starts[4]..<starts[5] { values[index] = 1 }
    for index in starts[2]..<starts[3] {
      values[index] = self.random.normal() / Float(depth).squareRoot()
    }
    for index in starts[6]..<starts[7] {
      values[index] = self.random.normal() / Float(width).squareRoot()
    }
    let share = (Float(stays.count { $0 }) + 1) / Float(stays.count + 2)
    values[starts[7] + 1] = log(share / (1 - share))
  }

  /// The tensors of one boundary as the policy asks for them.
  var tensors: [(name: String, tensor: LearnedTensor)] {
    func part(_ index: Int) -> [Float] { Array(values[starts[index]..<starts[index + 1]]) }
    let transposed = part(2)
    let linear1 = (0..<width * depth).map { transposed[$0 % depth * width + $0 / depth] }
    return [
      ("norm1.weight", LearnedTensor(part(0))), ("norm1.bias", LearnedTensor(part(1))),
      ("linear1.weight", LearnedTensor(shape: [width, depth], values: linear1)),
      ("linear1.bias", LearnedTensor(part(3))), ("norm2.weight", LearnedTensor(part(4))),
      ("norm2.bias", LearnedTensor(part(5))),
      ("linear2.weight", LearnedTensor(shape: [2, width], values: part(6))),
      ("linear2.bias", LearnedTensor(part(7))),
    ]
  }

  /// Trains on rows [stays.count][depth]; returns the share that it was right about in the last epoch.
  mutating func train(_ rows: [Float], _ stays: [Bool]) -> Float {
    var (first, second) = ([Float](repeating: 0, count: values.count), [Float](repeating: 0, count: values.count))
    let steps = Self.epochs * ((stays.count + Self.batch - 1) / Self.batch)
    var (step, right) = (0, 0)
    for _ in 0..<Self.epochs {
      right = 0
      let order = random.permutation(stays.count)
      for start in stride(from: 0, to: stays.count, by: Self.batch) {
        let tokens = order[start..<min(start + Self.batch, stays.count)]
        var gradient = [Float](repeating: 0, count: values.count)
        for token in tokens {
          let row = rows[token * depth..<(token + 1) * depth]
          if learn(Array(row), stays: stays[token], &gradient) { right += 1 }
        }
        let rate = 2e-3 * (1 - Float(step) / Float(steps))
        step += 1
        let (fading, fadingSquares) = (1 - pow(0.9, Float(step)), 1 - pow(0.999, Float(step)))
        for index in values.indices {
          let slope = gradient[index] / Float(tokens.count)
          first[index] = 0.9 * first[index] + 0.1 * slope
          second[index] = 0.999 * second[index] + 0.001 * slope * slope
          let spread: Float = (second[index] / fadingSquares).squareRoot() + 1e-8
          values[index] -= rate * first[index] / fading / spread
        }
      }
    }
    return Float(right) / Float(stays.count)
  }

  /// Adds the gradient of one row's loss; returns whether the row was told right.
  private func learn(_ row: [Float], stays: Bool, _ gradient: inout [Float]) -> Bool {
    let outer = Self.normalised(row).x
    let x = outer.indices.map { (column: Int) -> Float in
      outer[column] * values[starts[0] + column] + values[starts[1] + column]
    }
    var sums = Array(values[starts[3]..<starts[4]])
    for column in 0..<depth {
      let from = starts[2] + column * width
      for unit in 0..<width { sums[unit] += x[column] * values[from + unit] }
    }
    let (inner, innerScale) = Self.normalised(sums)
    let z = inner.indices.map { (unit: Int) -> Float in
      inner[unit] * values[starts[4] + unit] + values[starts[5] + unit]
    }
    let share = z.map { (x: Float) -> Float in (1 + erff(x * 0.707_106_78)) / 2 }
    var margin = values[starts[7] + 1] - values[starts[7]]
    let (toStay, toGo) = (starts[6] + width, starts[6])
    for unit in 0..<width { margin += z[unit] * share[unit] * (values[toStay + unit] - values[toGo + unit]) }
    // Of the loss by the margin, and back through each part.
    let error: Float = 1 / (1 + exp(-margin)) - (stays ? 1 : 0)
    gradient[starts[7] + 1] += error
    gradient[starts[7]] -= error
    var slopes = [Float](repeating: 0, count: width)
    for unit in 0..<width {
      let weight = values[toStay + unit] - values[toGo + unit]
      let active: Float = z[unit] * share[unit]
      gradient[toStay + unit] += error * active
      gradient[toGo + unit] -= error * active
      let density: Float = exp(-z[unit] * z[unit] / 2) * 0.398_942_28
      let slope: Float = error * weight * (share[unit] + z[unit] * density)
      gradient[starts[4] + unit] += slope * inner[unit]
      gradient[starts[5] + unit] += slope
      slopes[unit] = slope * values[starts[4] + unit]
    }
    let mean: Float = slopes.reduce(0, +) / Float(width)
    var along: Float = 0
    for unit in 0..<width { along += slopes[unit] * inner[unit] / Float(width) }
    for unit in 0..<width {
      slopes[unit] = (slopes[unit] - mean - inner[unit] * along) * innerScale
      gradient[starts[3] + unit] += slopes[unit]
    }
    for column in 0..<depth {
      let from = starts[2] + column * width
      var slope: Float = 0
      for unit in 0..<width {
        gradient[from + unit] += x[column] * slopes[unit]
        slope += slopes[unit] * values[from + unit]
      }
      gradient[starts[0] + column] += slope * outer[column]
      gradient[starts[1] + column] += slope
    }
    return (margin >= 0) == stays
  }

  /// Mean 0 and deviation 1, and what was multiplied by for it.
  private static func normalised(_ x: [Float]) -> (x: [Float], scale: Float) {
    let mean: Float = x.reduce(0, +) / Float(x.count)
    var squares: Float = 0
    for value in x { squares += (value - mean) * (value - mean) }
    let scale = 1 / (squares / Float(x.count) + epsilon).squareRoot()
    return (x.map { ($0 - mean) * scale }, scale)
  }
}

extension Graph {
  /// The rows that a layer of a plain graph reads, and what each token receives in it, which its attention is made to
  /// hand out.
  fileprivate mutating func readingTokens(of layer: Int) throws -> [ValueID] {
    let rows = try entering(layer: layer).hidden
    guard
      let attention = nodes.firstIndex(where: {
        $0.section == .layer(layer) && $0.op.attentionOfAll != nil
      })
    else {
      return []
    }
    return [rows, emitReceived(at: attention, name: "received\(layer)")]
  }
}
