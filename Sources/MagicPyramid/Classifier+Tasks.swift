// A model of several tasks as callers see it: which tasks there are, which are asked, and one answer for each. What is made
// for models of one task (windows, groups, candidate labels, comparisons) refuses such a model here, in one line.

import PyramidFormats
import PyramidIR
import PyramidRuntime
import PyramidText

/// The answer to one task.
public struct TaskClassification: Sendable {
  /// Its name.
  public let name: String
  /// Name and number of the best class.
  public let label: String, labelIndex: Int
  /// Of a task with several labels, the names of those that are likely enough; nil for any other.
  public let labels: [String]?
  /// The score of the best class.
  public let score: Float
  /// Scores of all its classes, as `Classification.scores`.
  public let scores: [Float]
  /// The scores where they are probabilities; empty for regression.
  public let probabilities: [Float]
  /// What the head said, before it is made scores.
  public let logits: [Float]
  /// The layer whose head answered, from 1; 0 for the entry.
  public let exitLayer: Int
  /// Whether nothing follows from it: `ModelTask.isBroken`.
  public let isBroken: Bool
}

extension Classification {
  /// Whether nothing follows from an answer that was asked for: `ModelTask.isBroken`.
  public var isBroken: Bool { tasks.isEmpty ? answer.isBroken : tasks.contains(where: \.isBroken) }
}

/// A task that is asked: its place among the model's, and its classes.
struct AskedTask: Sendable {
  let number: Int
  let task: TaskShape
  let labels: [String]

  func classification(_ answer: Answer, _ threshold: Float) -> TaskClassification {
    let own = answer.tasks[number]
    let (best, scores) = (own.label, task.task.scores(own.logits))
    let likely = task.task == .multiLabel ? labels.indices.filter { scores[$0] >= threshold } : nil
    return TaskClassification(
      name: task.name, label: labels[best], labelIndex: best, labels: likely?.map { labels[$0] }, score: scores[best],
      scores: scores, probabilities: task.task == .regression ? [] : scores, logits: own.logits,
      exitLayer: own.exitLayer, isBroken: task.task.isBroken(own.logits))
  }
}

extension Classifier {
  /// The names of the tasks that are asked, in the model's order; empty for a model of one task.
  public var tasks: [String] { asked.map(\.task.name) }

  /// What a task's answers are, and its classes; nil for the task of a model of one.
  public func head(of task: String?) -> (kind: ModelTask, labels: [String]) {
    allTasks.first { $0.task.name == task }.map { ($0.task.task, $0.labels) } ?? (self.task, labels)
  }

  /// The numbers of tasks by their names, for `RequestTerms.tasks`. Throws `RuntimeError` for a name that is none of the
  /// model's, for no name, and for a model of one task, which has none.
  public func numbers(ofTasks names: [String]) throws -> Set<Int> {
    Set(try Self.asked(names, of: model).map(\.number))
  }

  /// The tasks of a model that `names` are; all for nil.
  static func asked(_ names: [String]?, of model: LoadedModel) throws -> [AskedTask] {
    let shape = model.graph.shape
    if let names {
      guard !shape.tasks.isEmpty else {
        throw RuntimeError("the model answers one task, without a name: leave the tasks out")
      }
      let known = shape.tasks.map(\.name)
      if names.isEmpty { throw RuntimeError("no task is asked; the model's are \(known.joined(separator: ", "))") }
      if let unknown = names.first(where: { !known.contains($0) }) {
        throw RuntimeError("the model has no task \(unknown.quoted); its tasks are \(known.joined(separator: ", "))")
      }
    }
    if shape.tasks.isEmpty { return [] }
    return shape.answered.enumerated().compactMap { number, answered in
      guard names?.contains(answered.task.name) ?? true else { return nil }
      return AskedTask(number: number, task: answered.task, labels: Array(model.header.labels[answered.columns]))
    }
  }

  /// One answer for all tasks that are asked.
  func joined(_ tasks: [TaskClassification], _ answer: Answer, of encoding: Encoding) -> Classification {
    let labels = tasks.map { "\($0.name): \($0.labels?.joined(separator: ", ") ?? $0.label)" }
    return Classification(
      label: labels.joined(separator: "; "), labelIndex: 0, labels: nil, labelIndices: nil,
      score: tasks.map(\.score).min() ?? 0, scores: [], probabilities: [], fullLength: encoding.fullLength,
      isTruncated: encoding.isTruncated, layers: model.graph.shape.layers, answer: answer, tasks: tasks)
  }
}

extension LoadedModel {
  /// Throws `RuntimeError` for a model of several tasks; `what` says what is for one task only.
  public func requireOneTask(for what: String) throws(RuntimeError) {
    let tasks = graph.shape.tasks
    if tasks.isEmpty { return }
    throw RuntimeError(
      "\(path): answers several tasks (\(tasks.map(\.name).joined(separator: ", "))), and \(what) for one: use a model of "
        + "that task alone")
  }
}

extension TaskClassification {
  /// The answer as JSON.
  var json: JSONValue {
    var object = JSONObject()
    if let labels { object["labels"] = .array(labels.map(JSONValue.string)) } else { object["label"] = .string(label) }
    object["score"] = JSONValue(score)
    if probabilities.isEmpty { object["scores"] = .array(scores.map { JSONValue($0) }) }
    if !probabilities.isEmpty { object["probabilities"] = .array(probabilities.map { JSONValue($0) }) }
    object["exit_layer"] = JSONValue(exitLayer)
    return .object(object)
  }
}
