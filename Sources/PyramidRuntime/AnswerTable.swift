// Answers as the executor writes them: flat, in storage that a caller keeps from request to request, so that serving
// one allocates nothing once the table has grown to its size. `Answer` is the same as a value.

import PyramidIR

/// The answers to one batch, in the order of its samples.
public final class AnswerTable {
  /// Answers in the table.
  public private(set) var count = 0
  private var classes = 0
  private var layers = 0
  private var task = ModelTask.classification
  private var recordsPositions = false
  private var allLogits: [Float] = []
  private var exitLayers: [Int32] = []
  private var tasks: [(task: TaskShape, columns: Range<Int>)] = []
  /// [samples, tasks]; empty for a model of one task.
  private var taskLayers: [Int32] = []
  private var allTokens: [Int32] = []
  private var allOperations: [OperationCount] = []
  private var limits: [AnswerLimit?] = []
  /// Where each sample's tokens start in `drops`, and the boundary (the entry is 0) at which each token was dropped.
  private var starts: [Int] = []
  private var drops: [Int32] = []
  /// What the tokens were given at each boundary: [layers] numbers of a token, NaN for none.
  private var scores: [Float] = []

  /// An empty table.
  public init() {}

  /// Logits of the head that answered, [C].
  public func logits(of sample: Int) -> ArraySlice<Float> { allLogits[sample * classes..<(sample + 1) * classes] }
  /// The layer after which the sample left, from 1; 0 for the entry.
  public func exitLayer(of sample: Int) -> Int { Int(exitLayers[sample]) }
  /// Tokens alive when each layer started, for the layers that the sample went through; the one number of tokens that
  /// entered where it left at the entry.
  public func tokensAlive(of sample: Int) -> ArraySlice<Int32> {
    allTokens[sample * layers..<sample * layers + max(exitLayer(of: sample), 1)]
  }
  /// Operations of the sample.
  public func operations(of sample: Int) -> OperationCount { allOperations[sample] }

  /// A copy of one answer.
  public subscript(sample: Int) -> Answer {
    Answer(
      logits: Array(logits(of: sample)), exitLayer: exitLayer(of: sample),
      tokensAlive: tokensAlive(of: sample).map { Int($0) },
      alivePositions: recordsPositions ? (0..<max(exitLayer(of: sample), 1)).map { alive(sample, after: $0) } : nil,
      scores: recordsPositions ? (0..<layers).map { scores(of: sample, at: $0) } : nil,
      operations: operations(of: sample), task: task, limit: limits[sample], tasks: taskAnswers(of: sample))
  }

  /// What each task of a model of several is answered.
  private func taskAnswers(of sample: Int) -> [TaskAnswer] {
    tasks.enumerated().map { index, task in
      let logits = allLogits[sample * classes + task.columns.lowerBound..<sample * classes + task.columns.upperBound]
      return TaskAnswer(
        logits: Array(logits), exitLayer: Int(taskLayers[sample * tasks.count + index]), task: task.task.task)
    }
  }

  /// Copies of all answers.
  public var answers: [Answer] { (0..<count).map { self[$0] } }

  /// Makes room for the answers to a batch; allocates only when the table was never as large.
  func prepare(for batch: PackedBatch, shape: ModelShape, recordsPositions: Bool) {
    (count, classes, layers) = (batch.sampleCount, shape.classes, shape.layers)
    (self.recordsPositions, task) = (recordsPositions, shape.task)
    Self.grow(&allLogits, to: count * classes, filler: 0)
    Self.grow(&exitLayers, to: count, filler: 0)
    Self.grow(&allTokens, to: count * layers, filler: 0)
    Self.grow(&allOperations, to: count, filler: OperationCount())
    Self.grow(&limits, to: count, filler: nil)
    if !shape.tasks.isEmpty {
      if tasks.map(\.task) != shape.tasks { tasks = shape.answered }
      Self.grow(&taskLayers, to: count * tasks.count, filler: 0)
    } else if !tasks.isEmpty {
      tasks = []
    }
    guard recordsPositions else { return }
    Self.grow(&starts, to: count + 1, filler: 0)
    Self.grow(&drops, to: batch.tokenCount, filler: 0)
    Self.grow(&scores, to: batch.tokenCount * layers, filler: 0)
    for sample in 0...count { starts[sample] = Int(batch.segments[sample]) }
  }

  private static func grow<Element>(_ array: inout [Element], to count: Int, filler: Element) {
    if array.count < count { array = Array(repeating: filler, count: count) }
  }

  /// Writes the answer to a sample.
  func answer(_ sample: Int, _ answer: SampleAnswer) {
    for index in 0..<classes { allLogits[sample * classes + index] = answer.logits[index] }
    exitLayers[sample] = Int32(answer.exitLayer)
    for (layer, tokens) in answer.tokensAlive.enumerated() { allTokens[sample * layers + layer] = tokens }
    allOperations[sample] = answer.operations
    limits[sample] = answer.limit
    for (task, layer) in (answer.taskLayers ?? UnsafeMutableBufferPointer(start: nil, count: 0)).enumerated() {
      taskLayers[sample * tasks.count + task] = layer
    }
    guard let record = answer.record else { return }
    for (token, boundary) in record.drops.enumerated() { drops[starts[sample] + token] = boundary }
    for index in record.scores.indices { scores[starts[sample] * layers + index] = record.scores[index] }
  }

  private func scores(of sample: Int, at boundary: Int) -> [Float?] {
    (starts[sample]..<starts[sample + 1]).map { token in
      let score = scores[token * layers + boundary]
      return score.isNaN ? nil : score
    }
  }

  private func alive(_ sample: Int, after boundary: Int) -> [Int32] {
    let tokens = starts[sample]..<starts[sample + 1]
    let living = tokens.filter { drops[$0] > Int32(boundary) }.map { Int32($0 - tokens.lowerBound) }
    // Rows that tokens were fused to come last.
    return living + Array(repeating: -1, count: max(0, Int(allTokens[sample * layers + boundary]) - living.count))
  }
}
