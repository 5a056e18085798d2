// One boundary under construction: the decisions at the entry, after a layer or before it, and the rows that go on. It is apart from
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
  /// How many tokens each row stands for, once rows were merged.
  var sizes: ValueID?
  /// nil for a family without token types.
  var types: ValueID?
  /// What each token alive received over the layers so far, where a policy reads it.
  var receivedSum: ValueID?
  /// Probabilities of earlier heads, first head first, where the policy reads them.
  var earlier: [ValueID] = []
  /// Logits of the entry's head, one for each task, once they are made; nil for a task without such a head.
  var entryLogits: [ValueID?] = []

  init(_ graph: Graph) throws {
    func found(_ kind: InputKind) -> ValueID? { graph.nodes.first { $0.op == .input(kind) }?.results[0] }
    func input(_ kind: InputKind) throws -> ValueID {
      if let value = found(kind) { return value }
      throw CompileError("the graph has no input \(kind.rawValue)")
    }
    segments = try input(.segments)
    samples = try input(.samples)
    positions = try input(.positions)
    tokenIDs = try input(.tokenIDs)
    types = found(.typeIDs)
  }
}

/// One boundary being built: nodes are appended to the prefix of the graph that ends with its layer, or before it.
struct BoundaryBuilder {
  let boundary: Boundary
  let before: BoundaryState
  /// The rows that survivors are taken from: the layer's output, or its input. Nil at the entry, where nothing is
  /// embedded yet.
  let hidden: ValueID?
  /// The rows that the layer's queries are projected from; nil at the entry.
  let input: ValueID?
  var builder: GraphBuilder
  /// The layer's attention, from which signals are asked; nil before the layer.
  let attention: Int?
  /// [CLS] rows of the layer's output, and the attention weight of each token there, if they were computed before the
  /// layer.
  let early: (rows: ValueID, fromFirst: ValueID?)?
  let later: [Node]
  var after: BoundaryState
  private var newHidden: ValueID?
  private var stay: ValueID?
  private var keep: ValueID?
  /// The row that each token goes into, and with which part, where rows are not just dropped.
  private var pooling: (into: ValueID, share: ValueID)?

  /// A boundary whose decisions stand between `builder`'s nodes and `later`.
  init(
    at boundary: Boundary, state: BoundaryState, hidden: ValueID?, input: ValueID?, builder: GraphBuilder,
    attention: Int? = nil, early: (rows: ValueID, fromFirst: ValueID?)? = nil, later: [Node]
  ) {
    (self.boundary, before, after) = (boundary, state, state)
    (self.hidden, newHidden, self.input) = (hidden, hidden, input)
    (self.builder, self.attention, self.early, self.later) = (builder, attention, early, later)
  }

  /// The entry: after the batch's inputs, which every later section reads by what is decided here.
  init(atEntryOf graph: Graph, state: BoundaryState) {
    var builder = GraphBuilder(graph)
    builder.section = .entry
    var later: [Node] = []
    builder.graph.nodes = []
    for var node in graph.nodes {
      guard case .input = node.op else {
        later.append(node)
        continue
      }
      node.section = .entry
      builder.graph.nodes.append(node)
    }
    self.init(at: .entry, state: state, hidden: nil, input: nil, builder: builder, later: later)
  }

  /// The boundary after a layer or, where rows go into others, after its attention.
  init(_ graph: Graph, layer: Int, state: BoundaryState, pools: Bool = false) throws {
    guard let attention = graph.nodes.lastIndex(where: { $0.section == .layer(layer) && $0.op.attentionOfAll != nil })
    else {
      throw CompileError("layer \(layer) has no attention")
    }
    let input = graph.rows(entering: graph.nodes[attention])
    let hidden =
      try pools
      ? Self.attended(graph, attention: attention, input: input) : Self.crossing(graph, layer: layer)
    let split =
      pools
      ? graph.producers[hidden]! + 1 : graph.nodes.firstIndex { $0.section > .layer(layer) } ?? graph.nodes.count
    self.init(
      at: .after(layer), state: state, hidden: hidden, input: input, builder: Self.builder(graph, upTo: split, layer),
      attention: attention, later: Array(graph.nodes[split...]))
  }

