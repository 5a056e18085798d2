// The exit head before layer 1: tensors' names and shapes, and its node. It reads the tokens' ids alone, so it knows
// what the other heads don't: which ids are not words. One definition, as for ExitHead.

import PyramidIR
import PyramidText

/// The entry's head: a linear classifier over the bag of word pieces, with pairs of neighbours or without.
public struct EntryHead: Sendable {
  /// What its tensors' names begin with.
  static let prefix = "exits.entry."

  /// Rows of its table: of the model's vocabulary, [V].
  public let vocabulary: Int
  /// Rows of its table of pairs, a power of two; nil without one.
  public let pairs: Int?
  /// Ids that are not words, ascending: [CLS], [SEP], [PAD] and [MASK] of the tokenizer, or what it has for them. [UNK]
  /// stands for a word.
  public let skip: [Int32]
  /// The id that ends a text of a pair.
  public let separator: Int32
  /// What stands before its tensors' names; empty for the head of a model of one task.
  public var task = ""

  /// A head from its parts.
  public init(vocabulary: Int, pairs: Int?, skip: [Int32], separator: Int32) {
    (self.vocabulary, self.pairs, self.skip, self.separator) = (vocabulary, pairs, skip, separator)
  }

  /// The head of a checkpoint; nil when it has none. Throws when its table of pairs has a number of rows that pairs
  /// can't be hashed to.
  init?(_ checkpoint: Checkpoint) throws(CheckpointError) {
    let weights = checkpoint.weights
    // A tensor that is missing or unknown is the inventory's to report; the temperature alone is not a head.
    guard ["table", "bigrams", "bias"].contains(where: { weights.originals[Self.prefix + $0] != nil }) else {
      return nil
    }
    let bigrams = Self.prefix + "bigrams"
    let pairs = weights.shape(of: bigrams)?.first
    if let pairs, pairs < 1 || pairs & (pairs - 1) != 0 {
      throw CheckpointError(description: "\(bigrams) has \(pairs) rows, expected a power of two")
    }
    let rules = checkpoint.tokenizer.rules
    self.init(
      vocabulary: checkpoint.configuration.vocabularySize, pairs: pairs, skip: rules.idsWithoutWord,
      separator: rules.separatorID)
  }

  /// Canonical names and shapes: table [V, classes], pairs [M, classes] if there are any, bias [classes].
  public func tensors(of shape: ModelShape) -> [(name: String, shape: [Int])] {
    [(task + Self.prefix + "table", [vocabulary, shape.classes])]
      + (pairs.map { [(task + Self.prefix + "bigrams", [$0, shape.classes])] } ?? [])
      + [(task + Self.prefix + "bias", [shape.classes])]
  }

  /// Appends the head's node to a graph and returns its logits [B, classes]; `ids` are the tokens' [T], `segments` the
  /// offsets of the samples [B + 1], `shape` that of its task where that is not the graph's.
  public func lower(
    into builder: inout GraphBuilder, ids: ValueID, segments: ValueID, shape: ModelShape? = nil
  ) throws(GraphError) -> ValueID {
    let weights = tensors(of: shape ?? builder.graph.shape).map { name, sizes in
      builder.graph.weight(
        task + "entry." + name.dropFirst(task.count + Self.prefix.count), TensorType(.f32, sizes.map { .fixed($0) }),
        sources: [name])
    }
    return try builder.add(
      .bagLogits(skip: skip, separator: separator), [ids, segments], weights, name: "entry.logits")
  }
}
