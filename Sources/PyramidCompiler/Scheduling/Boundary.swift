// One boundary under construction: the decisions after a layer, or before it, and the rows that go on. It is apart from
// `schedule-policies`, which says where boundaries are; how signals of tokens come about is in ScheduledSignals.swift.

import PyramidIR
import PyramidModels
import PyramidPolicy

/// The values that every boundary hands to the next layer.
struct BoundaryState {
  var segments: ValueID
  var samples: ValueID
  var positions: ValueID
  var tokenIDs: ValueID
  /// Probabilities of earlier heads, first head first.
  var earlier: [ValueID] = []

  init(_ graph: Graph) throws {
    func input(_ kind: InputKind) throws -> ValueID {
      for node in graph.nodes where node.op == .input(kind) { return node.results[0] }
      throw CompileError("the graph has no input \(kind.rawValue)")
    }
    segments = try input(.segments)
    samples = try input(.samples)
    positions = try input(.positions)
    tokenIDs = try input(.tokenIDs)
  }
}

/// One boundary being built: nodes are appended to the prefix of the graph that ends with its layer, or before it.
struct Boundary {
  let layer: Int
  let before: BoundaryState
  /// The rows that survivors are taken from: the layer's output, or its input.
  let hidden: ValueID
  /// The rows that the layer's queries are projected from.
  let input: ValueID
  var builder: GraphBuilder
  /// The layer's attention, from which signals are asked; nil before the layer.
  let attention: Int?
  /// [CLS] rows of the layer's output, and the attention weight of each token there, if they were computed before the
  /// layer.
  let early: (rows: ValueID, fromFirst: ValueID)?
  let later: [Node]
  private var after: BoundaryState
  private var newHidden: ValueID
  private var stay: ValueID?
  private var keep: ValueID?

  /// A boundary whose decisions stand between `builder`'s nodes and `later`.
  init(
    layer: Int, state: BoundaryState, hidden: ValueID, input: ValueID, builder: GraphBuilder, attention: Int? = nil,
    early: (rows: ValueID, fromFirst: ValueID)? = nil, later: [Node]
  ) {
    (self.layer, before, after) = (layer, state, state)
    (self.hidden, newHidden, self.input) = (hidden, hidden, input)
    (self.builder, self.attention, self.early, self.later) = (builder, attention, early, later)
  }

  /// The boundary after a layer.
  init(_ graph: Graph, layer: Int, state: BoundaryState) throws {
    let split = graph.nodes.firstIndex { $0.section > .layer(layer) } ?? graph.nodes.count
    guard let attention = graph.nodes.lastIndex(where: { $0.section == .layer(layer) && $0.op.attentionOfAll != nil })
    else {
      throw CompileError("layer \(layer) has no attention")
    }
    var input = graph.nodes[attention].inputs[0]
    if let projection = graph.producer(of: input), case .linear = projection.op { input = projection.inputs[0] }
    self.init(
      layer: layer, state: state, hidden: try Self.crossing(graph, layer: layer), input: input,
      builder: Self.builder(graph, upTo: split, layer), attention: attention, later: Array(graph.nodes[split...]))
  }

  /// The graph's nodes before `split`, to go on with in a layer.
  static func builder(_ graph: Graph, upTo split: Int, _ layer: Int) -> GraphBuilder {
    var builder = GraphBuilder(graph)
    builder.graph.nodes = Array(graph.nodes[..<split])
    builder.section = .layer(layer)
    return builder
  }

  /// The one value made in the layer that later sections read.
  static func crossing(_ graph: Graph, layer: Int) throws -> ValueID {
    let made = Set(graph.nodes.filter { $0.section == .layer(layer) }.flatMap(\.results))
    let read = Set(graph.nodes.filter { $0.section > .layer(layer) }.flatMap(\.inputs)).intersection(made)
    guard let value = read.first, read.count == 1 else {
      throw CompileError("\(read.count) values cross the boundary after layer \(layer), expected 1")
    }
    return value
  }

  /// The exit head, its decision, and what the decision reads.
  mutating func decideExit(_ policy: PolicyInstance, heads input: HeadInput) throws {
    let first = try early?.rows ?? builder.add(.firstRows, [hidden, before.segments], name: "cls\(layer)")
    let head = ExitHead(layer: layer, input: input)
    let feature = try head.feature(into: &builder, first: first, layerInput: self.input, segments: before.segments)
    let logits = try head.lower(into: &builder, reading: feature)
    let reads = ExitSignal.allCases.filter(policy.exitSignals.contains)
    if reads.contains(.probabilities) || reads.contains(.earlierProbabilities) {
      after.earlier.append(try builder.add(.softmax, [logits], name: "probabilities\(layer)"))
    }
    let signals = reads.map { signal in
      switch signal {
      case .logits: (signal, [ValueID]())
      case .probabilities: (signal, [after.earlier.last!])
      case .hidden: (signal, [first])
      case .tokensAlive: (signal, [before.segments])
      case .earlierProbabilities: (signal, before.earlier)
      }
    }
    let decision = ExitDecision(
      policy: policy.type.name, layer: layer, samples: before.samples, logits: logits, signals: signals)
    stay = try builder.add(decision.op, decision.operands, name: "stay\(layer)")
  }

  /// The pruning decision and its signals; samples that leave are not pruned.
  mutating func decidePrune(_ policy: PolicyInstance) throws {
    let reads = TokenSignal.allCases.filter(policy.tokenSignals.contains)
    try emitAttention(for: reads)
    let decision = PruneDecision(
      policy: policy.type.name, layer: layer, segments: before.segments, stay: stay,
      signals: try reads.map { ($0, try tokenSignal($0)) })
    keep = try builder.add(decision.op, decision.operands, name: "keep\(layer)")
  }

  /// Rows of the survivors, under new dims.
  mutating func compact() throws {
    let keep = try self.keep ?? builder.add(.keepSamples, [before.segments, stay!], name: "keep\(layer)")
    newHidden = try builder.add(.compact, [hidden, keep], name: "alive\(layer)")
    after.positions = try builder.add(.compact, [before.positions, keep], name: "positions\(layer)")
    after.tokenIDs = try builder.add(.compact, [before.tokenIDs, keep], name: "ids\(layer)")
    after.segments = try builder.add(
      .compactSegments, [before.segments, keep] + (stay.map { [$0] } ?? []), name: "segments\(layer)")
    if let stay {
      after.samples = try builder.add(.compact, [before.samples, stay], name: "samples\(layer)")
      after.earlier = try after.earlier.enumerated().map { number, value in
        try builder.add(.compact, [value, stay], name: "earlier\(layer).\(number)")
      }
    }
  }

  /// The whole graph, later sections reading and typed by the new dims.
  func finish() throws -> (Graph, BoundaryState) {
    var graph = builder.graph
    let prefix = graph.nodes
    graph.nodes = later
    for (old, new) in [(hidden, newHidden), (before.segments, after.segments), (before.samples, after.samples)] {
      graph.replaceUses(of: old, by: new)
    }
    try graph.inferTypes()
    graph.nodes = prefix + graph.nodes
    return (graph, after)
  }
}
