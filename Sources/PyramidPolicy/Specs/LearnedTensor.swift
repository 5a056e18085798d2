// Learned weights of a policy: what it declares of them, and what it is handed. A list of numbers fits a parameter and
// can be written down; a matrix can't, so weights are not parameters: they come from the checkpoint, or not at all.

/// Learned numbers and their shape, row-major.
public struct LearnedTensor: Sendable, Equatable, ExpressibleByArrayLiteral {
  /// Extents, outermost first.
  public let shape: [Int]
  /// As many values as the product of `shape`.
  public let values: [Float]

  /// A tensor from its parts; `values` must have as many elements as `shape` says.
  public init(shape: [Int], values: [Float]) {
    precondition(shape.reduce(1, *) == values.count, "\(values.count) values for shape \(shape)")
    (self.shape, self.values) = (shape, values)
  }

  /// A list of numbers.
  public init(_ values: [Float]) { self.init(shape: [values.count], values: values) }

  /// `[0.5, 1]`: a list.
  public init(arrayLiteral elements: Float...) { self.init(elements) }
}

/// Weights that a policy needs: the checkpoint's tensor `policies.<policy>.<name>`, or one for each boundary between
/// layers, `policies.<policy>.<l>.<name>` with l from 0.
public struct PolicyTensor: Sendable, Equatable {
  /// How long an axis is.
  public enum Extent: Sendable, Equatable, CustomStringConvertible {
    /// `layers - 1`, one for each boundary between layers.
    case boundaries
    /// The model's classes.
    case classes
    /// The model's hidden width.
    case hidden
    /// So many.
    case fixed(Int)
    /// As many as the checkpoint has.
    case any
  }

  /// Words and numbers joined by dots.
  public let name: String
  /// Length of each axis, outermost first.
  public let extents: [Extent]
  /// Whether there is one for each boundary between layers.
  public let isPerBoundary: Bool

  /// One tensor.
  public init(_ name: String, _ extents: [Extent]) { self.init(name, extents, isPerBoundary: false) }

  /// A tensor for each boundary between layers; `PolicyArguments.tensor` takes `0.<name>` for the first.
  public static func perBoundary(_ name: String, _ extents: [Extent]) -> Self {
    PolicyTensor(name, extents, isPerBoundary: true)
  }

  init(_ name: String, _ extents: [Extent], isPerBoundary: Bool) {
    (self.name, self.extents, self.isPerBoundary) = (name, extents, isPerBoundary)
  }

  /// The names as the policy asks for them.
  func names(_ model: ModelFacts) -> [String] {
    isPerBoundary ? (0..<max(0, model.layers - 1)).map { "\($0).\(name)" } : [name]
  }

  /// Whether a shape is the one declared, for a model whose width is known or not.
  func fits(_ shape: [Int], _ model: ModelFacts) -> Bool {
    shape.count == extents.count
      && zip(shape, extents).allSatisfy { count, extent in
        count > 0 && extent.count(model).map { $0 == count } ?? true
      }
  }

  /// The shape as an error has it, `[5, C, 384]`.
  func expectation(_ model: ModelFacts) -> String {
    "[\(extents.map { extent in extent.count(model).map { "\($0)" } ?? "any" }.joined(separator: ", "))]"
  }

  var text: String { extents.map(\.description).joined(separator: ",") }

  /// Reads `boundaries,classes,2`; nil when it makes no sense.
  init?(_ name: String, text: String, isPerBoundary: Bool) {
    let extents = text.split(separator: ",").map { Extent(String($0)) }
    guard extents.allSatisfy({ $0 != nil }), extents.count <= 4, isTensorName(name) else { return nil }
    self.init(name, extents.compactMap(\.self), isPerBoundary: isPerBoundary)
    let fixed = self.extents.reduce(1) { if case .fixed(let count) = $1 { $0 * count } else { $0 } }
    guard fixed <= 1 << 24 else { return nil }
  }
}

extension PolicyTensor.Extent {
  func count(_ model: ModelFacts) -> Int? {
    switch self {
    case .boundaries: max(0, model.layers - 1)
    case .classes: model.classes
    case .hidden: model.hidden
    case .fixed(let count): count
    case .any: nil
    }
  }

  /// As a list of policies has it: the case's name, or the number.
  public var description: String {
    switch self {
    case .boundaries: "boundaries"
    case .classes: "classes"
    case .hidden: "hidden"
    case .fixed(let count): String(count)
    case .any: "any"
    }
  }

  fileprivate init?(_ text: String) {
    let known: [PolicyTensor.Extent] = [.boundaries, .classes, .hidden, .any]
    if let extent = known.first(where: { $0.description == text }) {
      self = extent
    } else if let count = Int(text), (1...4096).contains(count) {
      self = .fixed(count)
    } else {
      return nil
    }
  }
}

/// Whether `text` can be the end of a tensor's name: letters, digits, `_`, `-` and single dots within.
private func isTensorName(_ text: String) -> Bool {
  let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
  return parts.allSatisfy { part in
    !part.isEmpty
      && part.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}
