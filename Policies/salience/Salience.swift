// Prune before the first layer, by what each word piece says about the classes: nothing has to be computed to know it.

import PyramidPolicy

/// Drops the tokens whose salience, a learned number for each entry of the vocabulary, lies below a threshold; above the
/// entry, if asked, also those that receive little attention.
public struct Salience: PruningPolicy {
  public static let name = "salience"
  public static let parameters: [PolicyParameter] = [
    .numbers(
      "salience", default: .learned("prune.entry.salience"), in: -3.5e38...3.5e38,
      help: "what each token of the vocabulary is worth"),
    .numbers(
      "threshold", default: .learned("prune.entry.threshold"), in: -1e6...1e6,
      help: "least salience of a token that is embedded; higher is faster"),
    .numbers(
      "attention", default: [], in: -1e6...1e6,
      help: "least received attention per boundary, or one for all, as #prune.thresholds; [] prunes at the entry only"),
  ]

  public let reads: Set<TokenSignal>
  public let layers: LayerSet
  private let salience: [Float]
  private let threshold: Float
  private let attention: [Float]

  public init(_ arguments: PolicyArguments) throws {
    let thresholds = arguments.numbers("threshold")
    guard thresholds.count == 1 else {
      throw PolicyError.rejected("'threshold' has \(thresholds.count) values, expected one")
    }
    salience = arguments.numbers("salience")
    threshold = thresholds[0]
    let isOfEntry = arguments.numbers("attention").isEmpty
    attention = isOfEntry ? [] : try arguments.numbersPerBoundary("attention")
    reads = isOfEntry ? [.tokenID] : [.tokenID, .receivedAttention]
    layers = isOfEntry ? .only(0) : .from(0)
  }

  public func retention(afterLayer layer: Int) -> Retention {
    .above(layer == 0 ? threshold : attention[layer - 1])
  }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    if sample.layer == 0 {
      let tokens = sample.tokenID
      for index in tokens.indices {
        let id = Int(tokens[index])
        // A token without a number is no reason to lose it.
        scores[index] = salience.indices.contains(id) ? salience[id] : .infinity
      }
    } else {
      let received = sample.receivedAttention
      for index in received.indices { scores[index] = received[index] }
    }
  }
}
