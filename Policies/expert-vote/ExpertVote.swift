// Exit when the heads that were asked agree, each as loud as it was right on held-out data: the criterion of BEEM.

import PyramidPolicy

/// Exits when the share of weight that one class has among the heads so far exceeds a threshold.
public struct ExpertVote: ExitPolicy {
  /// What a sample's heads voted for, and with how much weight; room for the deepest model that is accepted.
  public struct Memory: Sendable {
    var count = 0
    var total: Float = 0
    var classes = InlineArray<64, Int32>(repeating: -1)
    var weights = InlineArray<64, Float>(repeating: 0)
  }

  public static let name = "expert-vote"
  public static let parameters: [PolicyParameter] = [
    .number(
      "threshold", default: 0.9, in: 0...1, help: "exit above this share of weight; 1 never exits, lower is faster"),
    .numbers(
      "weights", default: .learned("policies.expert-vote.weights"), in: 0...1e6,
      help: "weight of each layer's head but the last's, or one for all; the entry has the first"),
  ]

  public let reads: Set<ExitSignal> = [.logits]
  private let threshold: Float
  private let weights: [Float]

  public init(_ arguments: PolicyArguments) throws {
    threshold = arguments.float("threshold")
    weights = try arguments.numbersPerBoundary("weights")
    guard arguments.model.layers <= 64 else { throw PolicyError.rejected("counts the votes of at most 64 layers") }
  }

  public func makeMemory() -> Memory { Memory() }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Memory) -> Bool {
    guard let best = head.predictedClass else { return false }
    memory.classes[memory.count] = Int32(best)
    // A model of one layer has a head at the entry alone.
    memory.weights[memory.count] = weights.isEmpty ? 1 : weights[max(0, head.layer - 1)]
    memory.total += memory.weights[memory.count]
    memory.count += 1
    var largest: Float = 0
    for voter in 0..<memory.count {
      var sum: Float = 0
      for other in 0..<memory.count where memory.classes[other] == memory.classes[voter] {
        sum += memory.weights[other]
      }
      largest = max(largest, sum)
    }
    return memory.count >= 2 && largest / memory.total > threshold
  }
}
