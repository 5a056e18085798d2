// A bag head that was learned: its tables, what it answers, how sure it is, and which words carry its answers.

import Glibc
import PyramidModels

/// The exit before the first layer: logits = (sum of the words' and pairs' rows) / words + bias.
public struct BagHead: Sendable {
  /// What it counts.
  public let vocabulary: BagVocabulary
  /// Rows of both tables, [words + pairs][classes].
  let weights: [Float]
  /// [classes].
  public let bias: [Float]
  /// Divides the logits where probabilities shall be true; above 0.
  public internal(set) var temperature: Float = 1
  /// Which rows occurred in training, [words + pairs].
  let isSeen: [Bool]

  /// Classes.
  public var classes: Int { bias.count }
  /// `exits.entry.table`, [words][classes].
  public var table: ArraySlice<Float> { weights[..<(vocabulary.words * classes)] }
  /// `exits.entry.bigrams`, [pairs][classes]; empty without pairs.
  public var pairTable: ArraySlice<Float> { weights[(vocabulary.words * classes)...] }

  /// The logits of every text, [texts][classes], before the temperature: what the tensors say.
  func logits(_ texts: BagTexts) -> [Float] {
    var logits = [Float](repeating: 0, count: texts.count * classes)
    for text in 0..<texts.count {
      var sums = [Double](repeating: 0, count: classes)
      for row in texts.rows[texts.starts[text]..<texts.starts[text + 1]] {
        for column in 0..<classes { sums[column] += Double(weights[Int(row) * classes + column]) }
      }
      for column in 0..<classes {
        logits[text * classes + column] = Float(sums[column] / Double(max(texts.words[text], 1)) + Double(bias[column]))
      }
    }
    return logits
  }

  /// The logits of a batch's texts, [B, classes], as `logits(_:)` has them.
  func logits(_ batch: TrainingBatch) -> [Float] {
    logits(
      BagTexts(
        batch.samples.lazy.map { batch.texts.tokens(of: $0) }, labels: batch.labels, vocabulary: vocabulary))
  }

  /// The logits of a batch's texts, [B, classes], divided by the temperature.
  func calibratedLogits(_ batch: TrainingBatch) -> [Float] { logits(batch).map { $0 / temperature } }

  /// `prune.entry.salience`, [words]: how far apart a word pulls the classes, max - min of its row in the table. What is
  /// no word, or never occurred in training, is given the largest one: nothing speaks for dropping it.
  public var salience: [Float] {
    let spreads = (0..<vocabulary.words).map { word in
      let row = table[word * classes..<(word + 1) * classes]
      return (row.max() ?? 0) - (row.min() ?? 0)
    }
    let largest = spreads.max() ?? 0
    return spreads.indices.map { isSeen[$0] && !vocabulary.skip.contains(Int32($0)) ? spreads[$0] : largest }
  }

  /// `prune.entry.threshold`: the salience from which on a word stays, such that at least `share` of the words of these
  /// texts do.
  public func threshold(keeping share: Double, of texts: BagTexts) -> Float {
    let salience = salience
    let found = texts.rows.lazy.filter { Int($0) < vocabulary.words }.map { salience[Int($0)] }.sorted()
    guard !found.isEmpty else { return 0 }
    return found[min(Int((1 - share) * Double(found.count)), found.count - 1)]
  }
}

extension BagHead {
  /// The head that a training's parameters hold; nil without one.
  init?(_ parameters: ParameterSet, _ checkpoint: Checkpoint) {
    guard let table = parameters["exits.entry.table"], let bias = parameters["exits.entry.bias"] else { return nil }
    let pairs = parameters["exits.entry.bigrams"]
    vocabulary = BagVocabulary(checkpoint, pairs: pairs?.shape[0])
    weights = table.array + (pairs?.array ?? [])
    self.bias = bias.array
    temperature = parameters["exits.entry.temperature"]?.array.first ?? 1
    isSeen = Array(repeating: true, count: vocabulary.rows)
  }
}

/// How well logits fit labels, and the temperature that makes them fit best.
struct Calibration {
  /// [samples][classes].
  let logits: [Float]
  /// [samples].
  let labels: [Int]
  private var classes: Int { labels.isEmpty ? 0 : logits.count / labels.count }

  /// Mean cross-entropy in nats at a temperature. Of n labels one in n + 1 is taken to be of any class: where every
  /// sample is right, nothing else would keep a temperature from going to 0 (Platt 1999 smooths targets alike).
  func loss(_ temperature: Double) -> Double {
    let doubt = 1 / Double(labels.count + 1)
    var sum = 0.0
    for (sample, label) in labels.enumerated() {
      let row = logits[sample * classes..<(sample + 1) * classes]
      let largest = Double(row.max() ?? 0)
      let total = row.reduce(0.0) { $0 + exp((Double($1) - largest) / temperature) }
      let mean = row.reduce(0.0) { $0 + Double($1) } / Double(classes)
      let target = Double(row[row.startIndex + label]) + doubt * (mean - Double(row[row.startIndex + label]))
      sum += log(total) - (target - largest) / temperature
    }
    return sum / Double(max(labels.count, 1))
  }

  /// The temperature of the least cross-entropy between 0.05 and 20. 1 without samples.
  var temperature: Double { labels.isEmpty ? 1 : leastTemperature(steps: 24) { loss($0) } }

  /// Share of the samples whose largest logit is their class.
  var accuracy: Double {
    let right = labels.indices.count { sample in
      let row = logits[sample * classes..<(sample + 1) * classes]
      return row.firstIndex(of: row.max() ?? 0) == row.startIndex + labels[sample]
    }
    return Double(right) / Double(max(labels.count, 1))
  }
}
