// What `relative_attention` has beyond plain attention: a window, and terms of the distance between query and key. It is
// apart from Op.swift because plain attention, which most families have, needs none of it; and the buckets that distances
// fall in are defined here once, for the reference interpreter and for the table that the runtime makes the kernels.

import Glibc

/// Which row of a table a distance between two tokens of a text stands for.
public struct DistanceBuckets: Hashable, Sendable {
  /// A way to put distances in buckets. Near ones have their own, those farther away share one, the wider the farther.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// T5's, as MPNet has them (Raffel et al. 2020): `count` rows, half of them for keys after the query; of each half the
    /// first half for single distances, the others, logarithmic, up to `reach`, from where on all are in the last.
    case halves
    /// DeBERTa's (He et al. 2021): 2 * `count` rows, that of distance 0 is number `count`, keys before the query are after
    /// it. With a `reach`, distances of count / 2 and more are logarithmic, `reach` - 1 ending up in the last row;
    /// without one, 0, each distance has a row. Distances beyond the rows are in the first or the last.
    case centred
  }

  public let kind: Kind
  public let count: Int
  public let reach: Int

  /// Buckets of a kind; `OperandCheck` says which are possible.
  public init(_ kind: Kind, count: Int, reach: Int) { (self.kind, self.count, self.reach) = (kind, count, reach) }

  /// Rows of a table.
  public var rows: Int { kind == .halves ? count : 2 * count }

  /// Whether there are such buckets.
  var exist: Bool {
    let limit = 1 << 22
    guard (1...limit).contains(count), (0...limit).contains(reach) else { return false }
    switch kind {
    case .halves: return count % 4 == 0 && reach > count / 4
    case .centred: return reach == 0 || count > 3 && reach > count / 2 + 1
    }
  }

  /// The row of a distance: the query's position less the key's. Computed in f32, as PyTorch does.
  public func row(of distance: Int) -> Int {
    switch kind {
    case .halves:
      let (half, exact) = (count / 2, count / 4)
      let size = abs(distance)
      var row = size
      if size >= exact {
        let log =
          logf(Float(size) / Float(exact)) / Float(Glibc.log(Double(reach) / Double(exact))) * Float(half - exact)
        row = min(exact + Int(log), half - 1)
      }
      return row + (distance < 0 ? half : 0)
    case .centred:
      var bucket = distance
      let middle = count / 2
      if reach > 0, abs(distance) > middle {
        let ratio = logf(Float(abs(distance)) / Float(middle)) / logf(Float(Double(reach - 1) / Double(middle)))
        bucket = Int((ratio * Float(middle - 1)).rounded(.up)) + middle
        if distance < 0 { bucket = -bucket }
      }
      return min(max(bucket + count, 0), 2 * count - 1)
    }
  }
}

/// The payload of `relative_attention`, besides what it emits.
public struct RelativeAttention: Hashable, Sendable {
  /// How queries, keys and values are given.
  public enum Form: String, Hashable, Sendable, CaseIterable {
    case separate
    /// As the three column blocks of one value.
    case joined
    /// Separately, and queries of each sample's first token only.
    case first
  }

  /// What is added to the product of query and key, each with a table of its own, in this order. A score is the sum of
  /// all products times 1 / sqrt(D * n) for heads of D columns and n products, that of query and key included, plus the bias.
  public enum Term: String, Hashable, Sendable, CaseIterable {
    /// The number that the distance's row has for the head.
    case bias
    /// The product of the query with the distance's row: DeBERTa's content to position.
    case queryProduct = "query-product"
    /// The product of the key with the distance's row: position to content.
    case keyProduct = "key-product"
  }

  public let heads: Int
  public var form: Form
  /// How many positions away a key may be that a query sees; nil for any.
  public let window: Int?
  public let terms: [Term]
  /// Which rows of the tables distances stand for; nil without terms.
  public let buckets: DistanceBuckets?

