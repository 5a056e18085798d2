// Reads the values behind weight symbols from a checkpoint: joined along the first axis, in f32, row-major. Artefact
// writer and reference interpreter both read through this, so they can't disagree about what a symbol means.

import PyramidFormats
import PyramidIR

/// A checkpoint's tensors by weight symbol.
public struct WeightReader: Sendable {
  private let tensors: TensorCollection

  /// Reads from a checkpoint.
  public init(_ checkpoint: CheckpointFolder) { tensors = checkpoint.tensors }

  /// The logical values of a weight, row-major; layout plays no part.
  public func values(of weight: Weight) throws -> [Float] {
    var values: [Float] = []
    for source in weight.sources {
      guard let original = tensors.canonicalNames[source] else {
        throw CompileError("the checkpoint has no tensor \(source) for #\(weight.name)")
      }
      values += try tensors.floats(of: original)
    }
    let wanted = weight.type.extents.reduce(1) { product, extent in
      if case .fixed(let count) = extent { product * count } else { product }
    }
    guard values.count == wanted else {
      throw CompileError("#\(weight.name) has \(values.count) values, expected \(wanted)")
    }
    return values
  }
}
