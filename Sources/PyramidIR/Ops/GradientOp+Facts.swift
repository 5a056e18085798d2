// The facts of the operations of training graphs, one exhaustive switch as for the others. Operands may be written over
// only where the kernel reads an element before it writes it and adds nothing to weights from the same operands.

extension GradientOp {
  /// The operation's facts.
  var facts: OpFacts {
    switch self {
    case .targets: return OpFacts(.source, .targets, hasKernel: false)
    case .features: return OpFacts(.source, .features, hasKernel: false)
    case .columns: return OpFacts(.forward, .columns, hasKernel: false)
    case .dropout: return OpFacts(.forward, .dropout, replaces: 0..<1)
    case .dropoutAttention(let heads, _, _, let emits):
      var facts = OpFacts(.forward, .dropoutAttention)
      facts.attention = OpFacts.Attention(heads: heads, emits: emits, tokens: 0, segments: 3)
      return facts
    case .softKeep: return OpFacts(.forward, .softKeep, replaces: 0..<1, hasKernel: false)
    case .scaleRows: return OpFacts(.forward, .scaleRows, replaces: 0..<1, hasKernel: false)
    case .meanRowsPenalty: return OpFacts(.loss, .meanRowsPenalty, hasKernel: false)
    case .crossEntropy: return OpFacts(.loss, .crossEntropy, hasKernel: false)
    case .linearInputGradient: return OpFacts(.backward, .linearInputGradient, roundsFactors: true)
    case .linearWeightGradient: return OpFacts(.backward, .linearWeightGradient, adds: true, roundsFactors: true)
    case .activationGradient: return OpFacts(.backward, .activationGradient, replaces: 0..<2)
    case .layerNormGradient: return OpFacts(.backward, .layerNormGradient, adds: true)
    case .attentionGradient: return OpFacts(.backward, .attentionGradient)
    case .embedGradient: return OpFacts(.backward, .embedGradient, adds: true, hasKernel: false)
    case .firstRowsGradient: return OpFacts(.backward, .firstRowsGradient, hasKernel: false)
    case .segmentMeanGradient: return OpFacts(.backward, .segmentMeanGradient, hasKernel: false)
    case .compactGradient: return OpFacts(.backward, .compactGradient, hasKernel: false)
    case .crossEntropyGradient: return OpFacts(.backward, .crossEntropyGradient, replaces: 0..<1, hasKernel: false)
    case .rowDot: return OpFacts(.backward, .rowDot, hasKernel: false)
    case .softKeepGradient: return OpFacts(.backward, .softKeepGradient, adds: true, hasKernel: false)
    case .meanRowsPenaltyGradient: return OpFacts(.backward, .meanRowsPenaltyGradient, hasKernel: false)
    }
  }
}

extension OpFacts {
  fileprivate init(
    _ role: TrainingRole, _ mnemonic: GradientMnemonic, replaces replaceable: Range<Int> = 0..<0, adds: Bool = false,
    hasKernel: Bool = true, roundsFactors: Bool = false
  ) {
    self.init(mnemonic.rawValue)
    (training, self.replaceable, self.hasKernel, self.roundsFactors) = (role, replaceable, hasKernel, roundsFactors)
    hasEffect = adds || role == .loss
  }
}
