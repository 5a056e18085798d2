// The shape rules of the operations of training graphs: result types from operand types, with the constraints of
// GradientOp.swift.

extension GradientOp {
  func resultTypes(_ check: OperandCheck) throws(GraphError) -> [TensorType] {
    let inputs = check.inputs
    switch self {
    case .targets(let width), .features(let width):
      try check.counts(1, inputs: 0...0, weights: 0...0)
      try check.require(width > 0, 2, "the width is \(width), expected a positive number")
      return [TensorType(.f32, [.dim(.admittedSamples), .fixed(width)])]
    case .columns(let first, let count):
      try check.counts(1, inputs: 1...1, weights: 0...0)
      try check.matrix(inputs[0], "%x", 1)
      try check.columns(first, count, in: inputs[0].columns, 2)
      return [TensorType(.f32, [inputs[0].rows, .fixed(count)])]
    case .dropout(let rate, let stream):
      try check.counts(1, inputs: 1...1, weights: 0...0)
      try check.require(inputs[0].element == .f32, 1, "%x is \(inputs[0]), expected f32")
      try check.random(rate, stream, 2, 3)
      return [inputs[0]]
    case .dropoutAttention(let heads, let rate, let stream, let emits):
      try check.counts(1, inputs: 4...4, weights: 0...0)
      try check.same(inputs.prefix(3), "%q, %k, %v", 1)
      try check.tokenMatrix(inputs[0], "%q", 1)
      try check.require(emits.allSatisfy { $0 == .received }, 5, "only received is emitted")
      try check.random(rate, stream, 6, 6)
      return try check.attention(rows: inputs[0], width: inputs[0].columns, segments: inputs[3], heads, emits)
    case .softKeep(let layer, let temperature):
      try check.counts(1, inputs: 2...2, weights: 1...1)
      try check.tokenVector(inputs[0], "%score", 1)
      return [try check.softKeep(layer, temperature, segments: inputs[1], inputs[0])]
    case .scaleRows:
      try check.counts(1, inputs: 2...2, weights: 0...0)
      try check.matrix(inputs[0], "%x", 1)
      let vector = TensorType(.f32, [inputs[0].rows])
      try check.require(inputs[1] == vector, 2, "%m is \(inputs[1]), expected \(vector)")
      return [inputs[0]]
    case .meanRowsPenalty(let scale):
      try check.counts(1, inputs: 2...2, weights: 0...0)
      try check.tokenVector(inputs[0], "%m", 1)
      try check.finite(scale, 3)
      return [TensorType(.f32, [.dim(try check.segments(inputs[1], 2)), .fixed(1)])]
    case .crossEntropy(let scale): return [TensorType(.f32, [try check.crossEntropy(scale).rows, .fixed(1)])]
    case .crossEntropyGradient(let scale): return [try check.crossEntropy(scale)]
    case .linearInputGradient, .linearWeightGradient, .activationGradient, .layerNormGradient, .attentionGradient,
      .embedGradient, .firstRowsGradient, .segmentMeanGradient, .compactGradient, .rowDot, .softKeepGradient,
      .meanRowsPenaltyGradient:
      return try backwardTypes(check)
    }
  }

  private func backwardTypes(_ check: OperandCheck) throws(GraphError) -> [TensorType] {
    let (inputs, weights) = (check.inputs, check.weights)
    switch self {
    case .linearInputGradient:
      try check.counts(1, inputs: 1...1, weights: 1...1)
      try check.matrix(inputs[0], "%dy", 1)
      let depth = weights[0].columns
      try check.linearWeight(columns: inputs[0].columns, depth: depth, 2)
      return [TensorType(.f32, [inputs[0].rows, .fixed(depth)])]
    case .linearWeightGradient:
      try check.counts(1, inputs: 2...2, weights: 2...2)
      for (type, name) in zip(inputs, ["%x", "%dy"]) { try check.matrix(type, name, 1) }
      try check.require(inputs[0].rows == inputs[1].rows, 1, "rows are \(inputs[0].rows) and \(inputs[1].rows)")
      try check.linearWeight(columns: inputs[1].columns, depth: inputs[0].columns, 2)
      let bias = TensorType(.f32, [.fixed(inputs[1].columns)])
      try check.require(weights[1] == bias, 3, "#b is \(weights[1]), expected \(bias)")
      return []
    case .activationGradient:
      try check.counts(1, inputs: 2...2, weights: 0...0)
      try check.same(inputs[...], "%x, %dy", 1)
      return [inputs[0]]
    case .layerNormGradient(let epsilon):
      try check.counts(1, inputs: 2...2, weights: 1...2)
      try check.same(inputs[...], "%x, %dy", 1)
      try check.matrix(inputs[0], "%x", 1)
      try check.normWeights(weights[0], weights[weights.count - 1], width: inputs[0].columns, constraint: 2)
      try check.positive(epsilon, 3)
      return [inputs[0]]
    case .attentionGradient(let heads, let rate, let stream):
      try check.counts(1, inputs: 5...6, weights: 0...0)
      try check.same(inputs.prefix(3) + [inputs[4]], "%q, %k, %v, %dy", 1)
      try check.tokenMatrix(inputs[0], "%q", 1)
      let vector = TensorType(.f32, [inputs[0].rows])
      try check.require(inputs.count == 5 || inputs[5] == vector, 4, "%dreceived is not \(vector)")
      try check.random(rate, stream, 5, 5)
      let result = try check.attention(rows: inputs[0], width: inputs[0].columns, segments: inputs[3], heads, [])
      return Array(repeating: result[0], count: 3)
    case .embedGradient: return try check.embedGradient()
    case .firstRowsGradient, .segmentMeanGradient:
      try check.counts(1, inputs: 3...3, weights: 0...0)
      let samples = try check.segments(inputs[1], 2)
      try check.matrix(inputs[0], "%dy", 1)
      try check.require(inputs[0].rows == .dim(samples), 1, "%dy is \(inputs[0]), expected f32[\(samples), N]")
      return [TensorType(.f32, [.dim(try check.tokens(inputs[2], 3)), .fixed(inputs[0].columns)])]
    case .compactGradient:
      try check.counts(1, inputs: 3...3, weights: 0...0)
      guard inputs[0].element == .f32, case .dim(let kept) = inputs[0].rows, case .dim(let source) = inputs[2].rows
      else { throw check.error(1, "%dy is \(inputs[0]), %rows \(inputs[2]), expected f32 and dims as rows") }
      let index = try check.index(inputs[1], source.family, "%index", 2)
      try check.require(index == kept, 1, "%dy has \(kept) rows, %index \(index)")
      return [TensorType(.f32, [.dim(source)] + inputs[0].extents.dropFirst())]
    case .rowDot:
      try check.counts(1, inputs: 2...2, weights: 0...0)
      try check.same(inputs[...], "%x, %dy", 1)
      try check.matrix(inputs[0], "%x", 1)
      return [TensorType(.f32, [inputs[0].rows])]
    case .softKeepGradient(let layer, let temperature):
      try check.counts(1, inputs: 3...3, weights: 0...1)
      try check.same(inputs.prefix(2), "%m, %dm", 1)
      try check.tokenVector(inputs[0], "%m", 1)
      return [try check.softKeep(layer, temperature, segments: inputs[2], inputs[0])]
    case .meanRowsPenaltyGradient(let scale):
      try check.counts(1, inputs: 2...2, weights: 0...0)
      _ = try check.segments(inputs[0], 1)
      try check.finite(scale, 3)
      return [TensorType(.f32, [.dim(try check.tokens(inputs[1], 2))])]
    case .targets, .features, .columns, .dropout, .dropoutAttention, .softKeep, .scaleRows, .meanRowsPenalty,
      .crossEntropy, .crossEntropyGradient:
      return []
    }
  }
}

