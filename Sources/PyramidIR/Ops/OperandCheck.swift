// The checks that several shape rules share, each citing the constraint it was called for.

/// Operands of one node under check.
struct OperandCheck {
  let op: Op
  let inputs: [TensorType]
  let weights: [TensorType]

  func error(_ constraint: Int, _ problem: String) -> GraphError {
    GraphError(description: "\(op.mnemonic) C\(constraint): \(problem)")
  }

  func require(_ condition: Bool, _ constraint: Int, _ problem: @autoclosure () -> String) throws(GraphError) {
    if !condition { throw error(constraint, problem()) }
  }

  func counts(_ constraint: Int, inputs wanted: ClosedRange<Int>, weights wantedWeights: ClosedRange<Int>)
    throws(GraphError)
  {
    try require(
      wanted.contains(inputs.count) && wantedWeights.contains(weights.count), constraint,
      "\(inputs.count) values and \(weights.count) weights, expected \(text(wanted)) and \(text(wantedWeights))")
  }

  private func text(_ range: ClosedRange<Int>) -> String {
    if range.upperBound == .max { return "at least \(range.lowerBound)" }
    return range.lowerBound == range.upperBound ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
  }

  func matrix(_ type: TensorType, _ name: String, _ constraint: Int) throws(GraphError) {
    guard type.element == .f32, type.extents.count == 2, case .dim = type.rows, case .fixed = type.extents[1] else {
      throw error(constraint, "\(name) is \(type), expected f32[R, N]")
    }
  }

  func tokenMatrix(_ type: TensorType, _ name: String, _ constraint: Int) throws(GraphError) {
    try matrix(type, name, constraint)
    try require(type.rows.dim?.family == .tokens, constraint, "\(name) is \(type), expected f32[T, N]")
  }

  func distinct<Word: Hashable>(_ words: [Word], _ constraint: Int) throws(GraphError) {
    try require(Set(words).count == words.count, constraint, "a signal is read twice")
  }

  func columns(_ first: Int, _ count: Int, in width: Int, _ constraint: Int) throws(GraphError) {
    try require(
      first >= 0 && count > 0 && first <= width && count <= width - first, constraint,
      "columns \(first) and \(count) more do not lie in \(width)")
  }

  func positive(_ epsilon: Float, _ constraint: Int) throws(GraphError) {
    try require(epsilon > 0 && epsilon.isFinite, constraint, "epsilon is \(epsilon), expected a positive number")
  }

  func normWeights(_ gamma: TensorType, _ beta: TensorType, width: Int, constraint: Int) throws(GraphError) {
    try require(
      isVector(gamma, width) && isVector(beta, width), constraint,
      "#gamma and #beta are \(gamma) and \(beta), expected f32[\(width)]")
  }

  /// Whether a type is f32[width]; one to compare with would take memory for every node.
  private func isVector(_ type: TensorType, _ width: Int) -> Bool {
    type.element == .f32 && type.extents.count == 1 && type.rows == .fixed(width)
  }

  func linear() throws(GraphError) -> TensorType {
    try matrix(inputs[0], "%x", 1)
    guard weights[0].element == .f32, weights[0].extents.count == 2, case .fixed(let rows) = weights[0].rows,
      weights[0].columns == inputs[0].columns
    else { throw error(2, "#w is \(weights[0]), expected f32[N, \(inputs[0].columns)]") }
    try require(isVector(weights[1], rows), 3, "#b is \(weights[1]), expected f32[\(rows)]")
    return TensorType(.f32, [inputs[0].rows, .fixed(rows)])
  }

  func embed() throws(GraphError) -> TensorType {
    try counts(1, inputs: 1...3, weights: 1...3)
    try require(
      inputs.allSatisfy { $0 == inputs[0] } && inputs[0].element == .i32 && inputs[0].extents.count == 1
        && inputs[0].rows.dim?.family == .tokens, 1,
      "index operands are \(inputs), expected i32[T] all")
    let width = weights[0].columns
    try require(
      weights.count == inputs.count
        && weights.allSatisfy {
          $0.element == .f32 && $0.extents.count == 2 && $0.columns == width && $0.rows.dim == nil
        },
      2, "tables are \(weights), expected \(inputs.count) of one width")
    return TensorType(.f32, [inputs[0].rows, .fixed(width)])
  }

