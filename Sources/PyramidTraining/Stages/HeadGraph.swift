// The exit heads alone, on features that were computed once: what stage 4 trains when the layers stay as they are.

import PyramidCompiler
import PyramidIR
import PyramidModels

/// A graph of exit heads over cached features.
struct HeadGraph: Sendable {
  /// Verified, kernels chosen, memory planned.
  private(set) var graph: Graph
  /// Logits [B, classes] of the exits in their order.
  private(set) var logits: [ValueID] = []

  /// The graph that trains the heads of the recipe's exits, or only computes them. Features are [B, exits * width], those
  /// of one exit side by side with the next one's; targets are whatever mixture the trainer brings.
  init(like plain: Graph, _ recipe: StageRecipe, dropout: DropoutRates?, target: InstructionSet) throws {
    let shape = plain.shape
    let (exits, width) = (recipe.exits, recipe.headInput.width(hidden: shape.hidden))
    let empty = Graph(
      name: plain.name, shape: shape, samples: plain.admitted(.samples), tokens: plain.admitted(.tokens))
    var builder = GraphBuilder(empty)
    builder.graph.purpose = .train
    builder.section = .output
    let features = try builder.add(.gradient(.features(width: exits.count * width)), [], name: "features")
    for (number, layer) in exits.enumerated() {
      let part = try builder.add(
        .gradient(.columns(first: number * width, count: width)), [features], name: "features\(layer)")
      let isLinear = recipe.linearExits.contains(layer)
      let head = ExitHead(layer: layer, input: recipe.headInput, isLinear: isLinear)
      logits.append(try head.lower(into: &builder, reading: part))
    }
    graph = try builder.graph.trainingGraph(losses: logits.map { HeadLoss($0) })
    if let dropout { graph = try graph.insertingDropout(dropout).differentiated() }
    try Pipeline.prepareTraining(&graph, target: target, precision: .f32)
  }
}
