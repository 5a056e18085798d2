// A checkpoint's tensors under the names that families and graphs know: without the prefix that an exporting class put
// in front, and with today's spelling. Artefact writer and reference interpreter both read the values of a weight
// symbol through this, so they can't disagree about what a symbol means.

import PyramidFormats
import PyramidIR
import PyramidPolicy

/// The tensors of a checkpoint by canonical name (`encoder.layer.0.output.LayerNorm.weight`).
public struct Weights: Sendable {
  /// The tensors as they are in the files.
  public let tensors: TensorCollection
  /// Canonical name -> name in the file.
  public private(set) var originals: [String: String]
  /// What names of policies' weights begin with; they belong to the whole model that they were fitted on.
  static let policies = "policies."
  /// First components of the names of tensors that this project adds to a checkpoint.
  static let own: Set<Substring> = ["exits", "policies", "prune", "tasks"]

  /// Names a checkpoint's tensors; throws when two of them mean the same one, or a temperature is none.
  public init(_ tensors: TensorCollection) throws(FormatError) {
    var originals: [String: String] = [:]
    for name in tensors.names {
      guard let other = originals.updateValue(name, forKey: Weights.canonical(name)) else { continue }
      throw FormatError(
        file: tensors.path(of: name), place: name.printable(limit: 80),
        problem: "means the same tensor as \(other.quoted)")
    }
    (self.tensors, self.originals) = (tensors, originals)
    try Temperatures.check(self)
  }

  /// Gives a tensor another canonical name; with `keeps` it has both. Nothing happens without that tensor.
  mutating func rename(_ old: String, to new: String, keeps: Bool = false) {
    guard let original = originals[old] else { return }
    if !keeps { originals[old] = nil }
    originals[new] = original
  }

  /// Forgets a tensor, as if it were not there.
  mutating func leave(_ name: String) { originals[name] = nil }

  /// The tensors but those of layers from one on, counted from 0: of encoder layers, of their heads, and those that hold
  /// a number for each layer.
  func withoutLayers(from layers: Int) -> Weights {
    var cut = self
    for name in originals.keys {
      let parts = name.split(separator: ".")
      let number = parts.firstIndex { $0 == "layer" || $0 == "layers" || $0 == "exits" }
        .flatMap { $0 + 1 < parts.count ? Int(parts[$0 + 1]) : nil }
      let limit = parts.first == "exits" ? layers - 1 : layers
      let isOfAll = name == "prune.thresholds" || name == Temperatures.heads || name.hasPrefix(Self.policies)
      if number ?? -1 >= limit || isOfAll {
        cut.originals[name] = nil
      }
    }
    return cut
  }

  /// The name without its family's prefix and with `LayerNorm.gamma` and `.beta` modernised.
  public static func canonical(_ name: String) -> String {
    let prefix = ModelFamilies.all.lazy.map { $0.prefix + "." }.first(where: name.hasPrefix) ?? ""
    let name = name.dropFirst(prefix.count)
    for (old, new) in [("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")]
    where name.hasSuffix(old) {
      return name.dropLast(old.count) + new
    }
    return String(name)
  }

  /// The name that `transformers` gives a tensor of a sequence classifier of this family.
  public static func fileName(_ canonical: String, family: String) -> String {
    guard let family = ModelFamilies.all.first(where: { $0.name == family }) else { return canonical }
    let first = canonical.firstComponent
    return family.unprefixed.contains(String(first)) || own.contains(first)
      ? canonical : "\(family.prefix).\(canonical)"
  }

  /// The extents of a tensor; nil when there is none of that canonical name.
  public func shape(of name: String) -> [Int]? { originals[name].flatMap { tensors.shape(of: $0) } }

  /// A tensor that policies read, by canonical name; nil when there is none.
  func learned(_ name: String) throws(FormatError) -> LearnedTensor? {
    guard let original = originals[name], let shape = tensors.shape(of: original) else { return nil }
    return LearnedTensor(shape: shape, values: try tensors.floats(of: original))
  }

  /// The values of a tensor, by canonical name, that a weight is made of.
  func values(ofTensor name: String, _ symbol: String) throws -> [Float] {
    guard let original = originals[name] else {
      throw CheckpointError(description: "the checkpoint has no tensor \(name) for #\(symbol)")
    }
    return try tensors.floats(of: original)
  }

  /// The logical values of a graph's weight, its sources joined along the first axis, f32, row-major; layout plays no
  /// part. Throws when the checkpoint has not all of them.
  public func values(of weight: Weight) throws -> [Float] {
    var values: [Float] = []
    for source in weight.sources {
      let floats = try self.values(of: TensorExpression(source: source), for: weight.name)
      // One source, the ordinary case, is not copied.
      if values.isEmpty { values = floats } else { values += floats }
    }
    let wanted = weight.type.extents.reduce(1) { product, extent in
      if case .fixed(let count) = extent { product * count } else { product }
    }
    guard values.count == wanted else {
      throw CheckpointError(description: "#\(weight.name) has \(values.count) values, expected \(wanted)")
    }
    return values
  }
}
