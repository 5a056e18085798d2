// What exit heads add of the entry's logits, `exits.<layer>.entry.*`: fitted on dev once heads are trained, because the
// bag head is surer of the texts that it learned from than of others, which a head trained on them would believe. The entry
// reads words and pairs that the lowest layers have not put together yet, so both together are right more often than either.

import Glibc
import PyramidIR
import PyramidModels

/// The shares that a training's parameters hold.
struct EntryShares {
  private let bag: BagHead
  /// By layer, from 0: weight [classes, classes] and bias [classes].
  private let shares: [Int: (weight: [Float], bias: [Float])]

  /// Nil when no head adds the entry.
  init?(_ context: TrainingContext) {
    var shares: [Int: (weight: [Float], bias: [Float])] = [:]
    for layer in context.exitHeads {
      func part(_ name: String) -> [Float]? {
        context.parameters[ExitHead.entryTensor(layer: layer, name)]?.array
      }
      if let weight = part("weight"), let bias = part("bias") { shares[layer] = (weight, bias) }
    }
    guard !shares.isEmpty, let bag = BagHead(context.parameters, context.checkpoint) else { return nil }
    (self.bag, self.shares) = (bag, shares)
  }

  /// Adds to a batch's logits [B, classes] of exit heads what they add of the entry's; `layers` are those after which the
  /// heads are, from 0. Logits of further heads stay as they are.
  func add(to logits: inout [[Float]], layers: [Int], _ batch: TrainingBatch) {
    let (entry, classes) = (bag.logits(batch), bag.classes)
    for (head, layer) in layers.enumerated() {
      guard let share = shares[layer] else { continue }
      for index in logits[head].indices {
        let (row, column) = (index / classes, index % classes)
        logits[head][index] += (0..<classes).reduce(share.bias[column]) { sum, other in
          sum + share.weight[column * classes + other] * entry[row * classes + other]
        }
      }
    }
  }
}

extension TrainingContext {
  /// Removes what heads add of the entry: it was fitted to heads that are now trained anew.
  func removeEntryShares() {
    for layer in 0..<layers {
      for part in ["weight", "bias"] { parameters.remove(ExitHead.entryTensor(layer: layer, part)) }
    }
  }

  /// Writes that the head of a layer, from 0, adds so much of the entry's logits.
  func setEntryShare(_ share: Float, layer: Int) throws {
    let classes = labels.count
    try parameters.add(ExitHead.entryTensor(layer: layer, "weight"), [classes, classes]) {
      (0..<classes * classes).map { $0 % (classes + 1) == 0 ? share : 0 }
    }
    try parameters.add(ExitHead.entryTensor(layer: layer, "bias"), [classes])
  }
}

extension HeadAnswers {
  /// How much of another head's logits, added to a head's own, makes the loss least at the temperature that fits best then;
  /// 0 where there are no samples. The loss is convex in the factors of both heads' logits, so along their ratio it has one
  /// minimum.
  func share(of other: Int, for head: Int) -> Float {
    if labels.isEmpty { return 0 }
    let scale = Double(temperature(head: head)) / Double(temperature(head: other))
    let angle = leastPoint(0, 1.5, steps: 14) { angle in
      var mixed = self
      mixed.add(Float(scale * tan(angle)), of: other, to: head)
      return mixed.loss(head: head, temperature: Double(mixed.temperature(head: head)))
    }
    return Float(scale * tan(angle))
  }

  /// Adds so much of another head's logits to a head's.
  mutating func add(_ share: Float, of other: Int, to head: Int) {
    for index in logits[head].indices { logits[head][index] += share * logits[other][index] }
  }
}
