// What the engine says of one sample: the logits it left with, and its trace.

import PyramidIR

/// One sample's answer.
public struct Answer: Sendable, Equatable {
  /// Logits of the head that answered, [C]; of several tasks those of each, side by side.
  public var logits: [Float]
  /// The layer after which the sample left, from 1; the number of layers when it stayed to the end, 0 when it left at the
  /// entry.
  public var exitLayer: Int
  /// Tokens alive when each layer started, for the layers that the sample went through. The one number of tokens that
  /// entered when it left at the entry, where the exit is decided before anything is pruned.
  public var tokensAlive: [Int]
  /// Original positions of the tokens that `tokensAlive` counts, for each of its numbers, -1 for a row that others
  /// were fused to; nil unless asked for.
  public var alivePositions: [[Int32]]?
  /// What the pruning policy gave each token of the text at the entry and after each layer but the last, [layers] lists
  /// in the order of the text; nil for a token that was not scored there or got no number. Nil unless asked for, with
  /// `alivePositions`.
  public var scores: [[Float?]]?
  /// Operations that ran for this sample, that the paper's formula gives, and that it would have taken without
  /// policies.
  public var operations: OperationCount

  /// What the logits stand for.
  public var task = ModelTask.classification
  /// What made the sample leave before its policy did; nil for a sample that left as its policy says.
  public var limit: AnswerLimit?
  /// What each task of a model of several is answered, in their order; empty for one task.
  public var tasks: [TaskAnswer] = []

  /// Softmax or sigmoid of the logits, [C]; empty for regression and for several tasks, which have their own.
  public var probabilities: [Float] { tasks.isEmpty ? task.probabilities(logits) ?? [] : [] }

  /// Whether nothing follows from the answer, of any task: `ModelTask.isBroken`.
  public var isBroken: Bool {
    tasks.isEmpty ? task.isBroken(logits) : tasks.contains { $0.task.isBroken($0.logits) }
  }

  /// The class with the largest logit; the first of equal ones, and 0 if there is no number among them.
  public var label: Int { logits.best }
}

/// What one task of a model of several is answered.
public struct TaskAnswer: Sendable, Equatable {
  /// Logits of the head that answered, [classes of the task].
  public let logits: [Float]
  /// The layer whose head answered, from 1; 0 for the entry.
  public let exitLayer: Int
  /// What the logits stand for.
  public let task: ModelTask

  /// The class with the largest logit, as `Answer.label`.
  public var label: Int { logits.best }
}

extension [Float] {
  /// The place of the largest number; the first of equal ones, and 0 if there is no number.
  fileprivate var best: Int {
    var best = 0
    for index in indices where self[index] > self[best] || (self[best].isNaN && !self[index].isNaN) { best = index }
    return best
  }
}

/// Operations of one sample, in units of one operation.
public struct OperationCount: Sendable, Equatable {
  /// What ran, heads and moves included.
  public var executed = 0
  /// LTP's and Magic Pyramid's formula over the layers that the sample went through.
  public var paper = 0
  /// What runs for the same text without policies.
  public var dense = 0
  /// The paper's formula without policies.
  public var densePaper = 0

  /// No operations yet.
  public init() {}

  /// Adds up; what 64 bits can't hold stays at their end, since an artefact may say anything of its costs.
  public mutating func add(_ other: OperationCount) {
    func sum(_ one: Int, _ two: Int) -> Int {
      let (sum, isTooMuch) = one.addingReportingOverflow(two)
      return isTooMuch ? .max : sum
    }
    executed = sum(executed, other.executed)
    paper = sum(paper, other.paper)
    dense = sum(dense, other.dense)
    densePaper = sum(densePaper, other.densePaper)
  }
}
