// Policies whose decisions a reader can foresee, written against the SDK as a user would write them.

import PyramidPolicy
import Synchronization

/// Leaves after one layer, if the text has more tokens than asked.
struct LeaveAtLayer: ExitPolicy {
  static let name = "leave-at-layer"
  static let parameters: [PolicyParameter] = [
    .integer("layer", default: 1, in: 0...100, help: "layer"),
    .integer("longer-than", default: 0, in: 0...1000, help: "tokens"),
  ]
  let layer, longerThan: Int
  let reads: Set<ExitSignal> = [.tokensAlive]
  init(_ arguments: PolicyArguments) {
    layer = arguments.integer("layer")
    longerThan = arguments.integer("longer-than")
  }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    head.layer == layer && head.tokensAlive > longerThan
  }
}

/// Always wants to leave.
struct LeaveAtOnce: ExitPolicy {
  static let name = "leave-at-once"
  let reads: Set<ExitSignal> = [.logits]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { true }
}

/// Adds up the tokens that it is shown from head to head, leaves at six, and counts the memories made and ended.
struct LeaveAfterSixTokens: ExitPolicy {
  final class Count: Sendable {
    static let made = Atomic<Int>(0)
    static let ended = Atomic<Int>(0)
    let tokens = Atomic<Int>(0)
    init() { Self.made.add(1, ordering: .relaxed) }
    deinit { Self.ended.add(1, ordering: .relaxed) }
  }
  static let name = "leave-after-six-tokens"
  let reads: Set<ExitSignal> = [.tokensAlive]
  init(_ arguments: PolicyArguments) {}
  func makeMemory() -> Count { Count() }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Count) -> Bool {
    memory.tokens.add(head.tokensAlive, ordering: .relaxed).newValue >= 6
  }
}

/// Leaves after layer 3 of 4 when everything it is shown is consistent: as many earlier heads as layers before,
/// probabilities that sum to 1, logits of three classes, hidden rows of width 8, a text whose first word is 9.
struct LeaveWhenShownAll: ExitPolicy {
  static let name = "leave-when-shown-all"
  let reads = Set(ExitSignal.allCases)
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    guard head.layer == 3, head.layers == 4, head.earlierHeads == 2, head.logits.count == 3 else { return false }
    func sum(_ row: Span<Float>) -> Float {
      var sum: Float = 0
      for index in row.indices { sum += row[index] }
      return sum
    }
    let sums = [
      sum(head.probabilities), sum(head.earlierProbabilities(ofHead: 0)), sum(head.earlierProbabilities(ofHead: 1)),
    ]
    // Heads differ, so their probabilities must.
    let differ = head.earlierProbabilities(ofHead: 0)[0] != head.earlierProbabilities(ofHead: 1)[0]
    return differ && sums.allSatisfy { abs($0 - 1) < 1e-5 } && head.hidden.count == 8 && head.tokensAlive > 0
      && head.earlierHidden.count == 8 && head.tokenIDs.count <= 2 && head.tokenIDs[0] == 9
  }
}

/// Keeps the tokens of even positions.
struct KeepEvenPositions: PruningPolicy {
  static let name = "keep-even-positions"
  let reads: Set<TokenSignal> = [.position]
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .above(0.5) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for index in 0..<sample.count { scores[index] = sample.position[index] % 2 == 0 ? 1 : 0 }
  }
}

/// Keeps a fraction of the tokens by the attention that they receive.
struct KeepAttended: PruningPolicy {
  static let name = "keep-attended"
  static let parameters: [PolicyParameter] = [.number("fraction", default: 0.5, in: 0...1, help: "fraction")]
  let fraction: Float
  let reads: Set<TokenSignal> = [.receivedAttention]
  init(_ arguments: PolicyArguments) { fraction = arguments.float("fraction") }
  func retention(afterLayer layer: Int) -> Retention { .fraction(fraction) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for index in 0..<sample.count { scores[index] = sample.receivedAttention[index] }
  }
}

/// Keeps the tokens of the largest ids: three after layer 1, two after later ones.
struct KeepLargeIDs: PruningPolicy {
  static let name = "keep-large-ids"
  let reads: Set<TokenSignal> = [.tokenID]
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .count(layer == 1 ? 3 : 2) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for index in 0..<sample.count { scores[index] = Float(sample.tokenID[index]) }
  }
}

/// Scores nothing but NaN.
struct ScoreNaN: PruningPolicy {
  static let name = "score-nan"
  let reads: Set<TokenSignal> = []
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .above(1) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for index in 0..<sample.count { scores[index] = .nan }
  }
}

/// Fuses all tokens but [CLS], each weighted by its id.
struct FuseAll: PruningPolicy {
  static let name = "fuse-all"
  let reads: Set<TokenSignal> = [.tokenID]
  let remainder = Remainder.fused
  init(_ arguments: PolicyArguments) {}
  func retention(afterLayer layer: Int) -> Retention { .count(1) }
  func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    for index in 0..<sample.count { scores[index] = Float(sample.tokenID[index]) }
  }
}

/// Sends the third token into the second.
struct MergeIntoSecond: MergingPolicy {
  static let name = "merge-into-second"
  let reads: Set<TokenSignal> = [.tokenID]
  init(_ arguments: PolicyArguments) {}
  func merge(_ sample: borrowing TokenView, into targets: inout MutableSpan<Int32>) { targets[2] = 1 }
}

/// An instance of a policy for a model.
func make(
  _ type: any Policy.Type, _ facts: ModelFacts, _ arguments: [String: Double] = [:]
) throws -> PolicyInstance {
  let spec = PolicySpec(
    name: type.name,
    arguments: arguments.sorted { $0.key < $1.key }.map { PolicySpec.Argument(name: $0.key, value: .number($0.value)) })
  return try PolicyType(type).make(spec, model: facts)
}
