// The tensors of a model in training: f32, row-major, at addresses that do not change, so that programs can be bound to
// them once. Names are the canonical ones of `Weights`, which are the sources of a graph's weights.

import PyramidEvaluation
import PyramidFormats
import PyramidIR
import PyramidModels

/// A tensor, and while it is trained its gradient and the two moments of AdamW.
public final class Parameter {
  /// The canonical name, such as `encoder.layer.0.output.dense.weight`.
  public let name: String
  /// The extents, outermost first.
  public let shape: [Int]
  /// The values.
  public let values: UnsafeMutableBufferPointer<Float>
  /// The gradient, zero between updates; nil while no stage trains the parameter.
  public private(set) var gradient: UnsafeMutableBufferPointer<Float>?
  /// First and second moment.
  private(set) var moments: (first: UnsafeMutableBufferPointer<Float>, second: UnsafeMutableBufferPointer<Float>)?

  /// A parameter of zeros.
  public init(name: String, shape: [Int]) {
    (self.name, self.shape) = (name, shape)
    values = Self.zeros(shape.reduce(1, *))
  }

  /// Whether weight decay applies to tensors like this one: not to biases and norms, which have one axis.
  public var decays: Bool { shape.count > 1 }

  /// The values as an array.
  public var array: [Float] {
    get { Array(values) }
    set {
      precondition(newValue.count == values.count, "\(name) has \(values.count) values, not \(newValue.count)")
      _ = values.update(from: newValue)
    }
  }

  /// Makes gradient and moments, all zero, unless they are there, and returns the gradient, which stays where it is to
  /// the end of the stage: a stage binds its programs to it.
  @discardableResult
  public func startTraining() -> UnsafeMutableBufferPointer<Float> {
    if let gradient { return gradient }
    let gradient = Self.zeros(values.count)
    self.gradient = gradient
    moments = (Self.zeros(values.count), Self.zeros(values.count))
    return gradient
  }

  /// Frees gradient and moments.
  func stopTraining() {
    for buffer in [gradient, moments?.first, moments?.second] { buffer?.deallocate() }
    (gradient, moments) = (nil, nil)
  }

  deinit {
    stopTraining()
    values.deallocate()
  }

  /// Aligned to a cache line, as kernels like it.
  private static func zeros(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
    let floats = bytes.bindMemory(to: Float.self)
    floats.initialize(repeating: 0)
    return UnsafeMutableBufferPointer(rebasing: floats[..<count])
  }
}

/// All parameters of a training, each name once, in the order of their names.
public final class ParameterSet {
  /// The parameters, sorted by name.
  public private(set) var all: [Parameter] = []
  private var places: [String: Parameter] = [:]
  private let seed: UInt64
  /// The checkpoint that the values began as.
  private var weights: Weights?

  /// An empty set; `seed` is that of initial values.
  public init(seed: UInt64) { self.seed = seed }

  /// The tensors of a checkpoint that is to have these classes, and the classification head where it lacks one. Throws
  /// when they do not fit its configuration, or when it has a classifier for other classes.
  public convenience init(_ checkpoint: Checkpoint, labels: [String], seed: UInt64) throws {
    self.init(seed: seed)
    if let classes = checkpoint.classes, classes != labels.count {
      let numbers = (0..<classes).map { String($0) }
      // Numbers of fewer classes are more likely rows that are missing than classes of the data's own.
      if let missing = numbers.firstIndex(where: { !labels.contains($0) }), labels.allSatisfy({ numbers.contains($0) })
      {
        let own = checkpoint.configuration.labels
        let name = own.indices.contains(missing) ? own[missing] : numbers[missing]
        throw TrainingError(
          "\(checkpoint.path): its classifier has \(classes) classes, and no row has the label "
            + "'\(name.printable(limit: 80))' (class \(missing))")
      }
      throw TrainingError(
        "\(checkpoint.path): its classifier has \(classes) classes, the data \(labels.count); for other classes start from "
          + "the encoder's own checkpoint, which this one was fine-tuned from: it has no classifier, and gets one")
    }
    weights = checkpoint.weights
    let model = try LoweredModel(checkpoint, name: checkpoint.configuration.name, training: labels)
    for (name, shape) in model.tensors {
      guard let original = checkpoint.weights.originals[name] else {
        try add(name, shape)
        continue
      }
      try add(name, shape) { try checkpoint.weights.tensors.floats(of: original) }
    }
    if let thresholds = checkpoint.importedThresholds { try add(Graph.thresholds, [thresholds.count]) { thresholds } }
  }

  /// What a weight that is not a parameter is computed from: the checkpoint as it was. Throws when it lacks the tensors.
  func derived(_ weight: Weight) throws -> Parameter {
    let shape = weight.type.extents.map { if case .fixed(let count) = $0 { count } else { 0 } }
    let parameter = Parameter(name: weight.name, shape: shape)
    guard let weights else { throw TrainingError("#\(weight.name) is not a parameter, and there is no checkpoint") }
    parameter.array = try weights.values(of: weight)
    return parameter
  }

  /// SHA-256 of the parameters with names that `isMeant` takes.
  func checksum(of isMeant: (String) -> Bool) -> String {
    let lines = all.filter { isMeant($0.name) }.map {
      "\($0.name) \($0.shape) \(Checksum.sha256(of: UnsafeRawBufferPointer($0.values)))"
    }
    return Checksum.sha256(of: lines.joined(separator: "\n"))
  }

  /// Removes the parameter of that name, if there is one.
  func remove(_ name: String) {
    places[name] = nil
    all.removeAll { $0.name == name }
  }

  /// The parameter of that name, if there is one.
  public subscript(name: String) -> Parameter? { places[name] }

  /// The parameter of that name; a new one is drawn from a normal distribution of deviation 0.02, as BERT's are, or is
  /// zero when it has one axis. Throws `TrainingError` like `add(_:_:values:)`.
  @discardableResult
  public func add(_ name: String, _ shape: [Int]) throws -> Parameter {
    func draw() -> [Float] {
      let count = shape.reduce(1, *)
      guard shape.count > 1 else { return [Float](repeating: 0, count: count) }
      var random = SeededRandom(seed: seed, stream: name)
      return (0..<count).map { _ in 0.02 * random.normal() }
    }
    return try add(name, shape, values: draw)
  }

  /// The parameter of that name; a new one gets these values. Throws `TrainingError` when it is there with another shape:
  /// of a stage's own parameters, only the stage knows what a resumed state should hold.
  @discardableResult
  public func add(_ name: String, _ shape: [Int], values: () throws -> [Float]) throws -> Parameter {
    guard let parameter = places[name] else { return insert(name, shape, try values()) }
    guard parameter.shape == shape else {
      throw TrainingError("\(name.printable(limit: 80)) has shape \(parameter.shape), not \(shape)")
    }
    return parameter
  }

  /// Adds a parameter of a name that is new.
  @discardableResult
  func insert(_ name: String, _ shape: [Int], _ values: [Float]) -> Parameter {
    let parameter = Parameter(name: name, shape: shape)
    parameter.array = values
    places[name] = parameter
    all.insert(parameter, at: all.firstIndex { $0.name > name } ?? all.count)
    return parameter
  }
}
