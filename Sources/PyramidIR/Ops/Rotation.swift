// What `rotate` turns and by which angles. The angles are defined here once: the reference interpreter takes cosine and
// sine of them in Double, the runtime makes the kernels' table of them.

import Glibc

/// The payload of `rotate`.
public struct Rotation: Hashable, Sendable {
  /// Columns of a head.
  public let size: Int
  /// Columns that are turned, from the first on.
  public let columns: Int
  /// What the frequencies are powers of: theta.
  public let base: Float

  /// A rotation of heads of `size` columns.
  public init(size: Int, columns: Int, base: Float) { (self.size, self.columns, self.base) = (size, columns, base) }

  /// The angle by which a pair of a head turns at a position. Power and product are rounded to f32, as PyTorch does.
  public func angle(position: Int32, pair: Int) -> Float {
    Float(position) * (1 / Float(pow(Double(base), Double(Float(2 * pair) / Float(size)))))
  }

  /// One head's, for which it does not matter how many columns are turned: equal for rotations of equal angles.
  public var angles: Rotation { Rotation(size: size, columns: size, base: base) }

  var attributes: [OpAttribute] {
    [.integer("size", size), .integer("columns", columns), OpAttribute(key: "base", value: .float(base))]
  }
}

extension OperandCheck {
  func rotate(_ rotation: Rotation) throws(GraphError) -> TensorType {
    try counts(1, inputs: 2...2, weights: 0...0)
    try tokenMatrix(inputs[0], "%x", 1)
    try positions(inputs[1], of: inputs[0], 2)
    let (size, columns) = (rotation.size, rotation.columns)
    try require(
      size > 0 && size % 2 == 0 && columns > 0 && columns % size == 0 && columns <= inputs[0].columns, 3,
      "heads of \(size) columns in \(columns) of \(inputs[0].columns)")
    try require(rotation.base > 1 && rotation.base.isFinite, 4, "the base is \(rotation.base), expected more than 1")
    return inputs[0]
  }

  /// The positions of the rows of a value.
  func positions(_ type: TensorType, of rows: TensorType, _ constraint: Int) throws(GraphError) {
    let wanted = TensorType(.i32, [rows.rows])
    try require(type == wanted, constraint, "%positions is \(type), expected \(wanted)")
  }

  func gate() throws(GraphError) -> TensorType {
    try counts(1, inputs: 1...1, weights: 0...0)
    try matrix(inputs[0], "%x", 1)
    try require(inputs[0].columns % 2 == 0, 1, "%x is \(inputs[0]), expected two equal halves")
    return TensorType(.f32, [inputs[0].rows, .fixed(inputs[0].columns / 2)])
  }
}
