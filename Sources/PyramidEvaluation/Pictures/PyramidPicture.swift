// One text's way through the layers as a picture: the tokens on the base, and on each layer above it a cell for every
// token still alive. Here are the facts and what follows from them; PyramidPicture+SVG.swift draws them.

/// Which tokens of a text lived how long, and where the text left.
public struct PyramidPicture: Sendable {
  /// The tokens of the whole text.
  public let tokens: [String]
  /// The layer after which the text left, from 1.
  public let exitLayer: Int
  /// Layers of the model.
  public let layers: Int
  /// What stands above the picture.
  public let caption: String
  /// Original positions alive when each layer that ran started, ascending; one list a layer, the first with all tokens.
  let alive: [[Int]]

  /// A picture of `tokens`, where `kept[i]` holds the original positions alive after the i-th boundary that the text
  /// crossed. When there are fewer lists than layers that ran, the last one stands for the rest. Positions without a
  /// token are left out, and `exitLayer` is brought into 1...`layers`.
  public init(tokens: [String], kept: [[Int32]], exitLayer: Int, layers: Int, caption: String) {
    self.tokens = tokens
    self.layers = max(layers, 1)
    self.exitLayer = min(max(exitLayer, 1), max(layers, 1))
    self.caption = caption
    var alive = [Array(tokens.indices)]
    for positions in kept.prefix(self.exitLayer - 1) {
      alive.append(positions.map { Int($0) }.filter { tokens.indices.contains($0) }.sorted())
    }
    while alive.count < self.exitLayer { alive.append(alive[alive.count - 1]) }
    self.alive = alive
  }
}
