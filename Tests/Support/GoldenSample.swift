// One line of a golden file: what PyTorch computes for a text. The format is described in Tests/Golden/README.md.

import Foundation

/// A text with the ids, logits, kept tokens and exit layer that PyTorch gives for it.
public struct GoldenSample: Decodable, Sendable {
  /// The text.
  public let text: String
  /// Its token ids, special tokens included.
  public let ids: [Int32]
  /// Logits of every layer's head without pruning, [layers][C].
  public let denseLogits: [[Float]]
  /// Logits of every layer's head with pruning by the learned thresholds, [layers][C].
  public let prunedLogits: [[Float]]
  /// Original positions alive after every layer with pruning, [layers].
  public let keptAfterLayer: [[Int32]]
  /// Normalised entropy of every layer's head with pruning, [layers].
  public let normalisedEntropy: [Double]
  /// Logits of the head at the entry, [C]; nil where the checkpoint has none.
  public let entryLogits: [Float]?
  /// The first layer, from 1, whose entropy lies below 0.1, else the last; 0 where the entry's does.
  public let exitLayer: Int
  /// Attention received by every token alive before a layer, [layers][tokens alive], to five decimals; whole files
  /// only.
  public let receivedScores: [[Float]]?

  private enum CodingKeys: String, CodingKey {
    case text, ids
    case denseLogits = "dense_logits"
    case prunedLogits = "pruned_logits"
    case keptAfterLayer = "kept_after_layer"
    case normalisedEntropy = "normalised_entropy"
    case entryLogits = "entry_logits"
    case exitLayer = "exit_layer_at_entropy_0.1"
    case receivedScores = "received_scores"
  }

  /// The lines of a file.
  public static func read(_ path: String) throws -> [GoldenSample] {
    let data = try Data(contentsOf: URL(filePath: path))
    let decoder = JSONDecoder()
    return try data.split(separator: UInt8(ascii: "\n")).map { try decoder.decode(GoldenSample.self, from: $0) }
  }
}
