// From the plain graph of a model to what a stage runs: tokens pruned, heads attached, masks and losses put in, and for
// training dropout and the backward nodes. Order matters: decisions first, since they change which rows there are.

import PyramidCompiler
import PyramidIR
import PyramidModels
import PyramidPolicy

/// A graph that a stage runs, with the values that the trainer reads after a run.
public struct StageGraph: Sendable {
  /// Verified, kernels chosen, memory planned.
  public private(set) var graph: Graph
  /// Logits [B, classes] of the exit heads in the order of the recipe's exits, then of the last head.
  public private(set) var logits: [ValueID] = []
  /// What the exit heads read [B, width], in the same order.
  public private(set) var features: [ValueID] = []
  /// The losses, [B, 1] each; they sum up to the loss of a sample.
  public private(set) var losses: [ValueID] = []
  /// Share of tokens that each layer's soft mask keeps, f32[T] per layer; empty without soft pruning.
  public private(set) var masks: [ValueID] = []

  /// The number of the threshold tensor.
  static let thresholds = "prune.thresholds"

  /// The graph that trains what `recipe` says. `dropout` are the model's rates. Throws when the plain graph is of a
  /// kind that has no gradients.
  public static func training(
    _ plain: Graph, _ recipe: StageRecipe, dropout: DropoutRates, target: InstructionSet
  ) throws -> StageGraph {
    var stage = try StageGraph(plain, recipe)
    try stage.graph.insertDropout(dropout)
    try stage.addLosses(recipe)
    let stops = recipe.stopsBetweenBlocks ? try stage.blockEnds(recipe) : []
    try stage.graph.differentiate(stopping: stops) { weight in
      recipe.trains(weight)
    }
    try Pipeline.prepareTraining(&stage.graph, target: target)
    return stage
  }

  /// The graph that computes the same heads without dropout, losses or gradients.
  public static func evaluation(_ plain: Graph, _ recipe: StageRecipe, target: InstructionSet) throws -> StageGraph {
    var stage = try StageGraph(plain, recipe)
    try Pipeline.prepareTraining(&stage.graph, target: target)
    return stage
  }

  private init(_ plain: Graph, _ recipe: StageRecipe) throws {
    graph = plain
    if case .hard(let policy) = recipe.pruning { try Pipeline.prune(&graph, by: policy) }
    graph.purpose = .train
    guard let answer = graph.nodes.last, answer.op == .classify else {
      throw TrainingError("graph @\(graph.name) does not end with the last head's answers")
    }
    graph.remove([answer.id])
    if case .soft(let temperature, _) = recipe.pruning { try addSoftMasks(temperature: temperature) }
    try addHeads(recipe)
    logits.append(answer.inputs[1])
  }
}
