// Exit when a learned predictor sees no mistake coming: the learning-to-exit module of BERxiT.

import PyramidPolicy

/// Exits when a linear layer on the [CLS] row, one for all layers, predicts an error with less than a threshold.
public struct LearnedExit: ExitPolicy {
  public static let name = "learned-exit"
  public static let parameters: [PolicyParameter] = [
    .number(
      "threshold", default: 0.05, in: 0...1, help: "exit below this predicted error; 0 never exits, higher is faster")
  ]
  public static let tensors = [PolicyTensor("weight", [.fixed(1), .hidden]), PolicyTensor("bias", [.fixed(1)])]

  public let reads: Set<ExitSignal> = [.hidden]
  private let threshold: Double
  private let weight: [Float]
  private let bias: Float

  public init(_ arguments: PolicyArguments) {
    threshold = arguments.number("threshold")
    weight = arguments.tensor("weight").values
    bias = arguments.tensor("bias").values[0]
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    let row = head.hidden
    var sum = Double(bias)
    for index in row.indices { sum += Double(weight[index]) * Double(row[index]) }
    return 1 / (1 + exponential(-sum)) < threshold
  }
}
