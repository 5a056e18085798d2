// How many operations the nodes of training graphs take, counted as in Operations.swift.

extension Graph {
  /// Executed operations of a node of a training graph.
  func executedOperations(of op: GradientOp, _ node: Node) -> [CostTerm] {
    func rows(_ value: ValueID, _ perRow: Int) -> [CostTerm] {
      guard perRow > 0, let dim = self[value].type.rows.dim else { return [] }
      return [CostTerm(perRow, dim)]
    }
    func each(_ value: ValueID?, _ perElement: Int) -> [CostTerm] {
      value.map { rows($0, perElement * self[$0].type.columns) } ?? []
    }
    func product() -> Int {
      guard case .fixed(let columns) = self[node.weights[0]].type.rows else { return 0 }
      return 2 * columns * self[node.weights[0]].type.columns
    }
    let result = node.results.first
    switch op {
    case .targets, .features: return []
    case .columns, .scaleRows, .firstRowsGradient, .segmentMeanGradient, .compactGradient, .meanRowsPenaltyGradient:
      return each(result, 1)
    // A hash is ten operations, then a comparison and a multiplication.
    case .dropout: return each(result, 12)
    case .dropoutAttention(let heads, _, _, let emits):
      return attentionOperations(node, heads: heads, emits: emits) + pairs(node.inputs[0], 12 * heads)
    case .softKeep, .softKeepGradient: return each(result, 5)
    case .meanRowsPenalty: return rows(node.inputs[0], 1) + each(result, 2)
    case .crossEntropy: return each(node.inputs[0], Self.softmaxOperations + 2)
    case .crossEntropyGradient: return each(result, Self.softmaxOperations + 3)
    case .linearInputGradient: return result.map { rows($0, product()) } ?? []
    case .linearWeightGradient: return rows(node.inputs[1], product() + self[node.inputs[1]].type.columns)
    case .activationGradient(let activation): return each(result, 2 * activation.operations + 1)
    case .layerNormGradient: return each(result, 2 * Self.normOperations)
    case .attentionGradient(let heads, let rate, _):
      // Scores again, then the gradients of probabilities, values, queries and keys.
      let perHead = 1 + Self.softmaxOperations + 4 + (rate > 0 ? 12 : 0)
      return pairs(node.inputs[0], 10 * self[node.inputs[0]].type.columns + heads * perHead)
    case .embedGradient: return each(node.inputs.last, node.weights.count)
    case .rowDot: return each(node.inputs[0], 2)
    }
  }

  private func pairs(_ value: ValueID, _ perPair: Int) -> [CostTerm] {
    self[value].type.rows.dim.map { [CostTerm(perPair, $0, power: 2)] } ?? []
  }
}
