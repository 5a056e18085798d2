// What of options, checkpoint and data does not fit together, found before anything is computed: a stage that fails after
// hours because of what was asked for at the start has cost its user those hours.

import PyramidIR
import PyramidModels

extension TrainingOptions {
  /// Throws the first thing that does not fit.
  func check(_ checkpoint: Checkpoint, _ data: TrainingData) throws {
    if let type = checkpoint.configuration.problemType, type != .singleLabel {
      throw TrainingError(
        "\(checkpoint.path): its problem_type is \(type.rawValue), and training is for one label of several; for that, take "
          + "problem_type and the head out of a copy")
    }
    let limit = checkpoint.maxTokens
    if let wanted = maximumTokens, wanted > limit {
      throw TrainingError("--max-tokens \(wanted): the model takes at most \(limit)")
    }
    if let layers, !trainsLayers {
      throw TrainingError(
        "--layers \(layers): no stage that runs trains the classifier after that layer; add 1, or leave the option out")
    }
    _ = try exits(layers: checkpoint.configuration.layers)
    if stages.contains(.hardPruning), !stages.contains(.softPruning), prune == nil,
      checkpoint.weights.shape(of: Graph.thresholds) == nil, checkpoint.importedThresholds == nil
    {
      throw StageCatalogue.needsThresholds
    }
    let keepsEntry = keepsEntry(of: checkpoint)
    try checkEntry(isThere: stages.contains(.entry) || keepsEntry)
    let isHeard = trainsLayers || stages.contains(.entry) && teachers.contains { $0 != Teachers.entry }
    if let teacher = teachers.first, !isHeard {
      throw TrainingError(
        "--teacher \(teacher): no stage that runs hears it; stages 1 to 3 do, stage 4 with other --exits-training, and all "
          + "teachers but entry are heard by stage entry")
    }
    if !trainsLayers || keepsEntry { try checkClasses(checkpoint, data) }
  }

  /// Throws the first thing that the model itself does not allow.
  func check(_ model: LoweredModel, of checkpoint: Checkpoint) throws {
    let most = model.graph.admitted(.tokens)
    guard batchTokens <= most else {
      throw TrainingError("--batch-tokens \(batchTokens): at most \(most) go through this model at once")
    }
    if !model.entryReaders.isEmpty, stages.contains(.entry), !trainsExits, !trainsLayers {
      throw TrainingError(
        "\(checkpoint.path): its exit heads add what the entry says, which stage entry makes anew; train them again, too: "
          + "--stages entry,4")
    }
    let graph = try pruned(model, of: checkpoint)
    // A head that the checkpoint lacks begins at random, and exits that nobody takes lead to it.
    let lacksHead = model.tensors.contains { checkpoint.weights.shape(of: $0.name) == nil }
    guard trainsLayers else {
      if !lacksHead { return }
      let remedy = StageName.allCases.filter { $0 == .fineTuning || stages.contains($0) }.map(\.rawValue)
      throw TrainingError(
        "\(checkpoint.path): has no classifier, and no stage that runs trains one; start from a checkpoint that has one, or "
          + "train it, too: --stages \(remedy.joined(separator: ","))")
    }
    do { _ = try graph.trainingGraph().differentiated() } catch is DifferentiationError {
      throw TrainingError(
        "\(checkpoint.path): layers of \(checkpoint.configuration.family) can't be trained here; "
          + (lacksHead
            ? "start from a checkpoint that has a classifier" : "--stages entry,4 adds exits to the model as it is"))
    }
  }

  /// Whether the result has the checkpoint's head at the entry.
  private func keepsEntry(of checkpoint: Checkpoint) -> Bool {
    let leavesOut = trainsExits && !(exits?.entry ?? true)
    return checkpoint.weights.shape(of: "exits.entry.table") != nil && !stages.contains(.entry) && !leavesOut
  }

  /// What needs the head at the entry has to find it.
  private func checkEntry(isThere: Bool) throws(TrainingError) {
    if let exits, !exits.entry, stages.contains(.entry) {
      throw TrainingError(
        "--exits \(exits): stage entry trains the exit at the entry; add entry, or leave that stage out")
    }
    if teachers.contains(Teachers.entry), !isThere {
      throw TrainingError("--teacher entry: there is no bag head; train it too: --stages entry,...")
    }
    if addsEntry, !isThere {
      throw TrainingError("--add-entry: there is no head at the entry; train it too: --stages entry,...")
    }
  }

  /// Of a classifier that there is and that no stage trains the data's classes have to be its own, number by number.
  private func checkClasses(_ checkpoint: Checkpoint, _ data: TrainingData) throws(TrainingError) {
    guard let count = checkpoint.classes, count == data.labels.count else { return }
    let own = checkpoint.configuration.labels
    if data.labels == own { return }
    let isNamed = LabelNames.areReal(own)
    if !isNamed, data.hasLabelFile || data.labels == (0..<count).map({ String($0) }) { return }
    let remedy =
      isNamed
      ? "these names, or by number from 0" : "number from 0, or write number<TAB>name into LABELS.txt beside them"
    throw TrainingError(
      "\(checkpoint.path): a classifier of it that no stage trains has the classes "
        + "\(isNamed ? LabelNames.list(own) : "0 to \(count - 1), without names"); the data's are "
        + "\(LabelNames.list(data.labels)): which is which? Label the rows by \(remedy)")
  }
}
