// Result types from operand types: the one place where constraints (C1)... of Op.swift are checked, used by the builder
// and by the verifier alike.

/// A broken rule, with the constraint that it breaks.
public struct GraphError: Error, Equatable, CustomStringConvertible {
  /// One line: `linear C2: #w is f32[384, 768], expected f32[_, 384]`.
  public let description: String
}

extension Op {
  /// The types of the results, in order. `newDim` is the dim that a dim-defining operation defines.
  /// Throws the constraint that the operands break.
  public func resultTypes(
    inputs: [TensorType], weights: [TensorType], newDim: Dim?
  ) throws(GraphError) -> [TensorType] {
    let check = OperandCheck(op: self, inputs: inputs, weights: weights)
    switch self {
    case .input(let kind):
      try check.counts(1, inputs: 0...0, weights: 0...0)
      return [kind.type]
    case .embed: return [try check.embed()]
    case .linear:
      try check.counts(1, inputs: 1...1, weights: 2...2)
      return [try check.linear()]
    case .linearAddNorm(let epsilon):
      try check.counts(1, inputs: 2...2, weights: 4...4)
      let type = try check.linear()
      try check.require(inputs[1] == type, 2, "%residual is \(inputs[1]), expected \(type)")
      try check.normWeights(weights[2], weights[3], width: type.columns, constraint: 3)
      try check.positive(epsilon, 4)
      return [type]
    case .activate:
      try check.counts(1, inputs: 1...1, weights: 0...0)
      try check.require(inputs[0].element == .f32, 1, "%x is \(inputs[0]), expected f32")
      return [inputs[0]]
    case .gate: return [try check.gate()]
    case .rotate(let rotation): return [try check.rotate(rotation)]
    case .add:
      try check.counts(1, inputs: 2...2, weights: 0...0)
      try check.require(
        inputs[0] == inputs[1] && inputs[0].element == .f32, 1, "operands are \(inputs[0]) and \(inputs[1])")
      return [inputs[0]]
    case .layerNorm(let epsilon):
      try check.counts(1, inputs: 1...1, weights: 2...2)
      try check.matrix(inputs[0], "%x", 1)
      try check.normWeights(weights[0], weights[1], width: inputs[0].columns, constraint: 2)
      try check.positive(epsilon, 3)
      return [inputs[0]]
    case .attention(let heads, let emits):
      try check.counts(1, inputs: 4...5, weights: 0...0)
      try check.tokenMatrix(inputs[0], "%q", 1)
      try check.require(
        inputs[0] == inputs[1] && inputs[1] == inputs[2], 1,
        "%q, %k, %v are \(inputs[0]), \(inputs[1]), \(inputs[2]), expected one type")
      try check.sizes(inputs.dropFirst(4), of: inputs[0], 5)
      return try check.attention(rows: inputs[0], width: inputs[0].columns, segments: inputs[3], heads, emits)
    case .attentionQKV(let heads, let emits):
      try check.counts(1, inputs: 2...3, weights: 0...0)
      try check.tokenMatrix(inputs[0], "%qkv", 1)
      try check.require(inputs[0].columns % 3 == 0, 1, "%qkv is \(inputs[0]), expected three equal blocks")
      try check.sizes(inputs.dropFirst(2), of: inputs[0], 5)
      return try check.attention(rows: inputs[0], width: inputs[0].columns / 3, segments: inputs[1], heads, emits)
    case .firstAttention(let heads, let emits): return try check.firstAttention(heads, emits)
    case .relativeAttention(let relative, let emits): return try check.relativeAttention(relative, emits)
    case .firstRows, .segmentMean:
      try check.counts(1, inputs: 2...2, weights: 0...0)
      try check.tokenMatrix(inputs[0], "%x", 1)
      let samples = try check.segments(inputs[1], 2)
      return [TensorType(.f32, [.dim(samples), .fixed(inputs[0].columns)])]
    case .concat:
      try check.counts(1, inputs: 2...2, weights: 0...0)
      try check.matrix(inputs[0], "%a", 1)
      try check.matrix(inputs[1], "%b", 1)
      try check.require(
        inputs[0].rows == inputs[1].rows, 1, "%a has \(inputs[0].rows) rows and %b \(inputs[1].rows), expected as many")
      // Sizes of values are small (rule 2), but the sum of two is checked where types are.
      let columns = inputs[0].columns.addingReportingOverflow(inputs[1].columns)
      try check.require(!columns.overflow, 1, "%a and %b are too wide")
      return [TensorType(.f32, [inputs[0].rows, .fixed(columns.partialValue)])]
    case .bagLogits(let skip, let separator): return [try check.bagLogits(skip, separator)]
    case .softmax:
      try check.counts(1, inputs: 1...1, weights: 0...0)
      try check.matrix(inputs[0], "%x", 1)
      return [inputs[0]]
    case .rowNorm(let first, let count):
      try check.counts(1, inputs: 1...1, weights: 0...0)
      try check.tokenMatrix(inputs[0], "%x", 1)
      try check.columns(first, count, in: inputs[0].columns, 2)
      return [TensorType(.f32, [inputs[0].rows])]
    case .headMean(let first, let count, let heads):
      try check.counts(1, inputs: 1...1, weights: 0...0)
      try check.tokenMatrix(inputs[0], "%x", 1)
      try check.columns(first, count, in: inputs[0].columns, 2)
      try check.require(heads > 0 && count % heads == 0, 3, "\(heads) heads do not divide \(count)")
      return [TensorType(.f32, [inputs[0].rows, .fixed(count / heads)])]
    case .decideExit: return [try check.decideExit(newDim)]
    case .decidePrune(_, _, _, let afterExit, _):
      return try check.decidePrune(leading: afterExit ? 2 : 1, newDim)
    case .pool: return [try check.pool()]
    case .keepSamples:
      try check.counts(1, inputs: 2...2, weights: 0...0)
      _ = try check.segments(inputs[0], 1)
      _ = try check.index(inputs[1], .samples, "%stay", 2)
      return [try check.indexType(newDim, .tokens, 3)]
    case .compact:
      try check.counts(1, inputs: 2...2, weights: 0...0)
      guard case .dim(let source) = inputs[0].rows else {
        throw check.error(1, "%x is \(inputs[0]), expected a dim as rows")
      }
      let dim = try check.index(inputs[1], source.family, "%index", 2)
      return [TensorType(inputs[0].element, [.dim(dim)] + inputs[0].extents.dropFirst())]
    case .compactSegments:
      try check.counts(1, inputs: 2...3, weights: 0...0)
      let samples = try check.segments(inputs[0], 1)
      _ = try check.index(inputs[1], .tokens, "%keep", 2)
      let left = inputs.count == 3 ? try check.index(inputs[2], .samples, "%stay", 3) : samples
      return [TensorType(.i32, [.dimPlusOne(left)])]
    case .classify:
      try check.counts(1, inputs: 2...2, weights: 0...0)
      let samples = try check.index(inputs[0], .samples, "%samples", 1)
      try check.require(
        inputs[1].element == .f32 && inputs[1].extents.count == 2 && inputs[1].rows == .dim(samples), 2,
        "%logits is \(inputs[1]), expected f32[\(samples), C]")
      return []
    case .gradient(let op): return try op.resultTypes(check)
    }
  }
}

extension InputKind {
  /// The type that the batch brings.
  public var type: TensorType {
    switch self {
    case .tokenIDs, .positions, .typeIDs: TensorType(.i32, [.dim(.admittedTokens)])
    case .segments: TensorType(.i32, [.dimPlusOne(.admittedSamples)])
    case .samples: TensorType(.i32, [.dim(.admittedSamples)])
    }
  }
}
