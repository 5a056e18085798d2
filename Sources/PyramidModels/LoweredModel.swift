// Checkpoint -> plain graph: the family builds it, and what the checkpoint has beyond the plain model (exit heads,
// learned parameters) is noted for the policies.

import PyramidIR
import PyramidPolicy

/// The plain graph of a checkpoint and what the policies may want from it.
public struct LoweredModel: Sendable {
  /// Most samples that a compiled graph admits at once.
  private static let admittedSamples = 64
  /// Most tokens that a compiled graph admits at once, unless the model takes longer texts.
  private static let admittedTokens = 8192
  private static let thresholds = "prune.thresholds"
  /// Bytes of all weights of policies, which are read to the end: as many as a compiled model may have.
  private static let mostOfPolicies = 1 << 28

  /// The graph: embeddings, layers, output.
  public var graph: Graph
  /// The heads of each task of a model that has several; empty for one.
  public let tasks: [TaskHeads]
  /// Layers, from 0, after which the checkpoint has an exit head, or all tasks have one.
  public let exitHeads: Set<Int>
  /// Those of them whose head is linear.
  public let linearHeads: Set<Int>
  /// Those whose head adds what the entry's said.
  public let entryReaders: Set<Int>
  /// What they read.
  public let headInput: HeadInput
  /// The exit head before layer 1; nil when the checkpoint has none, or one of several tasks has none.
  public let entryHead: EntryHead?
  /// Learned parameters and weights of policies by tensor name, `prune.thresholds` for one.
  public let learned: [String: LearnedTensor]
  /// Class names in order.
  public let labels: [String]
  /// The tensors of the model, by canonical name.
  public let tensors: [(name: String, shape: [Int])]
  /// What the checkpoint has that nothing reads, a sentence each.
  public let notes: [String]

  /// Lowers a checkpoint to a graph called `name`. With `training` it may lack a classification head, and the classes are
  /// these. Throws `CheckpointError` when tensors are missing or misshapen.
  public init(_ checkpoint: Checkpoint, name: String, training labels: [String]? = nil) throws {
    let (configuration, weights) = (checkpoint.configuration, checkpoint.weights)
    let classes =
      labels?.count ?? checkpoint.classes ?? max(configuration.labels.count, 1)
    let shape = ModelShape(
      family: configuration.family, layers: configuration.layers, hidden: configuration.hiddenSize,
      heads: configuration.heads, intermediate: configuration.intermediateSize, classes: classes,
      task: labels == nil ? configuration.task(logits: classes) : .classification)
    // What is ranked together is computed together: a hundred candidates with their texts.
    let times = shape.task == .ranking ? 4 : 1
    let tokens = max(Self.admittedTokens * times, configuration.maxPositions)
    let empty = Graph(name: name, shape: shape, samples: Self.admittedSamples * times, tokens: tokens)
    var model = ModelBuilder(configuration: configuration, builder: GraphBuilder(empty))
    try checkpoint.family.build(&model)

    // Only `schedule-policies` knows which exit heads are wanted; their tensors are checked here.
    var (exitHeads, linearHeads, entryReaders): (Set<Int>, Set<Int>, Set<Int>) = ([], [], [])
    let entryHead = try EntryHead(checkpoint)
    for layer in 0..<max(configuration.layers - 1, 0) {
      guard let isLinear = ExitHead.isLinear(layer: layer, has: { weights.originals[$0] != nil }) else { continue }
      let addsEntry = ExitHead.addsEntry(layer: layer) { weights.originals[$0] != nil }
      let head = ExitHead(
        layer: layer, input: configuration.headInput, isLinear: isLinear, addsEntry: addsEntry && entryHead != nil)
      for (name, shape) in head.tensors(of: shape) { model.inventory.want(name, shape) }
      exitHeads.insert(layer)
      if isLinear { linearHeads.insert(layer) }
      guard head.addsEntry else { continue }
      for (name, shape) in head.entryTensors(of: shape) { model.inventory.want(name, shape) }
      entryReaders.insert(layer)
    }
    for (name, shape) in entryHead?.tensors(of: shape) ?? [] { model.inventory.want(name, shape) }
    model.inventory.allow(Temperatures.entry, [1])
    TokenTable.want(of: checkpoint, in: &model.inventory)
    model.inventory.allow(Self.thresholds, [max(configuration.layers - 1, 0)])
    let policies = weights.originals.keys.filter { $0.hasPrefix(Weights.policies) }
    let size = policies.reduce(0) { $0 + weights.tensors.byteCount(of: weights.originals[$1] ?? "") }
    guard size <= Self.mostOfPolicies else {
      let problem = "weights of policies take \(size) bytes, and have use for \(Self.mostOfPolicies) at most"
      throw CheckpointError(description: "\(checkpoint.path): \(problem)")
    }
    for name in policies { model.inventory.allow(name, weights.shape(of: name) ?? []) }
    model.inventory.allow(Temperatures.heads, [max(configuration.layers - 1, 0)])
    notes = try model.inventory.check(against: weights, isTrained: labels != nil, buffers: checkpoint.family.buffers)
    tensors = model.inventory.trained(from: weights)

    (graph, tasks) = (model.builder.graph, [])
    (self.exitHeads, self.linearHeads, self.entryReaders) = (exitHeads, linearHeads, entryReaders)
    headInput = configuration.headInput
    self.entryHead = entryHead
    var learned = try TokenTable.values(of: checkpoint).mapValues { LearnedTensor($0) }
    for name in policies + [Self.thresholds, Temperatures.heads, Temperatures.entry] {
      learned[name] = try weights.learned(name)
    }
    if let thresholds = checkpoint.importedThresholds { learned[Self.thresholds] = LearnedTensor(thresholds) }
    self.learned = learned
    self.labels = try labels ?? configuration.labels(count: classes)
  }

  /// A model of several tasks from its parts.
  init(
    graph: Graph, tasks: [TaskHeads], learned: [String: LearnedTensor], labels: [String],
    tensors: [(name: String, shape: [Int])], notes: [String]
  ) {
    (self.graph, self.tasks, self.learned, self.labels) = (graph, tasks, learned, labels)
    (self.tensors, self.notes) = (tensors, notes)
    exitHeads = tasks.dropFirst().reduce(tasks[0].exitHeads) { $0.intersection($1.exitHeads) }
    (linearHeads, entryReaders, headInput) = (tasks[0].linearHeads, tasks[0].entryReaders, tasks[0].headInput)
    entryHead = tasks.allSatisfy { $0.entryHead != nil } ? tasks[0].entryHead : nil
  }
}
