// Exit without asking any head: the tokens' hashes say how deep a text goes. The criterion of HashEE, random variant.

import PyramidPolicy

/// Exits at the first layer that reaches the mean of the layers to which the text's tokens are hashed.
public struct TokenHash: ExitPolicy {
  public static let name = "token-hash"
  public static let parameters: [PolicyParameter] = [
    .integer("buckets", default: 6, in: 1...65536, help: "buckets of tokens, spread evenly over the layers")
  ]

  public let reads: Set<ExitSignal> = [.tokenIDs]
  public let layers = LayerSet.from(1)
  private let buckets: UInt32

  public init(_ arguments: PolicyArguments) {
    buckets = UInt32(arguments.integer("buckets"))
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    let ids = head.tokenIDs
    var sum = 0
    for index in ids.indices {
      let bucket = ((UInt32(truncatingIfNeeded: ids[index]) &* 2_654_435_761) >> 16) % buckets
      sum += 1 + Int(bucket) * head.layers / Int(buckets)
    }
    return !ids.isEmpty && head.layer * ids.count >= sum
  }
}
