// From mnemonic and attributes to a `GradientOp`: the reading half of OpAttribute.swift, exhaustive over the
// mnemonics.

extension Parser {
  mutating func parseGradientOperation(
    _ mnemonic: GradientMnemonic, at start: Token
  ) throws(ParseError) -> ParsedOperation {
    let operands = try parseOperands()
    var attributes = try parseAttributes(of: mnemonic.rawValue, at: start)
    let op = try makeOp(mnemonic, &attributes)
    try attributes.finish(self)
    return ParsedOperation(
      op: .gradient(op), mnemonic: mnemonic.rawValue, inputs: operands.inputs, weights: operands.weights)
  }

  private func makeOp(
    _ mnemonic: GradientMnemonic, _ attributes: inout AttributeReader
  ) throws(ParseError) -> GradientOp {
    func integer(_ key: String) throws(ParseError) -> Int { try attributes.integer(key, self) }
    func float(_ key: String) throws(ParseError) -> Float { try attributes.float(key, self) }
    switch mnemonic {
    case .targets: return .targets(width: try integer("width"))
    case .features: return .features(width: try integer("width"))
    case .columns: return .columns(first: try integer("first"), count: try integer("count"))
    case .dropout: return .dropout(rate: try float("rate"), stream: try integer("stream"))
    case .dropoutAttention:
      return .dropoutAttention(
        heads: try integer("heads"), rate: try float("rate"), stream: try integer("stream"),
        emits: try attributes.words("emit", self))
    case .softKeep: return .softKeep(layer: try integer("layer"), temperature: try float("temperature"))
    case .scaleRows: return .scaleRows
    case .meanRowsPenalty: return .meanRowsPenalty(scale: try float("scale"))
    case .crossEntropy: return .crossEntropy(scale: try float("scale"))
    case .linearInputGradient: return .linearInputGradient
    case .linearWeightGradient: return .linearWeightGradient
    case .activationGradient: return .activationGradient(try attributes.word("activation", self))
    case .layerNormGradient: return .layerNormGradient(epsilon: try float("epsilon"))
    case .attentionGradient:
      return .attentionGradient(heads: try integer("heads"), rate: try float("rate"), stream: try integer("stream"))
    case .embedGradient: return .embedGradient
    case .firstRowsGradient: return .firstRowsGradient
    case .segmentMeanGradient: return .segmentMeanGradient
    case .compactGradient: return .compactGradient
    case .crossEntropyGradient: return .crossEntropyGradient(scale: try float("scale"))
    case .rowDot: return .rowDot
    case .softKeepGradient: return .softKeepGradient(layer: try integer("layer"), temperature: try float("temperature"))
    case .meanRowsPenaltyGradient: return .meanRowsPenaltyGradient(scale: try float("scale"))
    }
  }
}
