// What text has between the braces of an operation, in two exhaustive switches, so that a new operation without a spelling
// does not compile. Apart from the facts because only printers ask.

/// One `key value...` between the braces of an operation.
public struct OpAttribute: Sendable {
  /// What may stand after a key.
  public enum Value: Sendable {
    case integer(Int)
    case float(Float)
    case word(String)
    case words([String])
  }

  /// Its name.
  public let key: String
  /// What stands after it.
  public let value: Value

  static func integer(_ key: String, _ value: Int) -> OpAttribute { OpAttribute(key: key, value: .integer(value)) }
  static func epsilon(_ value: Float) -> OpAttribute { OpAttribute(key: "epsilon", value: .float(value)) }
  static func word(_ key: String, _ value: some RawRepresentable<String>) -> OpAttribute {
    OpAttribute(key: key, value: .word(value.rawValue))
  }

  static func random(_ rate: Float, _ stream: Int) -> [OpAttribute] {
    [OpAttribute(key: "rate", value: .float(rate)), .integer("stream", stream)]
  }

  /// A list that is left out when it is empty.
  static func words<Word: RawRepresentable<String>>(_ key: String, _ values: [Word]) -> [OpAttribute] {
    values.isEmpty ? [] : [OpAttribute(key: key, value: .words(values.map(\.rawValue)))]
  }

  /// `layer 2`, or `at entry`.
  static func boundary(_ boundary: Boundary) -> OpAttribute {
    switch boundary {
    case .entry: OpAttribute(key: "at", value: .word(Boundary.entryWord))
    case .after(let layer): .integer("layer", layer)
    }
  }

  /// A set of boundaries, ascending, that is left out when it is empty.
  static func boundaries(_ key: String, _ values: Set<Boundary>) -> [OpAttribute] {
    values.isEmpty ? [] : [OpAttribute(key: key, value: .words(values.sorted().map(\.word)))]
  }
}

extension Op {
  /// Its payload as text has it between braces, in the order printed.
  public var attributes: [OpAttribute] {
    switch self {
    case .input, .embed, .add, .firstRows, .segmentMean, .concat, .softmax, .pool, .keepSamples, .compact,
      .compactSegments, .classify:
      return []
    // `activation none` of a linear layer goes without saying.
    case .linear(let activation): return activation == .none ? [] : [.word("activation", activation)]
    case .activate(let activation), .gate(let activation): return [.word("activation", activation)]
    case .linearAddNorm(let epsilon), .layerNorm(let epsilon): return [.epsilon(epsilon)]
    case .rotate(let rotation): return rotation.attributes
    case .attention(let heads, let emits), .attentionQKV(let heads, let emits), .firstAttention(let heads, let emits):
      return [.integer("heads", heads)] + OpAttribute.words("emit", emits)
    case .relativeAttention(let relative, let emits):
      return [.integer("heads", relative.heads)] + relative.attributes + OpAttribute.words("emit", emits)
    case .bagLogits(let skip, let separator):
      let ids = OpAttribute(key: "skip", value: .words(skip.map { "\($0)" }))
      return [.integer("separator", Int(separator))] + (skip.isEmpty ? [] : [ids])
    case .rowNorm(let first, let count): return [.integer("first", first), .integer("count", count)]
    case .headMean(let first, let count, let heads):
      return [.integer("first", first), .integer("count", count), .integer("heads", heads)]
    case .decideExit(_, let boundary, let reads): return [.boundary(boundary)] + OpAttribute.words("reads", reads)
    case .decidePrune(_, let boundary, let reads, let afterExit, let rest):
      var attributes: [OpAttribute] = [.boundary(boundary)] + OpAttribute.words("reads", reads)
      if afterExit { attributes.append(OpAttribute(key: "after", value: .word("exit"))) }
      if rest != .dropped { attributes.append(.word("rest", rest)) }
      return attributes
    case .gradient(let op): return op.attributes
    }
  }
}

extension GradientOp {
  fileprivate var attributes: [OpAttribute] {
    switch self {
    case .scaleRows, .linearInputGradient, .linearWeightGradient, .embedGradient, .firstRowsGradient,
      .segmentMeanGradient, .compactGradient, .rowDot:
      []
    case .targets(let width), .features(let width): [.integer("width", width)]
    case .columns(let first, let count): [.integer("first", first), .integer("count", count)]
    case .dropout(let rate, let stream): OpAttribute.random(rate, stream)
    case .dropoutAttention(let heads, let rate, let stream, let emits):
      [.integer("heads", heads)] + OpAttribute.random(rate, stream) + OpAttribute.words("emit", emits)
    case .attentionGradient(let heads, let rate, let stream):
      [.integer("heads", heads)] + OpAttribute.random(rate, stream)
    case .softKeep(let layer, let temperature), .softKeepGradient(let layer, let temperature):
      [.integer("layer", layer), OpAttribute(key: "temperature", value: .float(temperature))]
    case .meanRowsPenalty(let scale), .crossEntropy(let scale), .crossEntropyGradient(let scale),
      .meanRowsPenaltyGradient(let scale):
      [OpAttribute(key: "scale", value: .float(scale))]
    case .activationGradient(let activation): [.word("activation", activation)]
    case .layerNormGradient(let epsilon): [.epsilon(epsilon)]
    }
  }
}
