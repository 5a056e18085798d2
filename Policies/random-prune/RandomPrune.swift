// A control: tokens are dropped at random. A criterion that looks at the sample has to be more accurate at the same share kept.

import PyramidPolicy

/// Keeps a share of the tokens, drawn by a hash of each token, its position and the layer.
///
/// A generator with state would make the answer depend on the order of samples; a hash is a pure function of this one.
public struct RandomPrune: PruningPolicy {
  public static let name = "random-prune"
  public static let parameters: [PolicyParameter] = [
    .number("fraction", default: 0.8, in: 0...1, help: "share of the tokens alive that stays at each boundary"),
    .integer("seed", default: 0, in: 0...4_294_967_295, help: "another seed draws other tokens"),
  ]

  public let reads: Set<TokenSignal> = [.tokenID, .position]
  private let fraction: Float
  private let seed: UInt64

  public init(_ arguments: PolicyArguments) {
    fraction = arguments.float("fraction")
    seed = UInt64(arguments.integer("seed"))
  }

  public func retention(afterLayer layer: Int) -> Retention {
    .fraction(fraction)
  }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let tokens = sample.tokenID
    let positions = sample.position
    let stream = mix(seed &+ mix(UInt64(sample.layer)))
    for token in tokens.indices {
      let place = UInt64(UInt32(bitPattern: positions[token])) << 32 | UInt64(UInt32(bitPattern: tokens[token]))
      scores[token] = Float(mix(stream ^ place) >> 40) * 0x1p-24
    }
  }

  /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014) after its increment.
  private func mix(_ value: UInt64) -> UInt64 {
    var bits = value &+ 0x9E37_79B9_7F4A_7C15
    bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
    return bits ^ bits >> 31
  }
}
