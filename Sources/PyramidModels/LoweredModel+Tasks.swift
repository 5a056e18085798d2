// One graph of several: the trunk once, and behind it the output section of each task's own graph. Nothing here knows a
// family: what is a task's own in a graph is what its classifier reads through a head, and all else must be the trunk's, bit
// for bit.

import PyramidFormats
import PyramidIR
import PyramidPolicy

extension LoweredModel {
  /// Lowers a trunk with the heads of `tasks` to a graph called `name`. The encoders of the tasks' checkpoints must be the
  /// trunk's: settings, tokenizer, and every bit of their weights. What prunes is the trunk's. Throws `CheckpointError`.
  public init(trunk: Checkpoint, tasks: [TaskCheckpoint], name: String) throws {
    guard !tasks.isEmpty, tasks.count <= TaskShape.most else {
      throw CheckpointError(description: "\(tasks.count) tasks, expected 1 to \(TaskShape.most)")
    }
    if let twice = tasks.first(where: { task in tasks.count { $0.name == task.name } > 1 }) {
      throw CheckpointError(description: "two tasks are called \(twice.name)")
    }
    // A trunk needs no head of its own; one that it has is not read.
    let base = try LoweredModel(
      trunk.with(trunk.weights.ofTask(nil), trunk.configuration), name: name,
      training: Array(repeating: "", count: max(trunk.classes ?? 1, 1)))
    let models = try tasks.map { task in
      do { return try LoweredModel(task.checkpoint, name: name) } catch let error as CheckpointError {
        throw CheckpointError(description: "task \(task.name) (\(task.checkpoint.path)): \(error.description)")
      }
    }
    var joined = JoinedGraph(base.graph)
    for (task, model) in zip(tasks, models) {
      if task.checkpoint.configuration.scoreFunction != nil {
        throw CheckpointError(
          description: "task \(task.name): its checkpoint says what makes its score (activation_fn), which one task of "
            + "several can't have: compile it alone")
      }
      try TrunkComparison(trunk, base.graph, task, model.graph).check()
      try joined.append(task.name, model.graph)
    }
    let shapes = zip(tasks, models).map { task, model in
      TaskShape(name: task.name, classes: model.graph.shape.classes, task: model.graph.shape.task)
    }
    let own = Array(zip(shapes.map { TaskShape.prefix($0.name) }, models))
    self.init(
      graph: try joined.finish(shapes), tasks: zip(shapes, models).map { TaskHeads($0, of: $1) },
      learned: Self.learned(base, own), labels: models.flatMap(\.labels),
      tensors: Self.tensors(base, joined.read, own), notes: Self.notes(trunk, tasks, models))
  }

  /// What prunes is the trunk's, what decides exits each task's own.
  private static func learned(_ base: LoweredModel, _ own: [(String, LoweredModel)]) -> [String: LearnedTensor] {
    var learned = base.learned.filter { $0.key.hasPrefix("prune.") }
    for (prefix, model) in own {
      for (name, tensor) in model.learned where !name.hasPrefix("prune.") { learned[prefix + name] = tensor }
    }
    return learned
  }

  /// The trunk's tensors that are read, once, and those of the tasks' heads.
  private static func tensors(
    _ base: LoweredModel, _ read: Set<String>, _ own: [(String, LoweredModel)]
  ) -> [(name: String, shape: [Int])] {
    let trunk = base.tensors.filter { read.contains($0.name) || $0.name.hasPrefix("prune.") }
    let shared = Set(trunk.map(\.name))
    let heads = own.flatMap { prefix, model in
      model.tensors.filter { !shared.contains($0.name) && !$0.name.hasPrefix("prune.") }
        .map { (name: prefix + $0.name, shape: $0.shape) }
    }
    return trunk + heads
  }

  /// What is left unread.
  private static func notes(_ trunk: Checkpoint, _ tasks: [TaskCheckpoint], _ models: [LoweredModel]) -> [String] {
    var notes = zip(tasks, models).flatMap { task, model in model.notes.map { "task \(task.name): \($0)" } }
    let unread = Set(models.flatMap(\.exitHeads)).filter { layer in
      !models.allSatisfy { $0.exitHeads.contains(layer) }
    }
    if !unread.isEmpty {
      let layers = unread.sorted().map { "\($0 + 1)" }.joined(separator: ", ")
      notes.append("exit heads after layers \(layers) are left unread: not all tasks have one there")
    }
    let hasHeads = trunk.classes != nil || !trunk.weights.taskNames.isEmpty
    if hasHeads, !tasks.contains(where: { $0.checkpoint.path == trunk.path }) {
      notes.append("the trunk's own heads are left unread: give its checkpoint to a task, too, to have it answer")
    }
    return notes
  }
}

/// A graph that grows by the output sections of others with the same trunk.
private struct JoinedGraph {
  private var builder: GraphBuilder
  private var logits: [ValueID] = []
  private var samples: ValueID?
  /// Nodes of the trunk in the output section, which tasks share.
  private var shared: [Key: ValueID] = [:]

  private struct Key: Hashable {
    let op: Op
    let inputs: [ValueID]
    let weights: [WeightID]
  }

  init(_ trunk: Graph) {
    builder = GraphBuilder(trunk)
    builder.graph.nodes.removeAll { $0.section == .output }
    builder.graph.dropUnusedWeights()
    builder.graph.dropLastValues()
    builder.section = .output
  }

  /// The tensors that the graph reads.
  var read: Set<String> { Set(builder.graph.weights.flatMap(\.tensors)) }

