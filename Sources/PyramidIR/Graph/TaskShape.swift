// Several answers from one trunk. The logits of all tasks stand side by side in one row, in the order of the tasks: heads,
// decisions and answers read their own part of it. A graph of one task has none here, and prints as it always did.

import PyramidPolicy

/// One of the tasks of a graph that has several.
public struct TaskShape: Hashable, Sendable {
  /// Its name: letters, digits, `-` and `_`, a letter first.
  public let name: String
  /// Its logits.
  public let classes: Int
  /// What they are.
  public let task: ModelTask

  /// A task.
  public init(name: String, classes: Int, task: ModelTask) {
    (self.name, self.classes, self.task) = (name, classes, task)
  }

  /// What names of a task's tensors begin with, those that are learned and those of weights.
  public static func prefix(_ name: String) -> String { "tasks.\(name)." }

  /// Whether a text can be a task's name.
  public static func isName(_ text: String) -> Bool {
    let letters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
    return text.utf8.first.map(letters.contains) ?? false && text.utf8.count <= 64
      && text.utf8.allSatisfy { letters.contains($0) || Lexer.isDigit($0) || "-_".utf8.contains($0) }
  }

  /// The most tasks that a graph may have.
  public static let most = 256
}

extension ModelShape {
  /// The tasks with the columns of their logits; one without a name where the graph answers one.
  public var answered: [(task: TaskShape, columns: Range<Int>)] {
    var first = 0
    return (tasks.isEmpty ? [TaskShape(name: "", classes: classes, task: task)] : tasks).map { task in
      defer { first += task.classes }
      return (task, first..<first + task.classes)
    }
  }

  /// The sizes of the model that answers one of the tasks alone.
  public func shape(of task: TaskShape) -> ModelShape {
    ModelShape(
      family: family, layers: layers, hidden: hidden, heads: heads, intermediate: intermediate, classes: task.classes,
      task: task.task)
  }
}

extension PolicyRegistry {
  /// An instance of the policy of a specification for a model: an exit policy of a model with several tasks has a part for
  /// each, made of what that task learned. See `make(_:kind:model:learned:)`.
  public func make(
    _ spec: PolicySpec, kind: PolicyKind, shape: ModelShape, learned: [String: LearnedTensor]
  ) throws(PolicyError) -> PolicyInstance {
    guard kind == .exit, let first = shape.tasks.first else {
      return try make(spec, kind: kind, model: shape.facts, learned: learned)
    }
    func part(_ task: TaskShape, others: [PolicyInstance] = []) throws(PolicyError) -> PolicyInstance {
      let prefix = TaskShape.prefix(task.name)
      var own: [String: LearnedTensor] = [:]
      for (name, tensor) in learned where name.hasPrefix(prefix) { own[String(name.dropFirst(prefix.count))] = tensor }
      return try make(spec, kind: kind, model: shape.shape(of: task).facts, learned: own, others: others)
    }
    var others: [PolicyInstance] = []
    for task in shape.tasks.dropFirst() { others.append(try part(task)) }
    return try part(first, others: others)
  }
}
