// The values that a policy's initialiser receives, and the facts of the model it is made for. Reading a parameter is
// not throwing: the SDK has checked every value against the declarations, so a failure here is a bug of the policy.

/// What a policy may know of the model that it is made for.
public struct ModelFacts: Sendable, Equatable {
  /// Layers of the model; boundaries are after layers 1 ..< layers, and the entry before them all, 0.
  public let layers: Int
  /// Classes of every exit head: its logits.
  public let classes: Int
  /// Attention heads of a layer, where known.
  public let heads: Int?

  /// Width of a hidden row, where known.
  public let hidden: Int?
  /// What the model answers with.
  public let answers: AnswerKind

  /// Facts of a model with `layers` layers and heads of `classes` logits.
  public init(
    layers: Int, classes: Int, heads: Int? = nil, hidden: Int? = nil, answers: AnswerKind = .probabilities
  ) {
    self.answers = answers
    self.layers = layers
    self.classes = classes
    self.heads = heads
    self.hidden = hidden
  }
}

/// The checked values of a policy's declared parameters.
public struct PolicyArguments: Sendable {
  /// The model that the policy is made for.
  public let model: ModelFacts
  private let spec: PolicySpec
  private let tensors: [String: LearnedTensor]

  /// The arguments that the engine would hand to a policy of `type`, for its unit tests: `spec` is read, checked
  /// against the declared parameters and completed with defaults and `learned` values (parameters' by symbol, weights by `policies.<name>.<tensor>`). Without a `spec` all are
  /// defaults.
  ///
  /// - Throws: `PolicyError`, as `PolicyType.make` does.
  public init(
    _ spec: String? = nil, for type: any Policy.Type, model: ModelFacts, learned: [String: LearnedTensor] = [:]
  ) throws(PolicyError) {
    let description = type.conformance.description
    let given = try PolicySpec(spec ?? description.name)
    self.init(
      try description.substitute(learned, in: try description.resolve(given)), model: model,
      tensors: try description.tensors(of: learned, model: model))
  }

  /// Arguments from a specification that holds a value for each declared parameter.
  init(_ spec: PolicySpec, model: ModelFacts, tensors: [(name: String, tensor: LearnedTensor)] = []) {
    self.spec = spec
    self.model = model
    self.tensors = Dictionary(tensors.map { ($0.name, $0.tensor) }) { first, _ in first }
  }

  /// The value of a `.number` or `.integer` parameter.
  public func number(_ name: String) -> Double {
    guard case .number(let value) = value(name) else { misread(name, "a number") }
    return value
  }

  /// The value of a `.number` or `.integer` parameter, rounded to single precision.
  public func float(_ name: String) -> Float { Float(number(name)) }

  /// The value of an `.integer` parameter.
  public func integer(_ name: String) -> Int {
    guard let value = wholeNumber(number(name)) else { misread(name, "a whole number") }
    return value
  }

  /// The values of a `.numbers` parameter, rounded to single precision.
  public func numbers(_ name: String) -> [Float] {
    guard case .numbers(let values) = value(name) else { misread(name, "a list of numbers") }
    return values.map { Float($0) }
  }

  /// The values of a `.numbers` parameter, one for each of the model's `layers - 1` boundaries between layers; a list of
  /// one value stands for that value at each. None is for the entry: a policy that has one value per layer starts at the
  /// first (`layers` is `.from(1)`).
  ///
  /// - Throws: `PolicyError.rejected` when the list has another length.
  public func numbersPerBoundary(_ name: String) throws(PolicyError) -> [Float] {
    let values = numbers(name)
    let boundaries = max(0, model.layers - 1)
    if values.count == boundaries { return values }
    if values.count == 1 { return Array(repeating: values[0], count: boundaries) }
    throw .rejected(
      "'\(name)' has \(values.count) values; give one, or \(boundaries), one after each layer but the last"
    )
  }

  /// The same for a list of whole numbers: counts of tokens, a layer's number of something.
  ///
  /// - Throws: `PolicyError.rejected` when the list has another length, or a number in it is not whole.
  public func wholeNumbersPerBoundary(_ name: String) throws(PolicyError) -> [Int] {
    let values = try numbersPerBoundary(name)
    if let broken = values.first(where: { $0 != $0.rounded() || abs($0) > 1e9 }) {
      throw .rejected("\(name)=\(broken): expected whole numbers")
    }
    return values.map { Int($0) }
  }

  /// The value of a `.word` parameter.
  public func word(_ name: String) -> String {
    guard case .word(let value) = value(name) else { misread(name, "a word") }
    return value
  }

  /// Learned weights, of the checkpoint's tensor `policies.<policy>.<name>`: shape as declared in `tensors`, all finite.
  public func tensor(_ name: String) -> LearnedTensor {
    guard let tensor = tensors[name] else {
      fatalError("@\(spec.name) reads tensor '\(name)', which its 'tensors' does not declare")
    }
    return tensor
  }

  /// The value of a `.flag` parameter.
  public func flag(_ name: String) -> Bool { word(name) == "true" }

  private func value(_ name: String) -> PolicySpec.Value {
    guard let value = spec[name] else {
      fatalError("@\(spec.name) reads parameter '\(name)', which it does not declare")
    }
    return value
  }

  private func misread(_ name: String, _ type: String) -> Never {
    fatalError("@\(spec.name) reads parameter '\(name)' as \(type), which it is not")
  }
}
