// Rule 8 of Verifier.swift. Types say how many rows a value has but not what its numbers mean: i32[B1 + 1] are offsets
// into *some* token dim, i32[T1] may be a selection or compacted token ids. This file follows those meanings through
// the graph, because a wrong one reads rows of other samples without breaking any shape.

/// What the numbers of an i32 value mean.
enum RowFact: Equatable {
  /// Offsets of the samples in the rows of a token dim.
  case offsets(into: Dim)
  /// Numbers of the samples in the batch.
  case samples
  /// Indices into the rows of `source`; `within` is the selection of samples that the rows were limited to. Where rows
  /// are fused, some are -1.
  case selection(source: Dim, within: ValueID?, isFused: Bool = false)
  /// Places of the tokens in their texts, ascending within each sample.
  case positions
  /// Rows that the rows of a value go into, by the decision that made the selection `keep`.
  case targets(keep: ValueID)
}

extension Verifier {
  /// Checks and propagates the meanings through a node whose types are right.
  mutating func checkRows(of node: Node, at index: Int) {
    switch node.op {
    case .input(.segments): rowFacts[node.results[0].index] = .offsets(into: .admittedTokens)
    case .input(.samples): rowFacts[node.results[0].index] = .samples
    case .input(.positions): rowFacts[node.results[0].index] = .positions
    case .attention: expectTokens(of: node, 3, count: [0], 2, at: index)
    case .attentionQKV, .firstRows, .segmentMean: expectTokens(of: node, 1, count: [0], 2, at: index)
    case .firstAttention: expectTokens(of: node, 2, count: [1], 2, at: index)
    case .relativeAttention(let relative, _):
      expectTokens(of: node, relative.positions + 1, count: [relative.positions], 2, at: index)
      checkPositions(of: node, relative.positions, 6, at: index)
    case .rotate: checkPositions(of: node, 1, 2, at: index)
    case .bagLogits: expectTokens(of: node, 1, count: [0], 2, at: index)
    case .decideExit: checkDecideExit(node, at: index)
    case .decidePrune:
      guard let decision = PruneDecision(node.op, Array(node.inputs.indices)) else { return }
      checkSelectTokens(
        node, stay: decision.stay, signals: decision.signals.map(\.operand) + (decision.sizes.map { [$0] } ?? []),
        isFused: decision.rest == .fused, at: index)
      if node.results.count > 1 { rowFacts[node.results[1].index] = .targets(keep: node.results[0]) }
    case .pool:
      if rowFacts[node.inputs[1].index] != .targets(keep: node.inputs[3]) {
        let names = node.inputs.map(name)
        violation(node, 3, "\(names[1]) is not of the decision that made \(names[3])", at: index)
      }
    case .keepSamples: checkSelectTokens(node, stay: 1, signals: [], at: index)
    case .compact: checkCompact(node, at: index)
    case .compactSegments: checkCompactSegments(node, at: index)
    case .classify: expectSamples(of: node, at: index)
    case .gradient(let op): checkRows(of: op, node, at: index)
    case .input, .embed, .linear, .linearAddNorm, .activate, .gate, .add, .layerNorm, .concat, .softmax, .rowNorm,
      .headMean:
      break
    }
  }

  private mutating func checkRows(of op: GradientOp, _ node: Node, at index: Int) {
    switch op {
    case .dropoutAttention, .attentionGradient: expectTokens(of: node, 3, count: [0], 2, at: index)
    case .softKeep, .meanRowsPenalty: expectTokens(of: node, 1, count: [0], 2, at: index)
    case .firstRowsGradient, .segmentMeanGradient: expectTokens(of: node, 1, count: [2], 2, at: index)
    case .softKeepGradient: expectTokens(of: node, 2, count: [0], 2, at: index)
    case .meanRowsPenaltyGradient: expectTokens(of: node, 0, count: [1], 1, at: index)
    case .compactGradient: _ = expectSelection(of: node, 1, from: dim(node.inputs[2]), 2, at: index)
    case .targets, .features, .columns, .dropout, .scaleRows, .crossEntropy, .linearInputGradient,
      .linearWeightGradient, .activationGradient, .layerNormGradient, .embedGradient, .crossEntropyGradient, .rowDot:
      break
    }
  }

  private func dim(_ value: ValueID) -> Dim? { graph[value].type.rows.dim }

  private mutating func violation(_ node: Node, _ constraint: Int, _ problem: String, at index: Int) {
    report(.node(index), "\(node.op.mnemonic) C\(constraint): \(problem)")
  }

  private mutating func checkPositions(of node: Node, _ operand: Int, _ constraint: Int, at index: Int) {
    if rowFacts[node.inputs[operand].index] == .positions { return }
    violation(node, constraint, "\(name(node.inputs[operand])) holds no positions of single tokens", at: index)
  }

