// What each operation's gradient is: one exhaustive switch over the operations of any graph and one over those of
// training graphs. Effects on weights come before the gradient by the input, after which dy is often read no more.

import PyramidIR

extension Differentiation {
  /// Appends the backward nodes of a node.
  mutating func differentiate(_ node: Node) throws {
    // A value that no loss depends on has no gradient to hand on.
    let facts = node.op.facts
    if facts.training != .loss, !node.results.indices.contains(where: { gradient(node, $0) != nil }) { return }
    guard facts.hasGradient else { throw failure(node, "has no gradient") }
    switch node.op {
    case .gradient(let op): try differentiate(op, node)
    case .embed: try addEmbedGradient(node)
    case .linear: try addLinearGradient(node)
    case .activate(let activation):
      let (dy, x) = (gradient(node)!, node.inputs[0])
      if activation == .none { return try add(dy, to: x) }
      try add(.gradient(.activationGradient(activation)), [x, dy], to: x)
    case .add: for input in node.inputs { try add(gradient(node)!, to: input) }
    case .layerNorm(let epsilon):
      let op = Op.gradient(.layerNormGradient(epsilon: epsilon))
      let inputs = [node.inputs[0], gradient(node)!]
      if isTrained(node) {
        try add(builder.add(op, inputs, node.weights, name: name(node.inputs[0])), to: node.inputs[0])
      } else {
        try add(op, inputs, [node.weights[0]], to: node.inputs[0])
      }
    case .attention(let heads, let emits): try addAttentionGradient(node, heads: heads, rate: 0, stream: 0, emits)
    case .firstRows:
      let x = node.inputs[0]
      try add(.gradient(.firstRowsGradient), [gradient(node)!, node.inputs[1], rows(like: x)], to: x)
    case .segmentMean:
      let x = node.inputs[0]
      try add(.gradient(.segmentMeanGradient), [gradient(node)!, node.inputs[1], rows(like: x)], to: x)
    case .concat:
      var first = 0
      for input in node.inputs {
        let count = builder.graph[input].type.columns
        try add(.gradient(.columns(first: first, count: count)), [gradient(node)!], to: input)
        first += count
      }
    case .compact:
      let x = node.inputs[0]
      try add(.gradient(.compactGradient), [gradient(node)!, node.inputs[1], rows(like: x)], to: x)
    case .linearAddNorm, .attentionQKV, .firstAttention:
      throw failure(node, "has no gradient; graphs that train have nothing fused")
    // Constants and decisions; and those without a gradient, which were refused.
    case .softmax, .input, .decideExit, .decidePrune, .keepSamples, .compactSegments, .classify, .gate, .rotate,
      .relativeAttention, .rowNorm, .headMean, .pool, .bagLogits:
      break
    }
  }

  private mutating func differentiate(_ op: GradientOp, _ node: Node) throws {
    switch op {
    case .dropout: try add(node.op, [gradient(node)!], to: node.inputs[0])
    case .dropoutAttention(let heads, let rate, let stream, let emits):
      try addAttentionGradient(node, heads: heads, rate: rate, stream: stream, emits)
    case .softKeep(let layer, let temperature):
      let op = Op.gradient(.softKeepGradient(layer: layer, temperature: temperature))
      let inputs = [node.results[0], gradient(node)!, node.inputs[1]]
      if isTrained(node) {
        try add(builder.add(op, inputs, node.weights, name: name(node.inputs[0])), to: node.inputs[0])
      } else {
        try add(op, inputs, to: node.inputs[0])
      }
    case .scaleRows:
      let (x, m, dy) = (node.inputs[0], node.inputs[1], gradient(node)!)
      try add(.gradient(.rowDot), [x, dy], to: m)
      try add(.gradient(.scaleRows), [dy, m], to: x)
    case .meanRowsPenalty(let scale):
      let m = node.inputs[0]
      try add(.gradient(.meanRowsPenaltyGradient(scale: scale)), [node.inputs[1], rows(like: m)], to: m)
    case .crossEntropy(let scale):
      try add(.gradient(.crossEntropyGradient(scale: scale)), node.inputs, to: node.inputs[0])
    case .columns: throw failure(node, "has no gradient")
    case .targets, .features: break
    case .linearInputGradient, .linearWeightGradient, .activationGradient, .layerNormGradient, .attentionGradient,
      .embedGradient, .firstRowsGradient, .segmentMeanGradient, .compactGradient, .crossEntropyGradient, .rowDot,
      .softKeepGradient, .meanRowsPenaltyGradient:
      throw failure(node, "is a gradient already")
    }
  }

  private mutating func addEmbedGradient(_ node: Node) throws {
    let places = node.weights.indices.filter { isTrained(node.weights[$0]) }
    let tables = places.map { node.weights[$0] }
    try builder.addAll(.gradient(.embedGradient), places.map { node.inputs[$0] } + [gradient(node)!], tables, names: [])
  }

  private mutating func addLinearGradient(_ node: Node) throws {
    let (x, dy) = (node.inputs[0], gradient(node)!)
    if isTrained(node) { try builder.addAll(.gradient(.linearWeightGradient), [x, dy], node.weights, names: []) }
    try add(.gradient(.linearInputGradient), [dy], [node.weights[0]], to: x)
  }

  private mutating func addAttentionGradient(
    _ node: Node, heads: Int, rate: Float, stream: Int, _ emits: [Emission]
  ) throws {
    guard let dy = gradient(node) else { throw failure(node, "only its scores have a gradient, which is not built") }
    var inputs = node.inputs + [dy]
    for (place, emission) in emits.enumerated() {
      guard let gradient = gradient(node, place + 1) else { continue }
      switch emission {
      case .received: inputs.append(gradient)
      case .fromFirst, .fromOthers: throw failure(node, "\(emission.rawValue) has no gradient")
      }
    }
    let made = try builder.addAll(
      .gradient(.attentionGradient(heads: heads, rate: rate, stream: stream)), inputs,
      names: node.inputs.prefix(3).map(name))
    for (value, gradient) in zip(node.inputs, made) { try add(gradient, to: value) }
  }
}
