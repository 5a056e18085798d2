// Prune by importance that adds up: a token that earlier layers attended to is not lost because one layer did not.

import PyramidPolicy

/// Keeps the tokens that received most attention over all layers so far, ever fewer of those that the text began with.
public struct Cascade: PruningPolicy {
  public static let name = "cascade"
  public static let parameters: [PolicyParameter] = [
    .integer(
      "start", default: 0, in: 0...1024,
      help: "first layer after which tokens die; 0 is 1 + max(3, 15% of the layers), or 1 for up to 4 layers"),
    .number("final", default: 0.2, in: 0...1, help: "share of the text's tokens alive after the last boundary"),
  ]

  public let reads: Set<TokenSignal> = [.receivedAttentionSum]
  public let layers: LayerSet
  private let shares: [Float]

  public init(_ arguments: PolicyArguments) throws {
    let last = arguments.model.layers
    let given = arguments.integer("start"), share = arguments.number("final")
    let start = given > 0 ? given : last <= 4 ? 1 : 1 + max(3, (3 * last + 19) / 20)
    guard start < last || given == 0 else {
      throw PolicyError.rejected("start=\(given): the model has \(last) layers, so give a layer before the last")
    }
    layers = .from(start)
    shares = (0..<last).map { layer in
      Float(1 - (1 - share) * Double(layer - start + 1) / Double(max(1, last - start)))
    }
  }

  public func retention(afterLayer layer: Int) -> Retention { .fractionOfText(shares[layer]) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let received = sample.receivedAttentionSum
    for token in received.indices { scores[token] = received[token] }
  }
}