  func segments(_ type: TensorType, _ constraint: Int) throws(GraphError) -> Dim {
    guard type.element == .i32, type.extents.count == 1, case .dimPlusOne(let dim) = type.rows, dim.family == .samples
    else { throw error(constraint, "%segments is \(type), expected i32[B + 1]") }
    return dim
  }

  func index(_ type: TensorType, _ family: DimFamily, _ name: String, _ constraint: Int) throws(GraphError) -> Dim {
    guard type.element == .i32, type.extents.count == 1, case .dim(let dim) = type.rows, dim.family == family
    else { throw error(constraint, "\(name) is \(type), expected i32[\(family.rawValue)]") }
    return dim
  }

  func indexType(_ dim: Dim?, _ family: DimFamily, _ constraint: Int) throws(GraphError) -> TensorType {
    guard let dim, dim.family == family else {
      throw error(constraint, "the result defines no dim of family \(family.rawValue)")
    }
    return TensorType(.i32, [.dim(dim)])
  }

  func attention(
    rows: TensorType, width: Int, segments type: TensorType, _ heads: Int, _ emits: [Emission]
  ) throws(GraphError) -> [TensorType] {
    _ = try segments(type, 2)
    try require(heads > 0 && width % heads == 0, 3, "\(heads) heads do not divide \(width)")
    try require(
      emits == Emission.allCases.filter(emits.contains), 4,
      "emissions are received, from-first, from-others in this order, each once")
    let vector = TensorType(.f32, [rows.rows])
    return [TensorType(.f32, [rows.rows, .fixed(width)])] + emits.map { _ in vector }
  }

  /// The one number for each row of a value, if there is such an operand.
  func sizes(_ operands: ArraySlice<TensorType>, of rows: TensorType, _ constraint: Int) throws(GraphError) {
    let wanted = TensorType(.f32, [rows.rows])
    for type in operands { try require(type == wanted, constraint, "%sizes is \(type), expected \(wanted)") }
  }

  func firstAttention(_ heads: Int, _ emits: [Emission]) throws(GraphError) -> [TensorType] {
    try counts(1, inputs: 3...4, weights: 3...3)
    try tokenMatrix(inputs[1], "%x", 1)
    try sizes(inputs.dropFirst(3), of: inputs[1], 6)
    let samples = try segments(inputs[2], 2)
    try require(
      inputs[0].element == .f32 && inputs[0].extents.count == 2 && inputs[0].rows == .dim(samples), 1,
      "%q is \(inputs[0]), expected f32[\(samples), H]")
    let width = inputs[0].columns
    try require(heads > 0 && width % heads == 0, 3, "\(heads) heads do not divide \(width)")
    let matrix = TensorType(.f32, [.fixed(width), .fixed(inputs[1].columns)])
    try require(
      weights[0] == matrix && weights[1] == matrix && weights[2] == TensorType(.f32, [.fixed(width)]), 4,
      "weights are \(weights), expected \(matrix) twice and f32[\(width)]")
    try require(emits.isEmpty || emits == [.fromFirst], 5, "only from-first can be emitted, once")
    return [inputs[0]] + emits.map { _ in TensorType(.f32, [inputs[1].rows]) }
  }

  func bagLogits(_ skip: [Int32], _ separator: Int32) throws(GraphError) -> TensorType {
    try counts(1, inputs: 2...2, weights: 2...3)
    _ = try index(inputs[0], .tokens, "%ids", 1)
    let samples = try segments(inputs[1], 2)
    let table = weights[0]
    guard table.element == .f32, table.extents.count == 2, case .fixed(let rows) = table.rows else {
      throw error(3, "#table is \(table), expected f32[V, C]")
    }
    let bias = TensorType(.f32, [.fixed(table.columns)])
    try require(weights.last == bias, 3, "#bias is \(weights.last!), expected \(bias)")
    if weights.count == 3 {
      guard weights[1].element == .f32, weights[1].extents.count == 2, weights[1].columns == table.columns,
        case .fixed(let pairs) = weights[1].rows, pairs > 0, pairs & (pairs - 1) == 0
      else { throw error(4, "#bigrams is \(weights[1]), expected f32[M, \(table.columns)], M a power of two") }
    }
    try require(skip.count <= 64, 5, "skips \(skip.count) ids, expected at most 64")
    try require(
      skip.contains(separator) && zip(skip, skip.dropFirst()).allSatisfy { $0 < $1 } && skip[0] >= 0
        && Int(skip[skip.count - 1]) < rows, 5,
      "skips \(skip) with separator \(separator), expected rows of #table, ascending, the separator among them")
    return TensorType(.f32, [.dim(samples), .fixed(table.columns)])
  }

