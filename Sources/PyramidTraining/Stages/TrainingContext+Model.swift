// What stages that run the model ask of a training: its plain graph, the parameters of heads and thresholds, their
// groups, targets, and temperatures.

import PyramidIR
import PyramidKernels
import PyramidModels

extension TrainingContext {
  /// The instruction set that stages run on.
  var target: InstructionSet { (try? .native()) ?? .portable }

  /// The plain graph of the model with the training's classes.
  func plainGraph() throws -> Graph {
    try LoweredModel(checkpoint, name: "training", training: labels).graph
  }

  /// The sizes that heads follow from.
  var headShape: ModelShape {
    let configuration = checkpoint.configuration
    return ModelShape(
      family: configuration.family, layers: configuration.layers, hidden: configuration.hiddenSize,
      heads: configuration.heads, intermediate: configuration.intermediateSize, classes: labels.count)
  }

  /// Adds the parameters of a recipe's exit heads. Heads that the checkpoint has and that read something else than these
  /// go: all heads of a model read the same.
  func addHeads(of recipe: StageRecipe) throws {
    let shape = headShape
    let width = recipe.headInput.width(hidden: shape.hidden)
    for layer in 0..<layers {
      let tensors = ExitHead(
        layer: layer, input: recipe.headInput, isLinear: recipe.linearExits.contains(layer)
      ).tensors(of: shape)
      if let reader = parameters[tensors[0].name], reader.shape.last != width {
        for (name, _) in tensors { parameters.remove(name) }
      }
      if recipe.exits.contains(layer) { for (name, shape) in tensors { try parameters.add(name, shape) } }
    }
  }

  /// Takes out exits that the result shall not have: those that `--exits` does not name where exits are trained, and the
  /// heads after layers that are trained without them, which they would no longer fit. Returns what to say of it.
  func settleExits() -> [String] {
    var notes = stages == options.stages ? [] : ["stage 4 is left out: the entry is the only exit"]
    let kept = options.trainsExits ? options.exits : options.trainsLayers ? ExitChoice(entry: true, layers: []) : nil
    guard let kept else { return notes }
    let heads = exitHeads.filter { !kept.layers.contains($0 + 1) }
    for layer in heads {
      remove { $0.hasPrefix("exits.\(layer).") }
      parameters["exits.temperatures"]?.values[layer] = 1
    }
    let losesEntry = !kept.entry && parameters["exits.entry.table"] != nil
    if !kept.entry { remove { $0.hasPrefix("exits.entry.") || $0.hasPrefix("prune.entry.") } }
    if exitHeads.isEmpty { parameters.remove("exits.temperatures") }
    let gone = ExitChoice(entry: losesEntry, layers: heads.map { $0 + 1 }).description
    if !gone.isEmpty {
      notes.append(
        "the checkpoint's exits \(gone) are taken out: "
          + (options.trainsExits ? "--exits does not name them" : "its layers are trained without them"))
    }
    return notes
  }

  private func remove(_ isOut: (String) -> Bool) {
    for parameter in parameters.all where isOut(parameter.name) { parameters.remove(parameter.name) }
  }

  /// Layers, from 0, that have an exit head.
  var exitHeads: [Int] { (0..<layers).filter { isLinear($0) != nil } }

  /// Those of them whose head is linear: what a checkpoint has stays what it is.
  var linearHeads: Set<Int> { Set((0..<layers).filter { isLinear($0) == true }) }

  private func isLinear(_ layer: Int) -> Bool? { ExitHead.isLinear(layer: layer) { parameters[$0] != nil } }

  /// What the exit heads read, by the width of their layers; nil without exit heads.
  var headInput: HeadInput? {
    let hidden = checkpoint.configuration.hiddenSize
    guard let layer = exitHeads.first else { return nil }
    let part = linearHeads.contains(layer) ? "classifier" : "dense"
    let width = parameters["exits.\(layer).\(part).weight"]?.shape.last
    return HeadInput.allCases.first { width == $0.width(hidden: hidden) } ?? .first
  }

