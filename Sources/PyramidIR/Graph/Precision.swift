// The number formats that weights are stored in and products computed with. It lives in the IR because a graph says for
// each weight which one it has: what a compiled model answers must follow from its text.

/// The number format of a weight and of the products with it. Values between operations are f32 in any case.
public enum Precision: String, Hashable, Sendable, CaseIterable, Comparable {
  /// 32-bit floats.
  case f32
  /// Weights and inputs rounded to 16 bits, 8 of them mantissa; sums in f32.
  case bf16
  /// Weights of 8 bits with one scale for each output column; inputs of 8 bits with one scale per row, found on the
  /// fly.
  case int8

  /// The deepest product whose whole numbers fit into 32 bits: 127 * 127 a step.
  public static let deepestInt8 = 1 << 17

  /// Longer formats are less.
  public static func < (a: Precision, b: Precision) -> Bool {
    allCases.firstIndex(of: a)! < allCases.firstIndex(of: b)!
  }
}

extension Graph {
  /// The precision that the graph was compiled with: the shortest that one of its weights has.
  public var precision: Precision {
    let precisions = Set(weights.map(\.precision))
    return precisions.contains(.int8) ? .int8 : precisions.contains(.bf16) ? .bf16 : .f32
  }
}
