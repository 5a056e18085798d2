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

  /// A picture of `tokens`, where `alive[i]` holds the original positions alive when layer i + 1 started. When there are
  /// fewer lists than layers that ran, the last one stands for the rest, and all tokens where there is none. Positions
  /// without a token are left out, and `exitLayer` is brought into 0...`layers`.
  public init(tokens: [String], alive: [[Int32]], exitLayer: Int, layers: Int, caption: String) {
    self.tokens = tokens
    self.layers = max(layers, 1)
    self.exitLayer = min(max(exitLayer, 0), max(layers, 1))
    self.caption = caption
    var lists = alive.prefix(self.exitLayer).map { positions in
      positions.map { Int($0) }.filter { tokens.indices.contains($0) }.sorted()
    }
    while lists.count < self.exitLayer { lists.append(lists.last ?? Array(tokens.indices)) }
    self.alive = lists
  }
}
