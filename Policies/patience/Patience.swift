// Exit when heads agree with each other: the criterion of PABEE. It needs no calibrated probabilities, only classes.

import PyramidPolicy

/// Exits when the predicted class has stayed the same for `patience` heads in a row.
public struct Patience: ExitPolicy {
  /// One sample's last prediction (-1 before the first head, and after a head with NaN) and its run of repetitions.
  public struct Memory: Sendable {
    var predicted = -1
    var repetitions = 0
  }

  public static let name = "patience"
  public static let parameters: [PolicyParameter] = [
    .integer("patience", default: 2, in: 1...1000, help: "heads in a row that repeat the prediction before exiting")
  ]

  public let reads: Set<ExitSignal> = [.logits]
  private let patience: Int

  public init(_ arguments: PolicyArguments) {
    patience = arguments.integer("patience")
  }

  public func makeMemory() -> Memory { Memory() }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Memory) -> Bool {
    guard let predicted = head.predictedClass else {
      memory = Memory()
      return false
    }
    memory.repetitions = predicted == memory.predicted ? memory.repetitions + 1 : 0
    memory.predicted = predicted
    return memory.repetitions == patience
  }
}
