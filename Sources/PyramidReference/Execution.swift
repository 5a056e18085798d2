// One run of a graph over one batch: the values made so far, the rows of each dim, and what is known of each sample.
// The state is here; what each operation computes is in Execution+Operations.swift and Execution+Rows.swift.

import PyramidIR
import PyramidPolicy

/// A run in progress: made for one batch, fed node after node, then asked for its answers.
struct Execution {
  let interpreter: ReferenceInterpreter
  let batch: ReferenceBatch
  /// Every value made so far.
  var values: [ValueID: ReferenceTensor] = [:]
  /// Every dim defined so far.
  var dims: DimTable
  /// What is known of each sample, by its number in the batch.
  var answers: [ReferenceAnswer]
  /// Which answers are final, by sample number.
  var isAnswered: [Bool]
  /// Memory of the exit policy of each task; none without one.
  let memories: [SampleMemories]
  /// What is answered of each sample's tasks so far; nil for those that are open. One task in an ordinary graph.
  var settled: [[ReferenceTaskAnswer?]]
  /// What the trainer brings, in a graph that trains.
  let training: ReferenceTrainingInputs
  /// What has been added to the gradient of each weight so far.
  var gradients: [WeightID: [Double]] = [:]

  var graph: Graph { interpreter.graph }

  init(
    _ interpreter: ReferenceInterpreter, _ batch: ReferenceBatch,
    _ training: ReferenceTrainingInputs = ReferenceTrainingInputs()
  ) throws(ReferenceError) {
    guard batch.typeIDs.count == batch.tokenIDs.count else {
      throw ReferenceError("\(batch.tokenIDs.count) samples, but type ids for \(batch.typeIDs.count)")
    }
    for (sample, tokens) in batch.tokenIDs.enumerated() {
      guard !tokens.isEmpty else { throw ReferenceError("sample \(sample) has no token") }
      guard batch.typeIDs[sample].count == tokens.count else {
        throw ReferenceError("sample \(sample) has \(tokens.count) tokens and \(batch.typeIDs[sample].count) type ids")
      }
    }
    self.interpreter = interpreter
    (self.batch, self.training) = (batch, training)
    dims = try DimTable(interpreter.graph, lengths: batch.tokenIDs.map(\.count))
    answers = batch.tokenIDs.map { _ in ReferenceAnswer() }
    isAnswered = batch.tokenIDs.map { _ in false }
    let (tasks, samples) = (interpreter.graph.shape.answered.count, batch.tokenIDs.count)
    let open = [ReferenceTaskAnswer?](repeating: nil, count: tasks)
    settled = [[ReferenceTaskAnswer?]](repeating: open, count: samples)
    var memories: [SampleMemories] = []
    if let exit = interpreter.policies.exit, exit.type.kind == .exit {
      for task in 0..<tasks { memories.append(SampleMemories(exit.part(task), samples: samples)) }
    }
    self.memories = memories
  }

  /// The answers, once all nodes have run.
  func finish() throws(ReferenceError) -> [ReferenceAnswer] {
    if let sample = isAnswered.firstIndex(of: false) {
      throw ReferenceError("the graph ends before sample \(sample) is answered")
    }
    return answers
  }

  /// Each task's part of a row of logits: all of it in an ordinary graph.
  func parts(ofRow count: Int) throws(ReferenceError) -> [(task: ModelTask, columns: Range<Int>)] {
    let shape = graph.shape
    if shape.tasks.isEmpty { return [(shape.task, 0..<count)] }
    guard count == shape.classes else { throw ReferenceError("\(count) logits, and the tasks have \(shape.classes)") }
    return shape.answered.map { ($0.task.task, $0.columns) }
  }