  func decideExit(_ newDim: Dim?) throws(GraphError) -> TensorType {
    try counts(1, inputs: 2...Int.max, weights: 0...0)
    guard let decision = ExitDecision(op, inputs) else { throw error(1, "not a decision") }
    let samples = try index(decision.samples, .samples, "%samples", 1)
    let logits = decision.logits
    try require(
      logits.element == .f32 && logits.extents.count == 2 && logits.rows == .dim(samples), 2,
      "%logits is \(logits), expected f32[\(samples), C]")
    try distinct(decision.signals.map(\.signal), 3)
    for (signal, carriers) in decision.signals {
      switch signal {
      case .logits, .tokenIDs, .groupLogits: continue
      case .probabilities: try require(carriers == [logits], 3, "probabilities are not \(logits)")
      case .hidden, .earlierHidden:
        let type = carriers.first
        try require(
          type?.rows == .dim(samples) && type?.element == .f32 && type?.extents.count == 2, 3,
          "\(signal.rawValue) is not f32[\(samples), H]")
      case .tokensAlive:
        try require(
          carriers == [TensorType(.i32, [.dimPlusOne(samples)])], 3, "tokens-alive is not i32[\(samples) + 1]")
      case .earlierProbabilities:
        try require(carriers.allSatisfy { $0 == logits }, 3, "earlier probabilities are not \(logits)")
      }
    }
    try noSurplus(decision.surplus)
    return try indexType(newDim, .samples, 4)
  }

  func decidePrune(leading: Int, _ newDim: Dim?) throws(GraphError) -> [TensorType] {
    try counts(1, inputs: leading...Int.max, weights: 0...0)
    guard let decision = PruneDecision(op, inputs) else { throw error(1, "not a decision") }
    _ = try segments(decision.segments, 1)
    if let stay = decision.stay { _ = try index(stay, .samples, "%stay", 2) }
    try distinct(decision.signals.map(\.signal), 3)
    for (signal, type) in decision.signals {
      let (element, axes, shape): (Element, Int, String) =
        switch signal {
        case .receivedAttention, .receivedFromOthers, .receivedAttentionSum, .attentionFromCLS, .valueNorm, .hiddenNorm:
          (.f32, 1, "f32[T]")
        case .position, .tokenID: (.i32, 1, "i32[T]")
        case .hidden, .keys: (.f32, 2, "f32[T, H]")
        }
      let fits = type.rows.dim?.family == .tokens && type.element == element && type.extents.count == axes
      try require(fits, 3, "\(signal.rawValue) is not \(shape)")
    }
    try noSurplus(decision.surplus)
    let keep = try indexType(newDim, .tokens, 4)
    guard decision.rest != .dropped else { return [keep] }
    guard decision.boundary != .entry, decision.stay == nil, let rows = decision.signals.first?.operand.rows else {
      throw error(6, "rows go into others at the entry, after an exit or without a signal")
    }
    let share = TensorType(.f32, [rows])
    if let sizes = decision.sizes { try require(sizes == share, 7, "sizes are \(sizes), expected \(share)") }
    let results = [keep, TensorType(.i32, [rows]), share]
    return decision.rest == .merged ? results + [TensorType(.f32, [keep.rows])] : results
  }

  func pool() throws(GraphError) -> TensorType {
    try counts(1, inputs: 4...4, weights: 0...0)
    let x = inputs[0]
    guard x.element == .f32, case .dim(let dim) = x.rows, dim.family == .tokens else {
      throw error(1, "%x is \(x), expected f32[T] or f32[T, N]")
    }
    try require(
      inputs[1] == TensorType(.i32, [x.rows]) && inputs[2] == TensorType(.f32, [x.rows]), 2,
      "%into and %share are \(inputs[1]) and \(inputs[2]), expected i32[\(dim)] and f32[\(dim)]")
    let rows = try index(inputs[3], .tokens, "%keep", 3)
    return TensorType(.f32, [.dim(rows)] + x.extents.dropFirst())
  }

  private func noSurplus(_ count: Int) throws(GraphError) {
    try require(count == 0, 3, "\(abs(count)) operands \(count > 0 ? "more" : "fewer") than signals read")
  }
}
