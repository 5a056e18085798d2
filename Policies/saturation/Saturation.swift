// Exit when a layer no longer changes the row that the answer is read from: the state saturation of CALM.

import PyramidPolicy

/// Exits when the [CLS] rows before and after a layer point the same way; from layer 2 on.
public struct Saturation: ExitPolicy {
  public static let name = "saturation"
  public static let requires = Set(AnswerKind.allCases)
  public static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0.98, in: -1...1, help: "exit above this cosine; 1 never exits, lower is faster")
  ]

  public let reads: Set<ExitSignal> = [.hidden, .earlierHidden]
  public let layers = LayerSet.from(2)
  private let threshold: Float

  public init(_ arguments: PolicyArguments) {
    threshold = arguments.float("threshold")
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    let (here, before) = (head.hidden, head.earlierHidden)
    var (product, squares, earlierSquares) = (0.0, 0.0, 0.0)
    for index in here.indices {
      let (x, y) = (Double(here[index]), Double(before[index]))
      product += x * y
      squares += x * x
      earlierSquares += y * y
    }
    return Float(product / (squares * earlierSquares).squareRoot()) > threshold
  }
}
