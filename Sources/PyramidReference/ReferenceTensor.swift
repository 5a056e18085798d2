// The value that the reference interpreter computes with: a graph type whose dims have become numbers, and its
// elements. It is separate from the interpreter because tests compare these tensors without running anything.

import PyramidIR

/// A computed value, row-major.
public struct ReferenceTensor: Sendable, Equatable {
  /// The elements in the format that the type names.
  public enum Elements: Sendable, Equatable {
    case floats([Float])
    case integers([Int32])
    /// f32 that was not rounded: what graphs that train are computed with, so that differences can be taken.
    case doubles([Double])
  }

  /// The type in the graph, with symbolic dims.
  public let type: TensorType
  /// The axes with every dim resolved, as many as the type has.
  public let extents: [Int]
  /// As many elements as the extents multiply to.
  public let elements: Elements

  /// A tensor of given type. Throws if the elements have another format or count than type and extents say.
  public init(type: TensorType, extents: [Int], elements: Elements) throws(ReferenceError) {
    let wanted = extents.reduce(1, *)
    let (element, count): (Element, Int) =
      switch elements {
      case .floats(let values): (.f32, values.count)
      case .integers(let values): (.i32, values.count)
      case .doubles(let values): (.f32, values.count)
      }
    guard element == type.element, count == wanted, extents.count == type.extents.count else {
      throw ReferenceError("\(count) elements of \(element.rawValue) do not make \(type) with axes \(extents)")
    }
    self.type = type
    self.extents = extents
    self.elements = elements
  }

  /// The first axis.
  public var rows: Int { extents[0] }
  /// Elements in one row, 1 for a vector.
  public var columns: Int { extents.count > 1 ? extents[1] : 1 }

  /// The elements of an f32 tensor, rounded if they are not yet; throws for i32.
  public var floats: [Float] {
    get throws(ReferenceError) {
      switch elements {
      case .floats(let values): values
      case .doubles(let values): values.map { Float($0) }
      case .integers: throw ReferenceError("\(type) holds no f32")
      }
    }
  }

  /// The elements of an f32 tensor as they are known; throws for i32.
  public var doubles: [Double] {
    get throws(ReferenceError) {
      if case .doubles(let values) = elements { return values }
      return try floats.map { Double($0) }
    }
  }

  /// The elements of an i32 tensor; throws for f32.
  public var integers: [Int32] {
    get throws(ReferenceError) {
      guard case .integers(let values) = elements else { throw ReferenceError("\(type) holds no i32") }
      return values
    }
  }

  /// One row of an f32 tensor; throws for i32 and for a row that does not exist.
  public func row(_ index: Int) throws(ReferenceError) -> [Float] {
    guard index >= 0, index < rows else { throw ReferenceError("row \(index) does not lie in the \(rows) of \(type)") }
    return Array(try floats[index * columns..<(index + 1) * columns])
  }
}
