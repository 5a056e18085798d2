// From the plain graph of a model to what a stage runs: tokens pruned, masks put in, heads and losses attached, and for
// training dropout and the backward nodes. Order matters: decisions come first, since they say which rows there are.

import PyramidCompiler
import PyramidIR
import PyramidModels
import PyramidPolicy

/// A graph that a stage runs, with the values that the trainer reads after a run.
struct StageGraph: Sendable {
  /// Verified, kernels chosen, memory planned.
  private(set) var graph: Graph
  /// Logits [B, classes] of the recipe's exits in their order, then of the last head.
  private(set) var logits: [ValueID] = []
  /// What the exit heads read [B, width], in the order of the exits.
  private(set) var features: [ValueID] = []
  /// Where gradients stop.
  private var blockEnds: Set<ValueID> = []

  /// The graph that trains what `recipe` says, its products in `precision`. `dropout` are the model's rates. Throws when
  /// the plain graph is of a kind that has no gradients.
  static func training(
    _ plain: Graph, _ recipe: StageRecipe, dropout: DropoutRates, target: InstructionSet, precision: Precision
  ) throws -> StageGraph {
    var stage = try StageGraph(plain, recipe)
    stage.graph = try stage.graph.trainingGraph(losses: stage.losses(recipe)).insertingDropout(dropout)
      .differentiated(stopping: stage.blockEnds, frozen: recipe.freezes)
    try Pipeline.prepareTraining(&stage.graph, target: target, precision: precision)
    return stage
  }

  /// The graph that computes the same heads without dropout and gradients; its losses are those of the heads' labels. In
  /// f32: what heads learn from and how good they are shall not hang on the precision of training.
  static func evaluation(_ plain: Graph, _ recipe: StageRecipe, target: InstructionSet) throws -> StageGraph {
    var stage = try StageGraph(plain, recipe)
    stage.graph = try stage.graph.trainingGraph(losses: stage.logits.map { HeadLoss($0) })
    try Pipeline.prepareTraining(&stage.graph, target: target, precision: .f32)
    return stage
  }

  private init(_ plain: Graph, _ recipe: StageRecipe) throws {
    graph = plain
    guard let last = graph.answeredLogits else { throw TrainingError("graph @\(graph.name) answers nothing") }
    switch recipe.pruning {
    case .none: break
    case .soft(let temperature, let weight):
      graph = try graph.softlyPruned(temperature: temperature, penalty: weight / Float(graph.shape.layers))
    case .hard(let policy): try Pipeline.weavePruning(into: &graph, policy)
    }
    graph.purpose = .train
    graph.nodes.removeAll { $0.op == .classify }
    let heads: ExitHeadValues
    (graph, heads) = try graph.addingExitHeads(
      after: recipe.exits, reading: recipe.headInput, linear: recipe.linearExits)
    if recipe.separatesBlocks { (graph, blockEnds) = try graph.separatingBlocks(after: recipe.exits) }
    (features, logits) = (heads.features, heads.logits + [last])
  }

  private func losses(_ recipe: StageRecipe) -> [HeadLoss] {
    let last = logits[logits.count - 1]
    func losses(_ weights: LossWeights, _ logits: ValueID) -> [HeadLoss] {
      let all = [
        HeadLoss(logits, scale: weights.target),
        HeadLoss(logits, towards: .probabilities(of: last), scale: weights.lastHead),
      ]
      return all.filter { $0.scale > 0 }
    }
    return zip(recipe.exits, logits).flatMap { losses(recipe.exit, $1) } + (recipe.last.map { losses($0, last) } ?? [])
  }
}
