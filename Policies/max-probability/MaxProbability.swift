// Exit when the best class is likely enough, each head at its own temperature.

import PyramidPolicy

/// Exits at the first head whose largest probability, at the head's temperature, reaches a threshold.
public struct MaxProbability: ExitPolicy {
  public static let name = "max-probability"
  public static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0.9, in: 0...1, help: "exit from this probability on; lower is faster"),
    .numbers(
      "temperature", default: .learned("exits.temperatures", orElse: [1]), in: 1e-3...1e3,
      help: "divides the logits, one for each layer but the last or one for all; the checkpoint's, else 1"),
    .numbers(
      "entry-temperature", default: .learned("exits.entry.temperature", orElse: []), in: 1e-3...1e3,
      help: "the same at the entry; the checkpoint's, else the first of temperature"),
  ]

  public let reads: Set<ExitSignal> = [.logits]
  private let threshold: Double
  /// At the entry, then after each layer.
  private let temperatures: [Double]

  public init(_ arguments: PolicyArguments) throws {
    threshold = arguments.number("threshold")
    let (above, entry) = (try arguments.numbersPerBoundary("temperature"), arguments.numbers("entry-temperature"))
    guard entry.count <= 1 else {
      throw PolicyError.rejected("'entry-temperature' has \(entry.count) values, expected one")
    }
    // The temperatures of a model of one layer are those of its entry.
    let first = entry.first ?? above.first ?? arguments.numbers("temperature").first ?? 1
    temperatures = ([first] + above).map { Double($0) }
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    var softmax = SoftmaxSummary()
    let logits = head.logits
    for index in logits.indices { softmax.add(Double(logits[index]) / temperatures[head.layer]) }
    return softmax.largestProbability >= threshold
  }
}