  /// Answers a sample with the logits of the head of a layer, counted from 1; 0 is the entry.
  mutating func answer(_ sample: Int, _ logits: [Float], at exitLayer: Int) throws(ReferenceError) {
    guard !isAnswered[sample] else { throw ReferenceError("sample \(sample) is answered twice") }
    isAnswered[sample] = true
    for (task, part) in try parts(ofRow: logits.count).enumerated() where settled[sample][task] == nil {
      settled[sample][task] = ReferenceTaskAnswer(logits: Array(logits[part.columns]), exitLayer: exitLayer)
    }
    let parts = settled[sample].compactMap(\.self)
    if graph.shape.tasks.isEmpty {
      answers[sample].probabilities = graph.shape.task.scores(logits)
      answers[sample].label = Arithmetic.argmax(logits)
    } else {
      answers[sample].tasks = parts
    }
    answers[sample].logits = parts.flatMap(\.logits)
    answers[sample].exitLayer = exitLayer
    guard exitLayer == 0 else { return }
    let tokens = batch.tokenIDs[sample].count
    answers[sample].tokensAlive = [tokens]
    answers[sample].alivePositions = [(0..<Int32(tokens)).map { $0 }]
  }

  /// Notes which tokens enter a layer. Its attention is where they are all read, before and after every pass.
  mutating func noteTokens(entering section: Section, rows: Dim) throws(ReferenceError) {
    guard case .layer(let layer) = section else { return }
    var positions = [[Int32]](repeating: [], count: answers.count)
    for row in try dims.rows(of: rows) { positions[row.sample].append(row.position) }
    for sample in answers.indices {
      let alive = positions[sample]
      guard !isAnswered[sample], !alive.isEmpty, answers[sample].tokensAlive.count == layer else { continue }
      answers[sample].tokensAlive.append(alive.count)
      answers[sample].alivePositions.append(alive)
    }
  }

  /// Adds the multiplications done for each row of a dim to the row's sample.
  mutating func count(_ products: [Int], inRowsOf dim: Dim) throws(ReferenceError) {
    for (row, products) in zip(try dims.rows(of: dim), products) {
      answers[row.sample].executedMatrixOperations += 2 * products
    }
  }

  func operand(_ node: Node, _ index: Int) throws(ReferenceError) -> ReferenceTensor {
    let value = node.inputs[index]
    guard let tensor = values[value] else { throw ReferenceError("%\(graph[value].name) is read before it is made") }
    return tensor
  }

  /// An operand that may be left out.
  func optionalOperand(_ node: Node, _ index: Int) throws(ReferenceError) -> ReferenceTensor? {
    index < node.inputs.count ? try operand(node, index) : nil
  }

  func operands(_ node: Node) throws(ReferenceError) -> [ReferenceTensor] {
    try node.inputs.indices.map { index throws(ReferenceError) in try operand(node, index) }
  }

  func weight(_ node: Node, _ index: Int) -> [Float] { interpreter.weights[node.weights[index].index] }

  /// A result of a node: the elements must fill its type over the dims as they are now.
  func result(
    _ node: Node, _ elements: ReferenceTensor.Elements, at index: Int = 0
  ) throws(ReferenceError) -> ReferenceTensor {
    let type = graph[node.results[index]].type
    let extents = try type.extents.map { extent throws(ReferenceError) in try dims.resolve(extent) }
    return try ReferenceTensor(type: type, extents: extents, elements: elements)
  }

  /// A result of a node from what was computed, which is rounded to f32 unless the graph trains.
  func result(_ node: Node, _ values: [Double], at index: Int = 0) throws(ReferenceError) -> ReferenceTensor {
    try result(node, graph.purpose == .train ? .doubles(values) : .floats(values.map { Float($0) }), at: index)
  }

  /// Values as a result would hold them.
  func rounded(_ values: [Double]) -> [Double] {
    graph.purpose == .train ? values : values.map { Double(Float($0)) }
  }

  /// The result of a node that defines a dim: indices into the rows of the dim that bounds it.
  mutating func definition(_ node: Node, _ indices: [Int]) throws(ReferenceError) -> ReferenceTensor {
    guard case .dim(let dim) = graph[node.results[0]].type.rows else {
      throw ReferenceError("%\(graph[node.results[0]].name) defines no dim")
    }
    try dims.define(dim, selecting: indices)
    return try result(node, .integers(indices.map { Int32($0) }))
  }

  /// The rows of `%samples` as sample numbers, checked to lie in the batch.
  func sampleNumbers(_ tensor: ReferenceTensor) throws(ReferenceError) -> [Int] {
    let numbers = try tensor.integers.map { Int($0) }
    guard numbers.allSatisfy({ answers.indices.contains($0) }) else {
      throw ReferenceError("sample numbers \(numbers) do not lie in a batch of \(answers.count)")
    }
    return numbers
  }
}