  mutating func append(_ task: String, _ graph: Graph) throws {
    let own = graph.ownOfHead
    var values: [ValueID: ValueID] = [:]
    for node in graph.nodes where node.section == .output {
      let inputs = node.inputs.map { values[$0] ?? $0 }
      if node.op == .classify {
        logits.append(inputs[1])
        samples = inputs[0]
        continue
      }
      let isOwn = own.contains(node.id)
      let prefix = isOwn ? TaskShape.prefix(task) : ""
      let weights = node.weights.map { graph[$0] }.map { weight in
        builder.graph.weight(
          prefix + weight.name, weight.type,
          sources: weight.sources.map { TensorExpression(source: $0).prefixed(prefix).source })
      }
      let key = Key(op: node.op, inputs: inputs, weights: weights)
      if !isOwn, let known = shared[key] {
        values[node.results[0]] = known
        continue
      }
      let name = graph[node.results[0]].name
      let made = try builder.add(node.op, inputs, weights, name: isOwn ? "\(task).\(name)" : name)
      values[node.results[0]] = made
      if !isOwn { shared[key] = made }
    }
  }

  /// The graph that answers all tasks, their logits side by side.
  mutating func finish(_ tasks: [TaskShape]) throws -> Graph {
    guard let samples, var row = logits.first else { throw CheckpointError(description: "no task answers") }
    for next in logits.dropFirst() { row = try builder.add(.concat, [row, next], name: "logits") }
    try builder.addEffect(.classify, [samples, row])
    let shape = builder.graph.shape
    builder.graph.shape = ModelShape(
      family: shape.family, layers: shape.layers, hidden: shape.hidden, heads: shape.heads,
      intermediate: shape.intermediate, classes: tasks.reduce(0) { $0 + $1.classes }, tasks: tasks)
    return builder.graph
  }
}

extension Weight {
  /// The tensors that it is made of, by canonical name.
  fileprivate var tensors: [String] { sources.flatMap { TensorExpression(source: $0).tensors } }
}

extension Graph {
  /// The nodes of the output section that belong to a head: the first product of rows of samples, and what reads it.
  fileprivate var ownOfHead: Set<NodeID> {
    var (own, made) = (Set<NodeID>(), Set<ValueID>())
    for node in nodes where node.section == .output {
      let isProduct = if case .linear = node.op { true } else { false }
      guard isProduct || node.inputs.contains(where: made.contains) else { continue }
      own.insert(node.id)
      made.formUnion(node.results)
    }
    return own
  }

  /// The tensors that a head does not own.
  fileprivate var tensorsOfTrunk: Set<String> {
    let own = ownOfHead
    return Set(nodes.filter { !own.contains($0.id) }.flatMap(\.weights).flatMap { self[$0].tensors })
  }
}

/// Whether the model of a task has a trunk's encoder.
private struct TrunkComparison {
  let trunk: Checkpoint
  let graph: Graph
  let task: TaskCheckpoint
  let other: Graph

  init(_ trunk: Checkpoint, _ graph: Graph, _ task: TaskCheckpoint, _ other: Graph) {
    (self.trunk, self.graph, self.task, self.other) = (trunk, graph, task, other)
  }

  func check() throws {
    let isOwn = task.checkpoint.path == trunk.path
    if isOwn, let missing = try missingOfHead() { throw failure("lacks its tensor \(missing)") }
    guard encoder(graph) == encoder(other), graph.dims == other.dims || graph.shape.task != other.shape.task else {
      throw failure("is of another architecture than \(trunk.path)")
    }
    if isOwn { return }
    let (mine, its) = (trunk.tokenizer.rules.stored, task.checkpoint.tokenizer.rules.stored)
    guard mine.settings == its.settings, mine.vocabulary == its.vocabulary else {
      throw failure("has another tokenizer than \(trunk.path)")
    }
    guard trunk.maxTokens == task.checkpoint.maxTokens else {
      throw failure("reads \(task.checkpoint.maxTokens) tokens of a text, \(trunk.path) \(trunk.maxTokens)")
    }
    let different = try other.tensorsOfTrunk.sorted().filter { name in
      let (one, two) = (try trunk.weights.values(ofTensor: name, name), try weights.values(ofTensor: name, name))
      return one.count != two.count || !zip(one, two).allSatisfy { $0.bitPattern == $1.bitPattern }
    }
    guard !different.isEmpty else { return }
    let shown = different.prefix(10).joined(separator: ", ")
    let more = different.count > 10 ? ", and \(different.count - 10) more" : ""
    throw failure(
      "has other weights than \(trunk.path) in \(different.count) tensors of the encoder: \(shown)\(more); tasks share a "
        + "trunk whose weights are equal bit for bit: fit heads on a frozen encoder")
  }

  private var weights: Weights { task.checkpoint.weights }

  /// A tensor of the head that a task's own part of a checkpoint lacks, and that would else be the ordinary head's.
  private func missingOfHead() throws -> String? {
    guard trunk.weights.taskNames.contains(task.name) else { return nil }
    let (prefix, trunkTensors) = (TaskShape.prefix(task.name), other.tensorsOfTrunk)
    let wanted = Set(other.weights.flatMap(\.tensors)).subtracting(trunkTensors).map { prefix + $0 }
    return wanted.sorted().first { trunk.weights.originals[$0] == nil }
  }

  private func encoder(_ graph: Graph) -> [String] {
    let own = graph.ownOfHead
    let nodes = graph.nodes.filter { $0.op != .classify && !own.contains($0.id) }
    let weights = nodes.flatMap(\.weights).map { graph[$0] }.map { "\($0.name) \($0.type) \($0.sources)" }
    return nodes.map { graph.line(of: $0) } + weights
  }

  private func failure(_ problem: String) -> CheckpointError {
    CheckpointError(description: "task \(task.name) (\(task.checkpoint.path)): \(problem)")
  }
}
