// What the heads of a model say of labelled samples, and what follows from that alone: accuracies, temperatures, and
// what an entropy threshold would cost and save. Separate from the running, so that it can be checked on made-up logits.

import Glibc

/// Logits of every head for the same labelled samples.
public struct HeadAnswers: Sendable {
  /// The layers that the heads follow, ascending, counted from 1; 0 is the entry. The last one is the model's own.
  public let layers: [Int]
  /// Number of classes.
  public let classes: Int
  /// Class of each sample.
  public private(set) var labels: [Int32] = []
  /// By head: logits [samples][classes].
  public internal(set) var logits: [[Float]]

  /// No samples yet.
  public init(layers: [Int], classes: Int) {
    (self.layers, self.classes) = (layers, classes)
    logits = Array(repeating: [], count: layers.count)
  }

  /// Adds samples: `logits` by head, [labels.count][classes] each.
  public mutating func add(labels: [Int32], logits: [[Float]]) {
    self.labels += labels
    for head in self.logits.indices { self.logits[head] += logits[head] }
  }

  /// Number of samples.
  public var count: Int { labels.count }

  /// Number of the best class of a sample at a head; the first of equals.
  public func best(head: Int, sample: Int) -> Int32 {
    let row = logits[head][sample * classes..<(sample + 1) * classes]
    return Int32(row.indices.max { row[$0] < row[$1] }! - row.startIndex)
  }

  /// Share of samples that each head gets right.
  public var accuracies: [Double] {
    layers.indices.map { head in
      Double(labels.indices.count { best(head: head, sample: $0) == labels[$0] }) / Double(max(count, 1))
    }
  }

  /// Probabilities of a sample at a head whose logits are divided by `temperature`.
  func probabilities(head: Int, sample: Int, temperature: Double) -> [Double] {
    let row = logits[head][sample * classes..<(sample + 1) * classes].map { Double($0) / temperature }
    let top = row.max() ?? 0
    let powers = row.map { exp($0 - top) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  /// Makes the logits in a range of values probabilities.
  static func softmax(_ values: inout [Float], _ range: Range<Int>) {
    let top = values[range].max() ?? 0
    for index in range { values[index] = exp(values[index] - top) }
    let sum = values[range].reduce(0, +)
    for index in range { values[index] /= sum }
  }

  /// Mean of -ln p(label) of a head at a temperature.
  public func loss(head: Int, temperature: Double = 1) -> Double {
    var sum = 0.0
    for sample in labels.indices {
      let p = probabilities(head: head, sample: sample, temperature: temperature)[Int(labels[sample])]
      sum -= log(max(p, .leastNormalMagnitude))
    }
    return sum / Double(max(count, 1))
  }

  /// The temperature, between 1/20 and 20, at which a head's labels fit best (`Calibration`). 1 where there are no
  /// samples.
  public func temperature(head: Int) -> Float {
    Float(Calibration(logits: logits[head], labels: labels.map(Int.init)).temperature)
  }
}

/// The temperature of the least loss between 1/20 and 20, by `steps` steps of golden section on its logarithm. The loss
/// has one minimum, since it is convex in 1 / temperature (Guo et al. 2017, 1706.04599).
func leastTemperature(steps: Int, loss: (Double) -> Double) -> Double {
  exp(leastPoint(log(0.05), log(20.0), steps: steps) { loss(exp($0)) })
}

/// Where a function of one minimum between two points is least, by `steps` steps of golden section.
func leastPoint(_ low: Double, _ high: Double, steps: Int, _ value: (Double) -> Double) -> Double {
  let ratio = (5.0.squareRoot() - 1) / 2
  var (low, high) = (low, high)
  var (left, right) = (high - ratio * (high - low), low + ratio * (high - low))
  var (leftValue, rightValue) = (value(left), value(right))
  for _ in 0..<steps {
    if leftValue < rightValue {
      (high, right, rightValue) = (right, left, leftValue)
      left = high - ratio * (high - low)
      leftValue = value(left)
    } else {
      (low, left, leftValue) = (left, right, rightValue)
      right = low + ratio * (high - low)
      rightValue = value(right)
    }
  }
  return (low + high) / 2
}
