// Exit when a head is confident, or when confidence has risen for one class over several heads: the criterion of ELBERT.

import PyramidPolicy

/// Exits above a confidence, or above a lower one that rose over a window of heads that name the same class.
public struct WindowTrend: ExitPolicy {
  /// A sample's last class and confidence, and for how many heads the one stayed and the other rose.
  public struct Memory: Sendable {
    var predicted = -1
    var confidence: Float = 0
    var run = 0
  }

  public static let name = "window-trend"
  public static let parameters: [PolicyParameter] = [
    .number(
      "threshold", default: 0.9, in: 0...1, help: "exit above this confidence; 1 never exits by it, lower is faster"),
    .integer("window", default: 3, in: 1...1000, help: "heads over which a rising confidence is enough"),
    .number("relief", default: 0.5, in: 0...1, help: "part of the threshold that a risen confidence must exceed"),
  ]

  public let reads: Set<ExitSignal> = [.logits, .probabilities]
  private let threshold: Float
  private let window: Int
  private let relieved: Float

  public init(_ arguments: PolicyArguments) {
    threshold = arguments.float("threshold")
    window = arguments.integer("window")
    relieved = Float(arguments.number("threshold") * arguments.number("relief"))
  }

  public func makeMemory() -> Memory { Memory() }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Memory) -> Bool {
    let confidence = 1 - head.normalizedEntropy
    guard let predicted = head.predictedClass, !confidence.isNaN else {
      memory = Memory()
      return false
    }
    let goesOn = predicted == memory.predicted && confidence > memory.confidence
    memory = Memory(predicted: predicted, confidence: confidence, run: goesOn ? memory.run + 1 : 1)
    return confidence > threshold || (memory.run >= window && confidence > relieved)
  }
}
