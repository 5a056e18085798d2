// The parts of a model that have a number format each: its layers, and the layers of its heads. It is here because kernel
// choice asks which part a node belongs to, and whoever shows a compiled model asks what each part has; both must mean
// the same nodes.

/// What has a number format of its own.
public enum ModelPart: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// Products between the embedding tables and layer 1. The tables themselves are f32 in any case.
  case embeddings
  /// A layer, from 0.
  case layer(Int)
  /// What stands between the [CLS] row of a layer and logits, of all heads.
  case heads

  /// For people, who count layers from 1.
  public var description: String {
    switch self {
    case .embeddings: "embeddings"
    case .layer(let number): "layer \(number + 1)"
    case .heads: "heads"
    }
  }

  /// Several parts in order: `embeddings, layers 1-3, 6, heads`.
  public static func text(_ parts: [ModelPart]) -> String {
    let numbers = parts.compactMap { if case .layer(let number) = $0 { number + 1 } else { nil } }
    var runs: [ClosedRange<Int>] = []
    for number in numbers.sorted() {
      if let last = runs.last, last.upperBound == number - 1 {
        runs[runs.count - 1] = last.lowerBound...number
      } else {
        runs.append(number...number)
      }
    }
    let list = runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
    let layers = list.isEmpty ? [] : [(numbers.count == 1 ? "layer " : "layers ") + list.joined(separator: ", ")]
    func alone(_ part: ModelPart) -> [String] { parts.contains(part) ? [part.description] : [] }
    return (alone(.embeddings) + layers + alone(.heads)).joined(separator: ", ")
  }
}

/// Which part each node of a graph that classifies belongs to.
public struct ModelParts: Sendable {
  /// Logits of all heads, and what the layers that make them read, back to the layer that makes that. What a linear head
  /// reads is a row of the model, no layer of the head.
  private let logits: Set<ValueID>
  private let pooled: Set<ValueID>

  /// The parts of a graph.
  public init(_ graph: Graph) {
    var logits = Set(graph.nodes.compactMap { $0.answered?.logits })
    // Those of several tasks are put side by side, those of two heads added.
    let joins: [Op] = [.concat, .add]
    for node in graph.nodes.reversed() where joins.contains(node.op) && logits.contains(node.results[0]) {
      logits.formUnion(node.inputs)
    }
    let last = graph.nodes.filter { !joins.contains($0.op) && $0.results.contains(where: logits.contains) }
    var pooled = Set(last.map { $0.inputs[0] })
    for node in graph.nodes where node.results.contains(where: pooled.contains) {
      if case .linearAddNorm = node.op { pooled.subtract(node.results) }
    }
    for node in graph.nodes.reversed() {
      guard let result = node.results.first, pooled.contains(result) else { continue }
      switch node.op {
      case .activate, .layerNorm: pooled.insert(node.inputs[0])
      default: break
      }
    }
    (self.logits, self.pooled) = (logits, pooled)
  }

  /// The part that a node belongs to; nil for the layer of logits and for what no format is chosen for.
  public func part(of node: Node) -> ModelPart? {
    let facts = node.op.facts
    guard facts.hasKernel else { return nil }
    if !facts.packable.isEmpty {
      if logits.contains(node.results[0]) { return nil }
      if isBeforeLogits(node) { return .heads }
    }
    switch node.section {
    case .embeddings: return .embeddings
    case .layer(let number): return .layer(number)
    case .output: return .heads
    case .entry, .gradients: return nil
    }
  }

  /// Whether a linear layer is the hidden one of a head.
  public func isBeforeLogits(_ node: Node) -> Bool { pooled.contains(node.results[0]) }
}

extension Graph {
  /// Parts with weights that can be stored in less than f32, those together that share such a weight and so its format;
  /// in order.
  public var precisionGroups: [[ModelPart]] {
    var readers: [WeightID: Set<ModelPart>] = [:]
    for (part, weights) in reducibleWeights() {
      for weight in weights { readers[weight, default: []].insert(part) }
    }
    var groups: [Set<ModelPart>] = []
    for parts in readers.values {
      let (sharing, others) = (
        groups.filter { !$0.isDisjoint(with: parts) }, groups.filter { $0.isDisjoint(with: parts) }
      )
      groups = others + [sharing.reduce(parts) { $0.union($1) }]
    }
    return groups.map { $0.sorted() }.sorted { $0[0] < $1[0] }
  }

  /// The format of each part of a compiled graph, in order: the shortest of its weights.
  public var partPrecisions: [(part: ModelPart, precision: Precision)] {
    var found: [ModelPart: Precision] = [:]
    for (part, weights) in reducibleWeights() {
      for precision in weights.map({ self[$0].precision }) {
        found[part] = found[part].map { max($0, precision) } ?? precision
      }
    }
    return found.sorted { $0.key < $1.key }.map { (part: $0.key, precision: $0.value) }
  }

  /// The formats of a compiled graph for people: `int8`, or where parts differ `int8 (layers 1-4, 6), f32 (layer 5)`.
  public var precisionText: String {
    let found = partPrecisions
    let body = Set(found.filter { $0.part != .heads }.map(\.precision))
    // In int8 the heads have bf16, which goes without saying.
    let usual = body.count == 1 ? body.first.map { $0 == .int8 ? .bf16 : $0 } : nil
    if let usual, found.allSatisfy({ $0.part != .heads || $0.precision == usual }) { return body.first!.rawValue }
    if found.isEmpty { return Precision.f32.rawValue }
    return Precision.allCases.reversed().compactMap { precision in
      let parts = found.filter { $0.precision == precision }.map(\.part)
      return parts.isEmpty ? nil : "\(precision.rawValue) (\(ModelPart.text(parts)))"
    }.joined(separator: ", ")
  }

  private func reducibleWeights() -> [(ModelPart, [WeightID])] {
    let parts = ModelParts(self)
    return nodes.compactMap { node in
      let places = node.op.facts.reducible
      guard !places.isEmpty, let part = parts.part(of: node) else { return nil }
      return (part, places.map { node.weights[$0] })
    }
  }
}
