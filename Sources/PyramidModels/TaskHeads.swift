// The heads of one of several tasks: which exits it has and what their tensors are called. `schedule-policies` builds the
// heads of all tasks at a boundary from these.

import PyramidIR

/// One task's heads.
public struct TaskHeads: Sendable {
  /// The task.
  public let task: TaskShape
  /// The sizes of the model that answers it alone.
  public let shape: ModelShape
  /// Layers, from 0, after which it has an exit head.
  public let exitHeads: Set<Int>
  /// Those of them whose head is linear.
  public let linearHeads: Set<Int>
  /// Those whose head adds what the entry's said.
  public let entryReaders: Set<Int>
  /// What they read.
  public let headInput: HeadInput
  /// Its head before layer 1.
  public let entryHead: EntryHead?

  /// The heads of a model that answers the task alone.
  init(_ task: TaskShape, of model: LoweredModel) {
    (self.task, shape) = (task, model.graph.shape)
    (exitHeads, linearHeads, headInput) = (model.exitHeads, model.linearHeads, model.headInput)
    entryReaders = model.entryReaders
    var entry = model.entryHead
    entry?.task = TaskShape.prefix(task.name)
    entryHead = entry
  }

  /// The head after a layer.
  public func head(_ layer: Int) -> ExitHead {
    var head = ExitHead(
      layer: layer, input: headInput, isLinear: linearHeads.contains(layer), addsEntry: entryReaders.contains(layer))
    head.prefix = TaskShape.prefix(task.name)
    return head
  }
}
