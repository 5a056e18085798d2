// Where the heads of several tasks come from: checkpoints that share a trunk, or one checkpoint with heads
// `tasks.<name>.*`. Both become the same: for each task the checkpoint of a model that answers it alone.

import PyramidFormats
import PyramidIR

/// The checkpoint of a task's own model.
public struct TaskCheckpoint: Sendable {
  /// The task's name.
  public let name: String
  /// The trunk's tensors, and heads of the task.
  public let checkpoint: Checkpoint

  /// A task. Throws where its name is none.
  public init(_ name: String, _ checkpoint: Checkpoint) throws(CheckpointError) {
    guard TaskShape.isName(name) else {
      throw CheckpointError(
        description: "\(name.quoted) is not a task's name: letters, digits, - and _, a letter first")
    }
    (self.name, self.checkpoint) = (name, checkpoint)
  }
}

extension Checkpoint {
  /// What the head of a checkpoint with further tasks is called.
  static let mainTask = "main"

  /// The tasks that the checkpoint has heads for, its ordinary head first, if it has one; empty for a checkpoint with that
  /// head alone. Throws where a head lacks tensors.
  public func ownTasks() throws(CheckpointError) -> [TaskCheckpoint] {
    let names = weights.taskNames
    if names.isEmpty { return [] }
    if let name = configuration.tasks.keys.filter({ !names.contains($0) }).min() {
      throw CheckpointError(
        description: "config.json has labels of a task \(name.quoted), and there are no tensors of it")
    }
    var tasks: [TaskCheckpoint] = []
    if classes != nil {
      guard !names.contains(Self.mainTask) else {
        throw CheckpointError(description: "a further task is called main, which the checkpoint's ordinary head is")
      }
      tasks.append(try TaskCheckpoint(Self.mainTask, with(weights.ofTask(nil), configuration)))
    }
    for name in names {
      var configuration = configuration
      let said = configuration.tasks[name]
      (configuration.labels, configuration.problemType) = (said?.labels ?? [], said?.problemType)
      configuration.scoreFunction = nil
      tasks.append(try TaskCheckpoint(name, with(weights.ofTask(name), configuration)))
    }
    return tasks
  }
}
