// What a threshold would make of the samples of a development set: where they leave, how many are right, and
// how many layers they cost. It tells the user which threshold to compile with; what it is worth on other texts and in
// time is measured by mp-compare.

import Glibc
import PyramidEvaluation
import PyramidFormats
import PyramidIR
import PyramidModels

/// Samples leaving at the first head that is surer than one threshold.
public struct ExitForecast: Sendable, Equatable {
  /// The policy with its threshold, as `--exit` takes it.
  public let policy: String
  /// The normalised entropy, or one minus the largest probability, below which samples leave.
  public let threshold: Float
  /// Share of the samples that are right.
  public let accuracy: Double
  /// Share of the samples that leave at each head.
  public let shares: [Double]
  /// Mean cost in layers: a sample that leaves after layer k costs k - 1 layers and a peek for each head it met; the
  /// entry costs nothing.
  public let layers: Double
  /// The same for a model without exits: all layers but the last, and a peek.
  public let denseLayers: Double

  /// Dense layers for each layer that is computed.
  public var speedUp: Double { denseLayers / max(layers, 1e-9) }
}

extension HeadAnswers {
  /// Thresholds that are tried: 0.005, 0.01, ... 0.95.
  static let thresholds: [Float] = (1...190).map { Float($0) / 200 }

  /// What each threshold of `entropy` does, or with a temperature for each head those of `max-probability`. `peek` is the
  /// cost of a head above the entry, its [CLS] row included, in layers.
  public func forecasts(peek: Double, temperatures: [Float]? = nil) -> [ExitForecast] {
    let doubts = layers.indices.map { head in
      labels.indices.map { sample in
        let p = probabilities(head: head, sample: sample, temperature: Double(temperatures?[head] ?? 1))
        return temperatures == nil ? entropy(of: p) : 1 - (p.max() ?? 0)
      }
    }
    return Self.thresholds.map { threshold in
      let certainty = (1000 * (1 - Double(threshold))).rounded() / 1000
      let policy = temperatures == nil ? "entropy(threshold=\(threshold))" : "max-probability(threshold=\(certainty))"
      return forecast(policy, threshold, doubts, peek: peek)
    }
  }

  /// For each loss of accuracy against the last head, in points (1/100), the fastest forecast that loses no more.
  public func choices(
    peek: Double, losing points: [Double], temperatures: [Float]? = nil
  ) -> [(points: Double, forecast: ExitForecast?)] {
    let forecasts = forecasts(peek: peek, temperatures: temperatures)
    let dense = accuracies.last ?? 0
    return points.map { points in
      let allowed = forecasts.filter { $0.accuracy >= dense - points / 100 - 1e-12 }
      return (points, allowed.max { $0.speedUp < $1.speedUp })
    }
  }

  private func forecast(
    _ policy: String, _ threshold: Float, _ doubts: [[Double]], peek: Double
  ) -> ExitForecast {
    var left = Array(repeating: 0, count: layers.count)
    var (right, cost) = (0, 0.0)
    for sample in labels.indices {
      let head = layers.indices.first { doubts[$0][sample] < Double(threshold) } ?? layers.count - 1
      left[head] += 1
      if best(head: head, sample: sample) == labels[sample] { right += 1 }
      cost += self.cost(head: head, peek: peek)
    }
    let total = Double(max(count, 1))
    return ExitForecast(
      policy: policy, threshold: threshold, accuracy: Double(right) / total,
      shares: left.map { Double($0) / total }, layers: cost / total, denseLayers: Double((layers.last ?? 1) - 1) + peek)
  }

  private func cost(head: Int, peek: Double) -> Double {
    if layers[head] == 0 { return 0 }
    let asked = layers[...head].count { $0 > 0 }
    return Double(layers[head] - 1) + Double(asked) * peek
  }

  private func entropy(of probabilities: [Double]) -> Double {
    if classes < 2 { return 0 }
    var sum = 0.0
    for p in probabilities where p > 0 { sum -= p * log(p) }
    return sum / log(Double(classes))
  }
}

/// What a trained model's exits are worth on dev: the thresholds of `entropy`, and of `max-probability` with the heads'
/// temperatures, for some losses of accuracy.
struct ExitForecastTable {
  private static let losses = [0.0, 0.25, 0.5, 1]
  private let answers: HeadAnswers
  /// By head; nil where none was fitted.
  private let temperatures: [Float]?
  private let peek: Double

  /// Asks all heads of a training's model about dev. Nil for a model without exits, and without rows of dev.
  init?(_ context: TrainingContext) throws {
    let entry = BagHead(context.parameters, context.checkpoint)
    var recipe = StageRecipe()
    (recipe.exits, recipe.last, recipe.trainsTrunk) = (context.exitHeads, nil, false)
    if entry == nil && recipe.exits.isEmpty || context.dev.count == 0 { return nil }
    (recipe.headInput, recipe.linearExits) = (context.headInput ?? .first, context.linearHeads)
    recipe.pruning = try context.hardPruning()
    let graph = try StageGraph.evaluation(context.plainGraph(), recipe, target: context.target)
    let program = try StageProgram(graph, context, prune: recipe.prune)
    let layers = (entry == nil ? [] : [0]) + recipe.exits.map { $0 + 1 } + [context.layers]
    let shares = EntryShares(context)
    answers = try context.devAnswers(layers: layers) { batch in
      var logits = try program.logits(of: batch)
      shares?.add(to: &logits, layers: recipe.exits, batch)
      return (entry.map { [$0.logits(batch)] } ?? []) + logits
    }
    let fitted = context.parameters["exits.temperatures"]?.array
    temperatures =
      fitted == nil && entry == nil
      ? nil : (entry.map { [$0.temperature] } ?? []) + recipe.exits.map { fitted?[$0] ?? 1 } + [1]
    let (hidden, heads) = (Double(context.checkpoint.configuration.hiddenSize), context.checkpoint.configuration.heads)
    let tokens = Double(context.dev.tokenCount) / Double(max(context.dev.count, 1))
    // `peek` against a whole layer, in multiply-adds (DESIGN: 12 H^2 + 2 heads n H against 12 n H^2 + 2 n^2 H).
    peek =
      (12 * hidden * hidden + 2 * Double(heads) * tokens * hidden)
      / (12 * tokens * hidden * hidden + 2 * tokens * tokens * hidden)
  }

  /// One line a loss: the threshold, what it costs on dev, and where texts leave.
  var text: String {
    var lines = ["exits on dev, by a threshold (mp-compare measures what it is worth):"]
    var choices = answers.choices(peek: peek, losing: Self.losses)
    if let temperatures { choices += answers.choices(peek: peek, losing: Self.losses, temperatures: temperatures) }
    for (points, forecast) in choices {
      guard let forecast else { continue }
      let shares = zip(answers.layers, forecast.shares).map { layer, share in
        "\(layer == 0 ? "entry" : "\(layer)"): \(decimal(100 * share, 0))%"
      }
      // Where all leave at the entry.
      let saved = forecast.layers > 0 ? "\(decimal(forecast.speedUp, 1))x fewer layers" : "no layers"
      lines.append(
        "  at most \(decimal(points, 2)) points: --exit '\(forecast.policy)', accuracy "
          + "\(decimal(100 * forecast.accuracy, 2))%, \(saved) ("
          + shares.joined(separator: ", ") + ")")
    }
    return lines.joined(separator: "\n")
  }
}
