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
  /// The files that they and those of tasks are in, each once.
  public var files: [SafetensorsFile] {
    var paths: Set<String> = []
    return ([self] + tasks.sorted { $0.key < $1.key }.map(\.value)).flatMap(\.tensors.files).filter {
      paths.insert($0.path).inserted
    }
  }
  /// Canonical name -> name in the file.
  public private(set) var originals: [String: String]
  /// How many times as many layers the files hold as are left.
  private(set) var cutLayers = 1
  /// Of a model of several tasks, the tensors of each task: `tasks.<name>.X` is X of the task's own.
  private var tasks: [String: Weights] = [:]
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

  /// These tensors with those of tasks beside them.
  func joined(with tasks: [(name: String, weights: Weights)]) -> Weights {
    var joined = self
    for (name, weights) in tasks { joined.tasks[name] = weights }
    return joined
  }

  /// Names of the tasks that a checkpoint has heads of its own for, sorted.
  var taskNames: [String] {
    let names = originals.keys.filter { $0.hasPrefix("tasks.") }.compactMap { name in
      name.split(separator: ".", omittingEmptySubsequences: false).dropFirst().first.map(String.init)
    }
    return Set(names).sorted()
  }

  /// The tensors as a checkpoint of one of its tasks alone has them; nil for those of its ordinary head.
  func ofTask(_ task: String?) -> Weights {
    var own = self
    own.originals = originals.filter { name, _ in
      let first = name.firstComponent
      return first != "tasks" && (task == nil || first != "exits" && first != "policies")
    }
    guard let prefix = task.map(TaskShape.prefix) else { return own }
    for (name, original) in originals where name.hasPrefix(prefix) {
      own.originals[String(name.dropFirst(prefix.count))] = original
    }
    return own
  }

  /// Whose tensor a name is, and what it is called there.
  private func place(of name: String) -> (weights: Weights, name: String) {
    let parts = name.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "tasks", let weights = tasks[String(parts[1])] else { return (self, name) }
    return (weights, String(parts[2]))
  }

  /// Where a tensor lies, and what it is called there; nil when there is none of that canonical name.
  func original(of name: String) -> (tensors: TensorCollection, name: String)? {
    let (weights, name) = place(of: name)
    return weights.originals[name].map { (weights.tensors, $0) }
  }

  /// Gives a tensor another canonical name; with `keeps` it has both. Nothing happens without that tensor.
  mutating func rename(_ old: String, to new: String, keeps: Bool = false) {
    guard let original = originals[old] else { return }
    if !keeps { originals[old] = nil }
    originals[new] = original
  }

  /// Forgets a tensor, as if it were not there.
  mutating func leave(_ name: String) { originals[name] = nil }

  /// The tensors but those of layers from one on, counted from 0, of `all`: of encoder layers, of their heads, and those
  /// that hold a number for each layer.
  func withoutLayers(from layers: Int, of all: Int) -> Weights {
    var cut = self
    cut.cutLayers = (all + layers - 1) / layers
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
  public func shape(of name: String) -> [Int]? {
    original(of: name).flatMap { $0.tensors.shape(of: $0.name) }
  }

  /// A tensor that policies read, by canonical name; nil when there is none.
  func learned(_ name: String) throws(FormatError) -> LearnedTensor? {
    guard let original = originals[name], let shape = tensors.shape(of: original) else { return nil }
    return LearnedTensor(shape: shape, values: try tensors.floats(of: original))
  }

  /// The values of a tensor, by canonical name, that a weight is made of.
  func values(ofTensor name: String, _ symbol: String) throws -> [Float] {
    guard let original = original(of: name) else {
      throw CheckpointError(description: "the checkpoint has no tensor \(name) for #\(symbol)")
    }
    return try original.tensors.floats(of: original.name)
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
