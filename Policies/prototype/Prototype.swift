// Exit when the head is certain and the [CLS] row lies clearly nearest to one class: the joint criterion of DE3-BERT.

import PyramidPolicy

/// Exits when the mean of two normalised entropies, of the head and of the distances to class prototypes, is small.
public struct Prototype: ExitPolicy {
  public static let name = "prototype"
  public static let parameters: [PolicyParameter] = [
    .number("threshold", default: 0.2, in: 0...1, help: "exit below this mean entropy; 0 never exits, higher is faster")
  ]
  public static let tensors = [PolicyTensor("centroids", [.boundaries, .classes, .hidden])]

  public let reads: Set<ExitSignal> = [.probabilities, .hidden]
  private let threshold: Double
  private let centroids: [Float]

  public init(_ arguments: PolicyArguments) {
    threshold = arguments.number("threshold")
    centroids = arguments.tensor("centroids").values
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    let row = head.hidden
    var nearness = SoftmaxSummary()
    for number in 0..<head.classes {
      let start = ((head.layer - 1) * head.classes + number) * row.count
      var square = 0.0
      for index in row.indices {
        let difference = Double(row[index]) - Double(centroids[start + index])
        square += difference * difference
      }
      nearness.add(-square.squareRoot())
    }
    let uniform = head.classes > 1 ? naturalLogarithm(Double(head.classes)) : 1
    return (Double(head.normalizedEntropy) + nearness.entropy / uniform) / 2 < threshold
  }
}
