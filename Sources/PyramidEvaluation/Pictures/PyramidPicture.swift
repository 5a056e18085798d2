// One text's way through the layers as a picture: the tokens on the base, and on each layer above it a cell for every
// token still alive. Here are the facts and what follows from them; PyramidPicture+SVG.swift draws them.

/// Which tokens of a text lived how long, and where the text left.
public struct PyramidPicture: Sendable {
  /// The tokens of the whole text.
  public let tokens: [String]
  /// The layer after which the text left, from 1; 0 for the entry.
  public let exitLayer: Int
  /// Layers of the model.
  public let layers: Int
  /// What stands above the picture.
  public let caption: String
  /// Original positions alive when each layer that ran started, ascending, one list a layer; none at the entry.
  let alive: [[Int]]
  /// How dark the cell of each token is on each layer, from 0 to 1, by the rank of its score among those of the layer;
  /// nil for one without a score. [layers][tokens].
  let shades: [[Double?]]
  /// The scores that the shades come from, [layers][tokens].
  let scores: [[Float?]]

  /// Whether any cell has a shade of its own.
  var isShaded: Bool { shades.contains { $0.contains { $0 != nil } } }

  /// A picture of `tokens`, where `alive[i]` holds the original positions alive when layer i + 1 started. When there are
  /// fewer lists than layers that ran, the last one stands for the rest, and all tokens where there is none. Positions
  /// without a token are left out, and `exitLayer` is brought into 0...`layers`. `scores[i]` are those of all tokens by
  /// which the ones to keep after layer i were chosen (at the entry, 0), as in `Answer.scores`.
  public init(
    tokens: [String], alive: [[Int32]], scores: [[Float?]] = [], exitLayer: Int, layers: Int, caption: String
  ) {
    self.tokens = tokens
    self.layers = max(layers, 1)
    self.exitLayer = min(max(exitLayer, 0), max(layers, 1))
    self.caption = caption
    var lists = alive.prefix(self.exitLayer).map { positions in
      positions.map { Int($0) }.filter { tokens.indices.contains($0) }.sorted()
    }
    while lists.count < self.exitLayer { lists.append(lists.last ?? Array(tokens.indices)) }
    self.alive = lists
    self.scores = (1...self.layers).map { layer in
      tokens.indices.map { layer < scores.count && $0 < scores[layer].count ? scores[layer][$0] : nil }
    }
    shades = self.scores.map(Self.ranks)
  }

  /// Ranks among the scores that there are, from 0 for the lowest to 1; equal scores have the same, and the only one 1.
  private static func ranks(_ scores: [Float?]) -> [Double?] {
    let sorted = scores.compactMap { $0 }.sorted()
    return scores.map { score in
      guard let score else { return nil }
      let lower = sorted.firstIndex { $0 >= score } ?? 0
      return sorted.count > 1 ? Double(lower) / Double(sorted.count - 1) : 1
    }
  }
}
