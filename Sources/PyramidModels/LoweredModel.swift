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

  /// The graph: embeddings, layers, output.
  public var graph: Graph
  /// Layers, from 0, after which the checkpoint has an exit head.
  public let exitHeads: Set<Int>
  /// Those of them whose head is linear.
  public let linearHeads: Set<Int>
  /// What they read.
  public let headInput: HeadInput
  /// The exit head before layer 1; nil when the checkpoint has none.
  public let entryHead: EntryHead?
  /// Learned parameters and weights of policies by tensor name, `prune.thresholds` for one.
  public let learned: [String: LearnedTensor]
  /// Class names in order.
  public let labels: [String]
  /// The tensors of the model, by canonical name.
  public let tensors: [(name: String, shape: [Int])]

  /// Lowers a checkpoint to a graph called `name`. With `training` it may lack a classification head, and the classes are
  /// these. Throws `CheckpointError` when tensors are missing, unknown or misshapen.
  public init(_ checkpoint: Checkpoint, name: String, training labels: [String]? = nil) throws {
    let (configuration, weights) = (checkpoint.configuration, checkpoint.weights)
    let classes =
      labels?.count ?? checkpoint.classes ?? max(configuration.labels.count, 1)
    let shape = ModelShape(
      family: configuration.family, layers: configuration.layers, hidden: configuration.hiddenSize,
      heads: configuration.heads, intermediate: configuration.intermediateSize, classes: classes)
    let tokens = max(Self.admittedTokens, configuration.maxPositions)
    let empty = Graph(name: name, shape: shape, samples: Self.admittedSamples, tokens: tokens)
    var model = ModelBuilder(configuration: configuration, builder: GraphBuilder(empty))
    try checkpoint.family.build(&model)

    // Only `schedule-policies` knows which exit heads are wanted; their tensors are checked here.
    var (exitHeads, linearHeads): (Set<Int>, Set<Int>) = ([], [])
    for layer in 0..<max(configuration.layers - 1, 0) {
      guard let isLinear = ExitHead.isLinear(layer: layer, has: { weights.originals[$0] != nil }) else { continue }
      let head = ExitHead(layer: layer, input: configuration.headInput, isLinear: isLinear)
      for (name, shape) in head.tensors(of: shape) { model.inventory.want(name, shape) }
      exitHeads.insert(layer)
      if isLinear { linearHeads.insert(layer) }
    }
    let entryHead = try EntryHead(checkpoint)
    for (name, shape) in entryHead?.tensors(of: shape) ?? [] { model.inventory.want(name, shape) }
    model.inventory.allow(Temperatures.entry, [1])
    TokenTable.want(of: checkpoint, in: &model.inventory)
    let thresholds = "prune.thresholds"
    model.inventory.allow(thresholds, [max(configuration.layers - 1, 0)])
    let policies = weights.originals.keys.filter { $0.hasPrefix(Weights.policies) }
    for name in policies { model.inventory.allow(name, weights.shape(of: name) ?? []) }
    model.inventory.allow(Temperatures.heads, [max(configuration.layers - 1, 0)])
    try model.inventory.check(against: weights, isTrained: labels != nil)
    tensors = model.inventory.trained(from: weights)

    graph = model.builder.graph
    (self.exitHeads, self.linearHeads) = (exitHeads, linearHeads)
    headInput = configuration.headInput
    self.entryHead = entryHead
    var learned = try TokenTable.values(of: checkpoint).mapValues { LearnedTensor($0) }
    for name in policies + [thresholds, Temperatures.heads, Temperatures.entry] {
      learned[name] = try weights.learned(name)
    }
    self.learned = learned
    self.labels = try labels ?? configuration.labels(count: classes)
  }
}