  /// The token dim that a node's %segments counts, having compared the rows of `operands` with it.
  @discardableResult
  private mutating func expectTokens(
    of node: Node, _ segments: Int, count operands: [Int], _ constraint: Int, at index: Int
  ) -> Dim? {
    guard case .offsets(let tokens) = rowFacts[node.inputs[segments].index] else {
      violation(node, constraint, "\(name(node.inputs[segments])) holds no offsets of samples", at: index)
      return nil
    }
    for operand in operands where dim(node.inputs[operand]) != tokens {
      let rows = graph[node.inputs[operand]].type.rows
      violation(
        node, constraint,
        "\(name(node.inputs[segments])) counts \(tokens), but \(name(node.inputs[operand])) has \(rows) rows", at: index
      )
    }
    return tokens
  }

  private mutating func expectSamples(of node: Node, at index: Int) {
    if rowFacts[node.inputs[0].index] != .samples {
      violation(node, 1, "\(name(node.inputs[0])) holds no numbers of samples", at: index)
    }
  }

  /// The selection that an operand is, having compared where it selects from with `source`.
  private mutating func expectSelection(
    of node: Node, _ operand: Int, from source: Dim?, _ constraint: Int, at index: Int
  ) -> (source: Dim, within: ValueID?)? {
    let value = node.inputs[operand]
    guard case .selection(let found, let within, _) = rowFacts[value.index] else {
      violation(node, constraint, "\(name(value)) selects no rows: it is not a result of a decision", at: index)
      return nil
    }
    if let source, found != source {
      violation(node, constraint, "\(name(value)) selects from \(found), not from \(source)", at: index)
      return nil
    }
    return (found, within)
  }

  /// Rule 4's last part: the bound of a defined dim holds what the dim selects from.
  private mutating func define(
    _ node: Node, from source: Dim, within: ValueID?, isFused: Bool = false, at index: Int
  ) {
    rowFacts[node.results[0].index] = .selection(source: source, within: within, isFused: isFused)
    guard let entry = definedDim[node.results[0]].flatMap({ declaration[$0] }),
      case .dim(let bound) = graph.dims[entry].bound, !isWithin(source, bound)
    else { return }
    report(.dim(entry), "\(name(node.results[0])) selects from \(source), which \(bound) does not bound")
  }

  /// Whether `dim` is `bound` or reaches it through declared bounds, which get earlier at each step.
  private func isWithin(_ dim: Dim, _ bound: Dim) -> Bool {
    guard let goal = declaration[bound], var entry = declaration[dim] else { return dim == bound }
    while entry > goal, let next = bounds[entry], next < entry { entry = next }
    return entry == goal
  }

  private mutating func checkDecideExit(_ node: Node, at index: Int) {
    expectSamples(of: node, at: index)
    if let source = dim(node.inputs[0]) { define(node, from: source, within: nil, at: index) }
  }

  private mutating func checkSelectTokens(
    _ node: Node, stay: Int?, signals: [Int], isFused: Bool = false, at index: Int
  ) {
    let tokens = expectTokens(of: node, 0, count: [], 1, at: index)
    for operand in signals {
      guard let tokens, dim(node.inputs[operand]) != tokens else { continue }
      let rows = graph[node.inputs[operand]].type.rows
      violation(node, 3, "\(name(node.inputs[operand])) has \(rows) rows, %segments counts \(tokens)", at: index)
    }
    if let stay { _ = expectSelection(of: node, stay, from: dim(node.inputs[0]), 2, at: index) }
    if let tokens { define(node, from: tokens, within: stay.map { node.inputs[$0] }, isFused: isFused, at: index) }
  }

  private mutating func checkCompact(_ node: Node, at index: Int) {
    _ = expectSelection(of: node, 1, from: dim(node.inputs[0]), 2, at: index)
    if case .selection(_, _, true) = rowFacts[node.inputs[1].index], graph[node.inputs[0]].type.element == .f32 {
      violation(node, 3, "\(name(node.inputs[1])) fuses rows, and \(name(node.inputs[0])) is f32: use pool", at: index)
    }
    if rowFacts[node.inputs[0].index] == .samples { rowFacts[node.results[0].index] = .samples }
    // A row that stands for many has no place.
    if rowFacts[node.inputs[0].index] == .positions, case .selection(_, _, false) = rowFacts[node.inputs[1].index] {
      rowFacts[node.results[0].index] = .positions
    }
  }

  private mutating func checkCompactSegments(_ node: Node, at index: Int) {
    let tokens = expectTokens(of: node, 0, count: [], 1, at: index)
    let stay = node.inputs.count == 3 ? node.inputs[2] : nil
    if stay != nil { _ = expectSelection(of: node, 2, from: dim(node.inputs[0]), 3, at: index) }
    if let keep = expectSelection(of: node, 1, from: tokens, 2, at: index), keep.within != stay {
      let kept = "\(name(node.inputs[1])) keeps tokens of \(samples(keep.within))"
      violation(node, 3, "\(kept), but the offsets are of \(samples(stay))", at: index)
    }
    if let kept = dim(node.inputs[1]) { rowFacts[node.results[0].index] = .offsets(into: kept) }
  }

  private func samples(_ stay: ValueID?) -> String { stay.map { "the samples in \(name($0))" } ?? "all samples" }
}
