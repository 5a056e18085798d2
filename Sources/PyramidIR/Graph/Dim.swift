// Dynamic dimensions and tensor types. A dim is either samples alive (`B`) or tokens alive (`T`); tokens are packed end
// to end, so padding can't be written down. Every dim but `B0` and `T0` is data-dependent: it has one defining value
// and is bounded by an earlier dim, which is what lets memory be planned before any text is seen.

/// What a dim counts.
public enum DimFamily: String, Hashable, Sendable, CaseIterable {
  case samples = "B"
  case tokens = "T"
}

/// A dynamic dimension, `B<k>` or `T<k>`.
public struct Dim: Hashable, Sendable, CustomStringConvertible {
  /// What it counts.
  public let family: DimFamily
  /// 0 for what was admitted; later ones count up in the order of definition.
  public let index: Int

  /// The dim of a family with a number.
  public init(_ family: DimFamily, _ index: Int) {
    self.family = family
    self.index = index
  }

  /// Samples admitted.
  public static let admittedSamples = Dim(.samples, 0)
  /// Tokens admitted.
  public static let admittedTokens = Dim(.tokens, 0)

  public var description: String { "\(family.rawValue)\(index)" }
}

/// The largest value that a dim can take.
public enum DimBound: Hashable, Sendable {
  case constant(Int)
  case dim(Dim)
}

/// One line of the preamble: a dim, its bound, and for a data-dependent one the value whose rows it counts.
public struct DimDeclaration: Hashable, Sendable {
  /// The dim declared.
  public internal(set) var dim: Dim
  /// Its bound: a constant for `B0` and `T0`, an earlier dim of the same family otherwise.
  public internal(set) var bound: DimBound
  /// The one value that defines it; nil for `B0` and `T0`.
  public internal(set) var definedBy: ValueID?

  /// A declaration; the verifier checks that bound and definition fit together.
  public init(_ dim: Dim, bound: DimBound, definedBy: ValueID? = nil) {
    self.dim = dim
    self.bound = bound
    self.definedBy = definedBy
  }
}

/// One axis of a tensor.
public enum Extent: Hashable, Sendable, CustomStringConvertible {
  case fixed(Int)
  case dim(Dim)
  /// One more than a dim: the offsets of packed samples.
  case dimPlusOne(Dim)

  public var description: String {
    switch self {
    case .fixed(let count): "\(count)"
    case .dim(let dim): "\(dim)"
    case .dimPlusOne(let dim): "\(dim) + 1"
    }
  }

  /// The dim that the axis follows, if it is dynamic.
  public var dim: Dim? {
    switch self {
    case .fixed: nil
    case .dim(let dim), .dimPlusOne(let dim): dim
    }
  }
}

/// The number format of a tensor's elements in the IR; both take 4 bytes.
public enum Element: String, Hashable, Sendable, CaseIterable {
  case f32
  case i32
}

/// Element format and axes of a value or a weight.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  /// Format of one element.
  public let element: Element
  /// One or two axes; rows first.
  public let extents: [Extent]

  /// A type of given element and axes.
  public init(_ element: Element, _ extents: [Extent]) {
    self.element = element
    self.extents = extents
  }

  public var description: String {
    "\(element.rawValue)[\(extents.map(\.description).joined(separator: ", "))]"
  }

  /// The axis that counts rows.
  public var rows: Extent { extents[0] }
  /// Elements in one row: the second axis, 1 for a vector.
  public var columns: Int {
    guard extents.count > 1, case .fixed(let count) = extents[1] else { return 1 }
    return count
  }
}
