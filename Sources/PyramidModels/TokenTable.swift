// What the checkpoint learned about pruning before layer 1: how much each token of the vocabulary matters. The tokens
// that are not words have no salience of their own; here they get one that no threshold reaches, so that whoever prunes
// by the table need not know them.

/// `prune.entry.salience` [V] and `prune.entry.threshold` [1].
package enum TokenTable {
  package static let salience = "prune.entry.salience"
  package static let threshold = "prune.entry.threshold"

  /// Notes the tensors: none, or both.
  static func want(of checkpoint: Checkpoint, in inventory: inout TensorInventory) {
    let tensors = [(salience, checkpoint.configuration.vocabularySize), (threshold, 1)]
    guard tensors.contains(where: { checkpoint.weights.originals[$0.0] != nil }) else { return }
    for (name, count) in tensors { inventory.want(name, [count]) }
  }

  /// The learned values by tensor name; none without the tensors.
  static func values(of checkpoint: Checkpoint) throws -> [String: [Float]] {
    let weights = checkpoint.weights
    guard let table = weights.originals[salience], let limit = weights.originals[threshold] else { return [:] }
    return [
      salience: keepingSpecial(try weights.tensors.floats(of: table), of: checkpoint),
      threshold: try weights.tensors.floats(of: limit),
    ]
  }

  /// A table [V] with a salience that no threshold reaches for what is no word.
  package static func keepingSpecial(_ table: [Float], of checkpoint: Checkpoint) -> [Float] {
    var values = table
    for id in checkpoint.tokenizer.rules.idsWithoutWord where values.indices.contains(Int(id)) {
      values[Int(id)] = .greatestFiniteMagnitude
    }
    return values
  }
}