  /// The rows after a layer's attention, residual and norm included: the first value that is read more than once and that
  /// is all that what follows reads of rows so far.
  private static func attended(_ graph: Graph, attention: Int, input: ValueID) throws -> ValueID {
    let section = graph.nodes[attention].section
    var earlier: Set = [input]
    for (index, node) in graph.nodes.enumerated() where node.section == section {
      let made = node.results.filter {
        graph[$0].type.extents.count == 2 && graph[$0].type.rows.dim?.family == .tokens
      }
      earlier.formUnion(made)
      guard index > attention, let rows = made.first else { continue }
      let later = graph.nodes[(index + 1)...].filter { !earlier.isDisjoint(with: $0.inputs) }
      let reads = later.reduce(into: Set<ValueID>()) { $0.formUnion($1.inputs) }.intersection(earlier)
      if later.count > 1, reads == [rows] { return rows }
    }
    throw CompileError("\(section) has a form in which rows can't go into others after attention")
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

  /// What names of values end with.
  var suffix: String {
    switch boundary {
    case .entry: ".entry"
    case .after(let layer): "\(layer)"
    }
  }

  /// Makes the logits of the entry's head, unless they are there.
  mutating func addEntryLogits(_ context: PassContext) throws {
    guard after.entryLogits.isEmpty else { return }
    let heads = context.tasks.isEmpty ? [(context.entryHead, nil)] : context.tasks.map { ($0.entryHead, $0.shape) }
    after.entryLogits = try heads.map { head, shape in
      try head?.lower(into: &builder, ids: before.tokenIDs, segments: before.segments, shape: shape)
    }
  }

  /// The logits of the boundary's exit heads, one for each task, and the [CLS] rows that they read, of which there are none
  /// at the entry.
  private mutating func heads(_ context: PassContext) throws -> (logits: [ValueID], first: ValueID?) {
    guard case .after(let layer) = boundary, let hidden, let input else {
      try addEntryLogits(context)
      let logits = after.entryLogits.compactMap { $0 }
      guard logits.count == after.entryLogits.count else {
        throw CompileError("the checkpoint has no exit head at the entry")
      }
      return (logits, nil)
    }
    let first = try early?.rows ?? builder.add(.firstRows, [hidden, before.segments], name: "cls\(layer)")
    let own = ExitHead(
      layer: layer, input: context.headInput, isLinear: context.linearHeads.contains(layer),
      addsEntry: context.entryReaders.contains(layer))
    let heads = context.tasks.isEmpty ? [(own, nil)] : context.tasks.map { ($0.head(layer), $0.shape) }
    var features: [HeadInput: ValueID] = [:]
    let logits = try heads.enumerated().map { number, head in
      let feature =
        try features[head.0.input]
        ?? head.0.feature(into: &builder, first: first, layerInput: input, segments: before.segments)
      features[head.0.input] = feature
      let entry = before.entryLogits.isEmpty ? nil : before.entryLogits[number]
      return try head.0.lower(into: &builder, reading: feature, entry: entry, shape: head.1)
    }
    return (logits, first)
  }

  /// What the tasks have each, side by side.
  private mutating func joined(_ parts: [ValueID], name: String) throws -> ValueID {
    try parts.dropFirst().reduce(parts[0]) { try builder.add(.concat, [$0, $1], name: name + suffix) }
  }

  /// The exit head, its decision, and what the decision reads.
  mutating func decideExit(_ policy: PolicyInstance, _ context: PassContext) throws {
    let (heads, first) = try heads(context)
    let logits = try joined(heads, name: "allLogits")
    let reads = ExitSignal.allCases.filter(policy.exitSignals.contains)
    var own: ValueID?
    if reads.contains(.probabilities) || reads.contains(.earlierProbabilities) {
      let tasks = builder.graph.shape.answered.map(\.task.task)
      let parts = try zip(heads, tasks).map { try probabilities(of: $0, $1, for: policy) }
      own = try joined(parts, name: "allProbabilities")
    }
    // Each boundary compacts all of them: in vain, and with the square of the layers, for policies that read none.
    if let own, reads.contains(.earlierProbabilities) { after.earlier.append(own) }
    let signals: [(ExitSignal, [ValueID])] = try reads.map { signal in
      switch signal {
      case .logits, .tokenIDs, .groupLogits: return (signal, [])
      case .probabilities: return (signal, [own!])
      case .hidden:
        guard let first else { throw CompileError("hidden is not known \(boundary)") }
        return (signal, [first])
      case .earlierHidden:
        guard let input else { throw CompileError("earlier-hidden is not known \(boundary)") }
        return (signal, [try builder.add(.firstRows, [input, before.segments], name: "earlierCLS\(suffix)")])
      case .tokensAlive: return (signal, [before.segments])
      case .earlierProbabilities: return (signal, before.earlier)
      }
    }
    let decision = ExitDecision(
      policy: policy.type.name, at: boundary, samples: before.samples, logits: logits, signals: signals)
    stay = try builder.add(decision.op, decision.operands, name: "stay\(suffix)")
  }

  /// What a policy reads as the probabilities of a head.
  private mutating func probabilities(
    of logits: ValueID, _ task: ModelTask, for policy: PolicyInstance
  ) throws -> ValueID {
    let op: Op
    switch task.answers {
    case .probabilities: op = .softmax
    case .labels: op = .activate(.sigmoid)
    case .value:
      throw CompileError(
        "exit policy '\(policy.spec)' reads probabilities, and a model that answers with a number has none")
    }
    return try builder.add(op, [logits], name: "probabilities\(suffix)")
  }

  /// The pruning decision and its signals; samples that leave are not pruned.
  mutating func decidePrune(_ policy: PolicyInstance) throws {
    let known = TokenSignal.allCases.filter { boundary != .entry || $0.isKnownAtEntry }
    let reads = known.filter(policy.tokenSignals.contains)
    let decision = PruneDecision(
      policy: policy.type.name, at: boundary, segments: before.segments, stay: stay,
      signals: try reads.map { ($0, try tokenSignal($0)) }, rest: policy.remainder,
      sizes: policy.remainder == .merged ? before.sizes : nil)
    let names = ["keep", "into", "share", "sizes"].map { $0 + suffix }
    let results = try builder.addAll(decision.op, decision.operands, names: names)
    keep = results[0]
    if results.count > 2 { pooling = (results[1], results[2]) }
    if results.count > 3 { after.sizes = results[3] }
  }

  /// Rows of the survivors, under new dims.
  mutating func compact() throws {
    let keep = try self.keep ?? builder.add(.keepSamples, [before.segments, stay!], name: "keep\(suffix)")
    newHidden = try hidden.map { try moved($0, keep, name: "alive") }
    after.positions = try builder.add(.compact, [before.positions, keep], name: "positions\(suffix)")
    after.tokenIDs = try builder.add(.compact, [before.tokenIDs, keep], name: "ids\(suffix)")
    after.receivedSum = try after.receivedSum.map { try moved($0, keep, name: "receivedSum") }
    if let sizes = before.sizes, after.sizes == sizes { after.sizes = try moved(sizes, keep, name: "sizes") }
    if boundary == .entry {
      after.types = try before.types.map { try builder.add(.compact, [$0, keep], name: "types\(suffix)") }
    }
    after.segments = try builder.add(
      .compactSegments, [before.segments, keep] + (stay.map { [$0] } ?? []), name: "segments\(suffix)")
    if let stay {
      after.samples = try builder.add(.compact, [before.samples, stay], name: "samples\(suffix)")
      after.earlier = try after.earlier.enumerated().map { number, value in
        try builder.add(.compact, [value, stay], name: "earlier\(suffix).\(number)")
      }
      after.entryLogits = try after.entryLogits.enumerated().map { number, value in
        try value.map { try builder.add(.compact, [$0, stay], name: "entryLogits\(suffix).\(number)") }
      }
    }
  }

  /// The rows of a value that go on.
  private mutating func moved(_ value: ValueID, _ keep: ValueID, name: String) throws -> ValueID {
    if let pooling {
      return try builder.add(.pool, [value, pooling.into, pooling.share, keep], name: name + suffix)
    }
    return try builder.add(.compact, [value, keep], name: name + suffix)
  }

  /// The whole graph, later sections reading and typed by the new dims.
  func finish() throws -> (Graph, BoundaryState) {
    var graph = builder.graph
    let prefix = graph.nodes
    graph.nodes = later
    let moved = [
      (hidden, newHidden), (before.segments, after.segments), (before.samples, after.samples),
      (before.positions, after.positions), (before.tokenIDs, after.tokenIDs), (before.types, after.types),
      (before.sizes, after.sizes),
    ]
    for case (let old?, let new?) in moved { graph.replaceUses(of: old, by: new) }
    if let sizes = after.sizes, before.sizes == nil {
      for index in graph.nodes.indices where graph.nodes[index].op.facts.attention != nil {
        graph.nodes[index].inputs.append(sizes)
      }
    }
    try graph.inferTypes()
    graph.nodes = prefix + graph.nodes
    return (graph, after)
  }
}

extension Graph {
  /// The rows that a layer's queries come from: before they are projected and turned, and before a norm that is only
  /// theirs.
  public func rows(entering attention: Node) -> ValueID {
    let producers = producers
    var value = attention.inputs[0]
    while let node = producers[value].map({ nodes[$0] }), node.section == attention.section {
      switch node.op {
      case .linear, .rotate, .layerNorm: value = node.inputs[0]
      default: return value
      }
    }
    return value
  }
}