extension OperandCheck {
  fileprivate func same(_ types: ArraySlice<TensorType>, _ names: String, _ constraint: Int) throws(GraphError) {
    try require(
      types.allSatisfy { $0 == types.first && $0.element == .f32 }, constraint,
      "\(names) are \(types.map(\.description).joined(separator: ", ")), expected one f32 type")
  }

  fileprivate func tokenVector(_ type: TensorType, _ name: String, _ constraint: Int) throws(GraphError) {
    let fits = type.element == .f32 && type.extents.count == 1 && type.rows == type.rows.dim.map { .dim($0) }
    try require(fits && type.rows.dim?.family == .tokens, constraint, "\(name) is \(type), expected f32[T]")
  }

  /// The token dim that a value has as rows.
  fileprivate func tokens(_ type: TensorType, _ constraint: Int) throws(GraphError) -> Dim {
    guard case .dim(let dim) = type.rows, dim.family == .tokens else {
      throw error(constraint, "%rows is \(type), expected T rows")
    }
    return dim
  }

  fileprivate func finite(_ scale: Float, _ constraint: Int) throws(GraphError) {
    try require(scale.isFinite, constraint, "scale is \(scale), expected a finite number")
  }

  fileprivate func random(_ rate: Float, _ stream: Int, _ rateConstraint: Int, _ streamConstraint: Int)
    throws(GraphError)
  {
    try require(rate >= 0 && rate < 1, rateConstraint, "rate is \(rate), expected at least 0 and below 1")
    try require(stream >= 0, streamConstraint, "stream is \(stream), expected a number that is not negative")
  }

  fileprivate func linearWeight(columns: Int, depth: Int, _ constraint: Int) throws(GraphError) {
    let matrix = TensorType(.f32, [.fixed(columns), .fixed(depth)])
    try require(weights[0] == matrix, constraint, "#w is \(weights[0]), expected \(matrix)")
  }

  fileprivate func crossEntropy(_ scale: Float) throws(GraphError) -> TensorType {
    try counts(1, inputs: 2...2, weights: 0...0)
    try same(inputs[...], "%logits, %targets", 1)
    try matrix(inputs[0], "%logits", 1)
    try finite(scale, 2)
    return inputs[0]
  }

  fileprivate func softKeep(_ layer: Int, _ temperature: Float, segments type: TensorType, _ result: TensorType)
    throws(GraphError) -> TensorType
  {
    _ = try segments(type, 2)
    for thresholds in weights {
      guard thresholds.element == .f32, thresholds.extents.count == 1, case .fixed(let count) = thresholds.rows,
        (0..<count).contains(layer)
      else { throw error(3, "#thresholds is \(thresholds), expected f32[N] with N above layer \(layer)") }
    }
    try require(temperature > 0 && temperature.isFinite, 4, "temperature is \(temperature), expected a positive number")
    return result
  }

  fileprivate func embedGradient() throws(GraphError) -> [TensorType] {
    try counts(1, inputs: 2...4, weights: 1...3)
    let (indices, dy) = (inputs.dropLast(), inputs[inputs.count - 1])
    try tokenMatrix(dy, "%dy", 2)
    let index = TensorType(.i32, [dy.rows])
    try require(
      indices.count == weights.count && indices.allSatisfy { $0 == index }, 1,
      "index operands are \(indices.map(\.description)), expected \(weights.count) of \(index)")
    try require(
      weights.allSatisfy {
        $0.element == .f32 && $0.extents.count == 2 && $0.columns == dy.columns && $0.rows.dim == nil
      }, 2, "tables are \(weights.map(\.description)), expected f32[_, \(dy.columns)]")
    return []
  }
}