  /// Adds the pruning thresholds [layers - 1], which start as LTP's: rising linearly with depth to 0.01 of a text that
  /// is padded to 128 tokens, 1.28 of uniform attention.
  func addThresholds() throws {
    try parameters.add(Graph.thresholds, [layers - 1]) { (0..<layers - 1).map { 1.28 * Float($0) / Float(layers) } }
  }

  /// What to say of thresholds that stay while the layers that they were learned for do not.
  var thresholdNotes: [String] {
    let isFit = options.stages.contains { [.softPruning, .hardPruning].contains($0) }
    guard parameters[Graph.thresholds] != nil, options.stages.contains(.fineTuning), !isFit else { return [] }
    return [
      "prune.thresholds stay as they are, though stage 1 trains the layers without pruning; --stages 1,2,3 trains both"
    ]
  }

  /// The parameters of these names in groups: embeddings and layers; heads; thresholds.
  func groups(of names: Set<String>) throws -> [ParameterGroup] {
    let lastHead = Set(try plainGraph().weights.filter { $0.name.hasPrefix("head.") }.flatMap(\.sources))
    var (trunk, heads, thresholds): ([Parameter], [Parameter], [Parameter]) = ([], [], [])
    for parameter in parameters.all where names.contains(parameter.name) {
      if parameter.name == Graph.thresholds {
        thresholds.append(parameter)
      } else if parameter.name.hasPrefix("exits.") || lastHead.contains(parameter.name) {
        heads.append(parameter)
      } else {
        trunk.append(parameter)
      }
    }
    return [
      ParameterGroup(trunk, learningRate: options.learningRate, weightDecay: options.weightDecay),
      ParameterGroup(heads, learningRate: options.headLearningRate, weightDecay: options.weightDecay),
      ParameterGroup(thresholds, learningRate: options.thresholdLearningRate),
    ].filter { !$0.parameters.isEmpty }
  }

  /// The distribution that each sample of a batch is trained towards, [B, classes]: all on its class; with a teacher half
  /// of it is what that says.
  func targets(of batch: TrainingBatch) throws -> [Float] {
    let classes = labels.count
    var targets = [Float](repeating: 0, count: batch.samples.count * classes)
    for (row, label) in batch.labels.enumerated() { targets[row * classes + label] = 1 }
    guard let taught = try teachers.get().probabilities(of: batch) else { return targets }
    for index in targets.indices { targets[index] = 0.5 * (targets[index] + taught[index]) }
    return targets
  }

  /// Fits on dev how much of the entry's logits each exit adds, where that is asked, and the temperature of each exit,
  /// `exits.temperatures` [layers - 1], 1 where there is no head.
  func fitTemperatures(exits: [Int], predict: (TrainingBatch) throws -> [[Float]]) throws {
    let bag = options.addsEntry ? BagHead(parameters, checkpoint) : nil
    let heads = exits.map { $0 + 1 } + [layers]
    var answers = try devAnswers(layers: heads + (bag == nil ? [] : [0])) { batch in
      try predict(batch) + (bag.map { [$0.logits(batch)] } ?? [])
    }
    if bag != nil {
      let entry = heads.count
      for (number, layer) in exits.enumerated() {
        let share = answers.share(of: entry, for: number)
        answers.add(share, of: entry, to: number)
        try setEntryShare(share, layer: layer)
      }
    }
    let temperatures = try parameters.add("exits.temperatures", [layers - 1]) { Array(repeating: 1, count: layers - 1) }
    for (number, layer) in exits.enumerated() { temperatures.values[layer] = answers.temperature(head: number) }
  }

  /// The batches of dev.
  var devPlan: BatchPlan {
    BatchPlan(lengths: dev.lengths, budget: options.batchTokens, samples: options.batchSamples)
  }

  /// What heads say of the samples of dev.
  func devAnswers(layers: [Int], predict: (TrainingBatch) throws -> [[Float]]) throws -> HeadAnswers {
    var answers = HeadAnswers(layers: layers, classes: labels.count)
    for samples in devPlan.batches {
      try Interruption.check()
      let batch = dev.batch(samples)
      answers.add(labels: batch.labels.map { Int32($0) }, logits: try predict(batch))
    }
    return answers
  }
}
