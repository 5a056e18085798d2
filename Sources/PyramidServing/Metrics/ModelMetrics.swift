// What is counted of a model's answers: how many, how deep, how wide, and whether the texts of late are like the first ones.

import MagicPyramid
import Synchronization

/// The numbers of one model.
public final class ModelMetrics: Sendable {
  private let registry: MetricRegistry
  private let labels: [(key: String, value: String)]
  private let exits: MetricSeries
  private let tokens: [MetricSeries]
  private let drift: Mutex<Drift>

  /// The numbers of a model with so many layers.
  init(_ registry: MetricRegistry, model: String, version: String, layers: Int) {
    self.registry = registry
    labels = [("model", model), ("version", version)]
    exits = registry.series(
      "mp_exit_layer", .histogram((0..<layers).map(Double.init)),
      "Layer after which texts left; 0 is the entry.", labels: labels)
    tokens = (1...layers).map {
      registry.series(
        "mp_tokens_alive_total", .counter, "Tokens alive when a layer started.",
        labels: [
          ("model", model), ("version", version), ("layer", "\($0)"),
        ])
    }
    drift = Mutex(Drift(layers: layers))
  }

  /// Counts a request's end; `outcome` is `ok` or a word for what went wrong.
  public func count(outcome: String, protocol name: String, seconds: Double) {
    registry.series(
      "mp_requests_total", .counter, "Requests by outcome.",
      labels: labels + [("protocol", name), ("outcome", outcome)]
    ).add()
    // By outcome, since a refusal takes no time: with answers in one, an overload would look fast.
    registry.series(
      "mp_request_seconds", .histogram(MetricRegistry.seconds), "Time of a request, from its body to its reply.",
      labels: labels + [("outcome", outcome)]
    ).observe(seconds)
  }

  /// Counts answers.
  func count(_ answers: [Classification]) {
    let sums = answers.reduce(into: OperationCount()) { $0.add($1.answer.operations) }
    add("mp_texts_total", "Texts answered.", Double(answers.count))
    add("mp_operations_total", "Operations that ran.", Double(sums.executed))
    add("mp_operations_dense_total", "Operations that the same texts take without policies.", Double(sums.dense))
    add("mp_texts_truncated_total", "Texts cut to the model's limit.", Double(answers.count { $0.isTruncated }))
    for answer in answers {
      exits.observe(Double(answer.answer.exitLayer))
      // Who leaves at the entry has been in no layer.
      for (series, count) in zip(tokens, answer.answer.tokensAlive.prefix(answer.answer.exitLayer)) {
        series.add(Double(count))
      }
      if let limit = answer.answer.limit {
        registry.series(
          "mp_texts_limited_total", .counter, "Texts that a limit made leave before their policy did.",
          labels: labels + [("limit", limit.rawValue)]
        ).add()
      }
    }
    let values = drift.withLock { drift in
      for answer in answers { drift.count(answer.answer) }
      return drift.values
    }
    guard let values else { return }
    gauge("mp_exit_layer_drift", "Distance of the exit layers of late from the first ones, 0 to 1.", values.exits)
    gauge(
      "mp_tokens_alive_drift", "Layers' share of tokens alive of late, over that of the first texts.", values.tokens)
  }

  /// Takes away what is measured now and then, once the model is no longer served.
  func removeGauges() { registry.removeGauges(labels: labels) }

  /// Sets what is measured now and then.
  func gauge(_ name: String, _ help: String, _ value: Double) {
    registry.series(name, .gauge, help, labels: labels).set(value)
  }

  /// Adds to a counter.
  func add(_ name: String, _ help: String, _ amount: Double = 1) {
    registry.series(name, .counter, help, labels: labels).add(amount)
  }
}

/// The texts of late beside the first ones.
struct Drift {
  /// The first texts, and about as many of late.
  static let texts = 1000.0
  private var count = 0.0
  private var firstExits, lateExits: [Double]
  private var (firstWidth, lateWidth) = (0.0, 0.0)

  init(layers: Int) {
    firstExits = Array(repeating: 0, count: layers + 1)
    lateExits = firstExits
  }

  /// Half the sum of the differences of the exits' shares, and the ratio of the mean shares of tokens alive over the layers
  /// that ran; nil before there are first texts.
  var values: (exits: Double, tokens: Double)? {
    guard count >= Self.texts, firstWidth > 0 else { return nil }
    let distance = zip(firstExits, lateExits).reduce(0) { $0 + abs($1.0 / Self.texts - $1.1) } / 2
    return (distance, lateWidth / (firstWidth / Self.texts))
  }

  mutating func count(_ answer: Answer) {
    let entered = Double(max(answer.tokensAlive.first ?? 1, 1))
    let width = answer.tokensAlive.reduce(0) { $0 + Double($1) / entered } / Double(max(answer.tokensAlive.count, 1))
    if count < Self.texts {
      firstExits[answer.exitLayer] += 1
      firstWidth += width
    }
    count += 1
    // A plain mean of the first, then one that forgets.
    let weight = 1 / min(count, Self.texts)
    for layer in lateExits.indices {
      lateExits[layer] += weight * ((layer == answer.exitLayer ? 1 : 0) - lateExits[layer])
    }
    lateWidth += weight * (width - lateWidth)
  }
}
