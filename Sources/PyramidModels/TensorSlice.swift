// Which rows of a checkpoint's tensor a weight is made of. Nearly always it is all of them, and the source is the tensor's
// name; where a family counts positions from a row that is not the first, the rows before it are never read and need not
// be in the artefact.

/// A tensor's rows from one on, as the source of a weight names them: `NAME`, or `NAME[FIRST:]`.
public struct TensorSlice: Sendable, Equatable {
  /// The tensor's canonical name.
  public let name: String
  /// The first row.
  public let firstRow: Int

  /// Rows of a tensor.
  public init(_ name: String, from firstRow: Int = 0) { (self.name, self.firstRow) = (name, firstRow) }

  /// What a weight's source means.
  public init(source: String) {
    let parts = source.hasSuffix(":]") ? source.dropLast(2).split(separator: "[", omittingEmptySubsequences: false) : []
    if parts.count == 2, let row = Int(parts[1]), row > 0 {
      self.init(String(parts[0]), from: row)
    } else {
      self.init(source)
    }
  }

  /// The source of a weight.
  public var source: String { firstRow == 0 ? name : "\(name)[\(firstRow):]" }
}
