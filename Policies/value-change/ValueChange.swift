// Exit when successive heads give nearly the same number: the criterion of PABEE for regression.

import PyramidPolicy

/// Exits when a head's value has moved by less than a threshold from the one before, `patience` times in a row.
public struct ValueChange: ExitPolicy {
  /// One sample's last values, of which there are none before the first head, and its run of small changes.
  public struct Memory: Sendable {
    var values = InlineArray<16, Float>(repeating: .nan)
    var repetitions = 0
  }

  public static let name = "value-change"
  public static let requires: Set<AnswerKind> = [.value]
  public static let parameters: [PolicyParameter] = [
    .number(
      "threshold", default: 0.1, in: 0...1e6,
      help: "a change below this, in units of the logit, is none; 0 never exits, higher is faster"),
    .integer("patience", default: 1, in: 1...1000, help: "heads in a row that do not change before exiting"),
  ]

  public let reads: Set<ExitSignal> = [.logits]
  private let threshold: Float
  private let patience: Int

  public init(_ arguments: PolicyArguments) throws {
    threshold = arguments.float("threshold")
    patience = arguments.integer("patience")
    guard arguments.model.classes <= 16 else { throw PolicyError.rejected("compares at most 16 values of a head") }
  }

  public func makeMemory() -> Memory { Memory() }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Memory) -> Bool {
    let logits = head.logits
    var isSame = true
    for index in logits.indices {
      // The first head has nothing to compare with: NaN is below no threshold.
      if !(abs(logits[index] - memory.values[index]) < threshold) { isSame = false }
      memory.values[index] = logits[index]
    }
    memory.repetitions = isSame ? memory.repetitions + 1 : 0
    return memory.repetitions >= patience
  }
}
