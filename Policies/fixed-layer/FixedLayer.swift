// A control: every sample leaves at one layer, whatever its text. A criterion that reads the sample has to beat it.

import PyramidPolicy

/// Exits after one fixed layer, or at the entry.
public struct FixedLayer: ExitPolicy {
  public static let name = "fixed-layer"
  public static let requires = Set(AnswerKind.allCases)
  public static let parameters: [PolicyParameter] = [
    .integer(
      "layer", default: 3, in: 0...1024, help: "the layer, from 1, after which every sample exits; 0 is the entry")
  ]

  public let reads: Set<ExitSignal> = []
  public let layers: LayerSet

  public init(_ arguments: PolicyArguments) throws {
    let layer = arguments.integer("layer")
    let last = arguments.model.layers
    guard layer < last else {
      throw PolicyError.rejected("layer=\(layer): the model has \(last) layers, so give a layer before the last")
    }
    layers = LayerSet([layer])
  }

  public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool { true }
}