  /// Attention with the terms given, each once, in the order of `Term`.
  public init(
    heads: Int, form: Form = .separate, window: Int? = nil, terms: [Term] = [], buckets: DistanceBuckets? = nil
  ) {
    (self.heads, self.form, self.window, self.terms, self.buckets) = (heads, form, window, terms, buckets)
  }

  /// The same in another form.
  public func formed(_ form: Form) -> RelativeAttention {
    var other = self
    other.form = form
    return other
  }

  /// What products are divided by, squared: D * n.
  public func squaredScale(headSize: Int) -> Int { headSize * (1 + terms.count { $0 != .bias }) }

  /// Operand in which the positions are.
  public var positions: Int { form == .joined ? 1 : 3 }

  var attributes: [OpAttribute] {
    (form == .separate ? [] : [OpAttribute(key: "form", value: .word(form.rawValue))])
      + (window.map { [.integer("window", $0)] } ?? []) + OpAttribute.words("add", terms)
      + (buckets.map {
        [
          OpAttribute(key: "buckets", value: .word($0.kind.rawValue)), .integer("count", $0.count),
          .integer("reach", $0.reach),
        ]
      } ?? [])
  }

  func facts(emits: [Emission]) -> OpFacts.Attention {
    OpFacts.Attention(
      heads: heads, emits: emits, tokens: form == .first ? 1 : 0, segments: positions + 1, isOfFirst: form == .first,
      projected: positions)
  }
}

extension OperandCheck {
  func relativeAttention(_ relative: RelativeAttention, _ emits: [Emission]) throws(GraphError) -> [TensorType] {
    let place = relative.positions
    try counts(1, inputs: place + 2...place + 3, weights: relative.terms.count...relative.terms.count)
    let rows = inputs[relative.form == .first ? 1 : 0]
    try tokenMatrix(rows, relative.form == .joined ? "%qkv" : "%k", 1)
    var width = rows.columns
    var context = rows
    switch relative.form {
    case .joined:
      try require(width % 3 == 0, 1, "%qkv is \(rows), expected three equal blocks")
      width /= 3
    case .separate, .first:
      try require(
        inputs[2] == rows && (relative.form == .first || inputs[1] == rows), 1,
        "%q, %k, %v are \(inputs[0]), \(inputs[1]), \(inputs[2]), expected one type")
    }
    if relative.form == .first {
      let samples = try segments(inputs[place + 1], 2)
      context = TensorType(.f32, [.dim(samples), .fixed(width)])
      try require(inputs[0] == context, 1, "%q is \(inputs[0]), expected \(context)")
      try require(emits.isEmpty || emits == [.fromFirst], 4, "only from-first can be emitted, once")
    }
    try positions(inputs[place], of: rows, 6)
    try sizes(inputs.dropFirst(place + 2), of: rows, 5)
    var types = try attention(rows: rows, width: width, segments: inputs[place + 1], relative.heads, emits)
    types[0] = relative.form == .first ? context : types[0]
    try tables(relative, width: width)
    return types
  }

  private func tables(_ relative: RelativeAttention, width: Int) throws(GraphError) {
    try require(
      relative.terms == RelativeAttention.Term.allCases.filter(relative.terms.contains), 7,
      "terms are bias, query-product, key-product in this order, each once")
    let widest = Verifier.largestAxis
    try require(
      relative.window.map { $0 > 0 && $0 <= widest } ?? true, 8,
      "the window is \(relative.window ?? 0), expected 1 to \(widest)")
    try require(
      relative.terms.isEmpty == (relative.buckets == nil) && relative.buckets?.exist ?? true, 8,
      "there are no such buckets for \(relative.terms.count) terms")
    guard let buckets = relative.buckets else { return }
    try require(
      buckets.kind == .centred || relative.terms == [.bias], 8, "products are with rows in the order of distances")
    for (term, table) in zip(relative.terms, weights) {
      let wanted = TensorType(.f32, [.fixed(buckets.rows), .fixed(term == .bias ? relative.heads : width)])
      try require(table == wanted, 7, "the table of \(term.rawValue) is \(table), expected \(wanted)")
    }
  }
}
