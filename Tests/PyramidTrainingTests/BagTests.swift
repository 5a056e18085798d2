// The bag head: what it counts, what it learns, how it is calibrated, and that nothing but the seed decides.

import PyramidTestSupport
import Testing

@testable import PyramidTraining

/// Ids 0 to 4 are no words but for [UNK], 1; the separator is 3.
private func vocabulary(pairs: Int? = nil) -> BagVocabulary {
  BagVocabulary(words: 30, pairs: pairs, skip: [0, 2, 3, 4], separator: 3)
}

/// Texts of three classes: words 5 to 9 speak for the first, 10 to 14 for the second, 15 to 19 for the third, the others
/// for none; one word in four is drawn from anywhere.
private func texts(_ count: Int, _ seed: String, pairs: Int? = nil) -> BagTexts {
  var random = SeededValues(seed)
  let labels = (0..<count).map { $0 % 3 }
  var ids: [[Int32]] = []
  for label in labels {
    var text: [Int32] = [2]
    for _ in 0..<random.integer(in: 3...12) {
      let isNoise = random.integer(in: 0...3) == 0
      text.append(Int32(isNoise ? random.integer(in: 5...29) : 5 * (label + 1) + random.integer(in: 0...4)))
    }
    ids.append(text + [3])
  }
  return BagTexts(ids.map { $0[...] }, labels: labels, vocabulary: vocabulary(pairs: pairs))
}

@Suite struct `Bag head` {
  @Test func `words are counted, pairs are neighbours without what is no word, never across the separator`() {
    let ids: [Int32] = [2, 7, 8, 4, 9, 1, 3, 5, 6, 3]
    let texts = BagTexts([ids[...], [2, 3][...]], labels: [0, 0], vocabulary: vocabulary(pairs: 64))
    let pair = { (first: Int, second: Int) in Int32(30 + (first * 1_000_003 + second) % 64) }
    #expect(texts.words == [6, 0])
    #expect(
      Array(texts.rows)
        == [7, 8, pair(7, 8), 9, pair(8, 9), 1, pair(9, 1), 5, 6, pair(5, 6)])
    #expect(texts.starts == [0, 10, 10])
  }

  @Test func `logits are the sum of rows by the number of words, and the bias`() {
    let vocabulary = BagVocabulary(words: 6, pairs: 2, skip: [0, 2, 3], separator: 3)
    var weights = [Float](repeating: 0, count: 16)
    (weights[8], weights[10]) = (2, 4)  // first class of words 4 and 5
    for row in 6..<8 { weights[2 * row + 1] = 8 }  // second class of both pairs
    let head = BagHead(vocabulary: vocabulary, weights: weights, bias: [0.5, -1], isSeen: [true])
    let texts = BagTexts(
      [[2, 4, 5, 3], [2, 3], [2, 5, 3]].map { $0[...] }, labels: [0, 0, 0], vocabulary: vocabulary)
    #expect(head.logits(texts) == [3.5, 3, 0.5, -1, 4.5, -1])
    #expect(head.table.count == 12 && head.pairTable.count == 4)
  }

  @Test(arguments: [nil, 1 << 10] as [Int?])
  func `it learns what words say, and its temperature fits dev`(pairs: Int?) {
    let (train, dev) = (texts(600, "train", pairs: pairs), texts(120, "dev", pairs: pairs))
    var epochs = 0
    let head = BagTrainer.train(train, dev: dev, classes: 3) { _, _, _ in epochs += 1 }
    let test = texts(300, "test", pairs: pairs)
    let calibration = Calibration(logits: head.logits(test), labels: test.labels)
    #expect(calibration.accuracy > 0.95)
    #expect((2...BagOptions().epochs).contains(epochs))
    let onDev = Calibration(logits: head.logits(dev), labels: dev.labels)
    for factor in [0.9, 1.1] {
      #expect(onDev.loss(Double(head.temperature)) <= onDev.loss(Double(head.temperature) * factor))
    }
  }

  @Test func `the seed alone decides`() {
    func train(seed: UInt64) -> BagHead {
      var options = BagOptions()
      options.seed = seed
      return BagTrainer.train(
        texts(200, "train", pairs: 64), dev: texts(60, "dev", pairs: 64), classes: 3, options: options)
    }
    let (first, again, other) = (train(seed: 7), train(seed: 7), train(seed: 8))
    #expect(first.table == again.table && first.bias == again.bias && first.pairTable == again.pairTable)
    #expect(first.temperature == again.temperature)
    #expect(first.table != other.table)
  }

  @Test func `without dev it learns a few epochs and has no temperature`() {
    let none = BagTexts([ArraySlice<Int32>](), labels: [], vocabulary: vocabulary())
    let head = BagTrainer.train(texts(300, "train"), dev: none, classes: 3)
    #expect(head.temperature == 1)
    let test = texts(90, "test")
    #expect(Calibration(logits: head.logits(test), labels: test.labels).accuracy > 0.9)
  }

  @Test func `it ends in the middle of an epoch when it is told to stop`() {
    var (asked, epochs) = (0, 0)
    let train = texts(2500, "train")
    func isStopped() -> Bool {
      asked += 1
      return asked == 5
    }
    let head = BagTrainer.train(
      train, dev: texts(60, "dev"), classes: 3, note: { _, _, _ in epochs += 1 }, isStopped: isStopped)
    // Three times in an epoch; the head is that of the one before.
    #expect(asked == 5 && epochs == 1)
    #expect(Calibration(logits: head.logits(train), labels: train.labels).accuracy > 0.9)
  }

  @Test func `a teacher that says otherwise is heard`() {
    let (train, dev) = (texts(300, "train"), texts(60, "dev"))
    let teacher = train.labels.flatMap { label in (0..<3).map { Float($0 == (label + 1) % 3 ? 1 : 0) } }
    var options = BagOptions()
    options.teacherWeight = 1
    let none = BagTexts([ArraySlice<Int32>](), labels: [], vocabulary: vocabulary())
    let head = BagTrainer.train(train, dev: none, classes: 3, teacher: teacher, options: options)
    let taught = Calibration(logits: head.logits(dev), labels: dev.labels.map { ($0 + 1) % 3 })
    #expect(taught.accuracy > 0.9)
  }

  @Test(arguments: [0.25, 1, 3]) func `a temperature is found where logits are too large or too small`(scale: Float) {
    let (train, dev) = (texts(300, "train"), texts(150, "dev"))
    let head = BagTrainer.train(train, dev: dev, classes: 3)
    let scaled = Calibration(logits: head.logits(dev).map { $0 * scale }, labels: dev.labels)
    #expect(abs(Float(scaled.temperature) / (head.temperature * scale) - 1) < 1e-2)
  }

  @Test func `words that tell classes apart are salient, and unseen ones and those that are no words stay`() {
    let train = texts(600, "train")
    let head = BagTrainer.train(train, dev: texts(120, "dev"), classes: 3)
    let salience = head.salience
    let telling = salience[5..<20].reduce(0, +) / 15
    let noise = salience[20..<30].reduce(0, +) / 10
    #expect(telling > 1.5 * noise)
    let largest = salience.max()
    for id in [0, 1, 2, 3, 4] { #expect(salience[id] == largest) }
    let threshold = head.threshold(keeping: 0.75, of: train)
    let kept = train.rows.count { salience[Int($0)] >= threshold }
    #expect(Double(kept) / Double(train.rows.count) >= 0.75)
    #expect(Double(kept) / Double(train.rows.count) < 0.85)
    #expect(head.threshold(keeping: 1, of: train) == train.rows.map { salience[Int($0)] }.min())
  }
}
