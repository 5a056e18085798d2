// The facts of the operations of training graphs, one exhaustive switch as for the others. Operands may be written over
// only where the kernel reads an element before it writes it and adds nothing to weights from the same operands.

extension GradientOp {
  /// The operation's facts.
  var facts: OpFacts {
    switch self {
    case .targets(let width): return OpFacts(.source, .targets, [.integer("width", width)], hasKernel: false)
    case .features(let width): return OpFacts(.source, .features, [.integer("width", width)], hasKernel: false)
    case .columns(let first, let count):
      return OpFacts(.forward, .columns, [.integer("first", first), .integer("count", count)], hasKernel: false)
    case .dropout(let rate, let stream):
      return OpFacts(.forward, .dropout, OpAttribute.random(rate, stream), replaces: 0..<1)
    case .dropoutAttention(let heads, let rate, let stream, let emits):
      var facts = OpFacts(
        .forward, .dropoutAttention,
        [.integer("heads", heads)] + OpAttribute.random(rate, stream) + OpAttribute.words("emit", emits))
      facts.attention = OpFacts.Attention(heads: heads, emits: emits, tokens: 0, segments: 3)
      return facts
    case .softKeep(let layer, let temperature):
      return OpFacts(
        .forward, .softKeep, [.integer("layer", layer), .temperature(temperature)], replaces: 0..<1, hasKernel: false)
    case .scaleRows: return OpFacts(.forward, .scaleRows, replaces: 0..<1, hasKernel: false)
    case .meanRowsPenalty(let scale): return OpFacts(.loss, .meanRowsPenalty, [.scale(scale)], hasKernel: false)
    case .crossEntropy(let scale): return OpFacts(.loss, .crossEntropy, [.scale(scale)], hasKernel: false)
    case .linearInputGradient: return OpFacts(.backward, .linearInputGradient, roundsFactors: true)
    case .linearWeightGradient:
      return OpFacts(.backward, .linearWeightGradient, adds: true, roundsFactors: true)
    case .activationGradient(let activation):
      return OpFacts(.backward, .activationGradient, [.activation(activation)], replaces: 0..<2)
    case .layerNormGradient(let epsilon):
      return OpFacts(.backward, .layerNormGradient, [.epsilon(epsilon)], adds: true)
    case .attentionGradient(let heads, let rate, let stream):
      return OpFacts(
        .backward, .attentionGradient, [.integer("heads", heads)] + OpAttribute.random(rate, stream))
    case .embedGradient: return OpFacts(.backward, .embedGradient, adds: true, hasKernel: false)
    case .firstRowsGradient: return OpFacts(.backward, .firstRowsGradient, hasKernel: false)
    case .segmentMeanGradient: return OpFacts(.backward, .segmentMeanGradient, hasKernel: false)
    case .compactGradient: return OpFacts(.backward, .compactGradient, hasKernel: false)
    case .crossEntropyGradient(let scale):
      return OpFacts(.backward, .crossEntropyGradient, [.scale(scale)], replaces: 0..<1, hasKernel: false)
    case .rowDot: return OpFacts(.backward, .rowDot, hasKernel: false)
    case .softKeepGradient(let layer, let temperature):
      return OpFacts(
        .backward, .softKeepGradient, [.integer("layer", layer), .temperature(temperature)], adds: true,
        hasKernel: false)
    case .meanRowsPenaltyGradient(let scale):
      return OpFacts(.backward, .meanRowsPenaltyGradient, [.scale(scale)], hasKernel: false)
    }
  }
}

extension OpFacts {
  fileprivate init(
    _ role: TrainingRole, _ mnemonic: GradientMnemonic, _ attributes: [OpAttribute] = [],
    replaces replaceable: Range<Int> = 0..<0, adds: Bool = false, hasKernel: Bool = true, roundsFactors: Bool = false
  ) {
    self.init(mnemonic.rawValue, attributes)
    (training, self.replaceable, self.hasKernel, self.roundsFactors) = (role, replaceable, hasKernel, roundsFactors)
    hasEffect = adds || role == .loss
  }
}

extension OpAttribute {
  fileprivate static func scale(_ value: Float) -> OpAttribute { OpAttribute(key: "scale", value: .float(value)) }
  fileprivate static func temperature(_ value: Float) -> OpAttribute {
    OpAttribute(key: "temperature", value: .float(value))
  }
  fileprivate static func random(_ rate: Float, _ stream: Int) -> [OpAttribute] {
    [OpAttribute(key: "rate", value: .float(rate)), .integer("stream", stream)]
  }
}
